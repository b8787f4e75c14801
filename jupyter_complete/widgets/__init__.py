"""What is clicked: widgets that show completions, tokens and models, and hand every wish to the session."""
