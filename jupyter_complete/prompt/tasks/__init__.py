"""Named prompts, a Markdown file each, and how they are read and found; nothing here knows a model."""
