"""What a prompt must be: text, and some of it."""

from __future__ import annotations

from .errors import BadPrompt, EmptyPrompt


def checked(text: str) -> str:
    """`text` itself; raises EmptyPrompt when it is empty, BadPrompt when it is none."""
    if not isinstance(text, str):
        raise BadPrompt(f"A prompt is text, and this is of type {type(text).__name__}.", "Give a str.")
    if not text:
        raise EmptyPrompt("The prompt is empty.", "Write the text to complete.")
    return text
