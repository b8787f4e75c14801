"""Values to HTML, Markdown and plain strings; no model and no screen."""
