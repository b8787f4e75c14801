"""What a panel leaves in the notebook for readers without a kernel: its text, and every token in numbers."""

from __future__ import annotations

from collections.abc import Mapping

from .html import BODY, QUIET, element, escape, fenced, unmath, visible

HEAD = "What the panel shows, kept with the notebook"
BEGINNING = 80  # characters of the text that are seen without opening it
EMPTY = "The panel has no completion yet."


def bundle(text: str, tokens: Mapping[str, str] | None) -> Mapping[str, str]:
    """MIME type to content: the panel's text and the bundle of its token view, None before the first completion."""
    body = element("div", BODY, unmath(escape(text)))
    if tokens is None:
        empty = element("div", QUIET, escape(EMPTY))
        return {
            "text/html": body + empty if text else empty,
            "text/markdown": f"{fenced(text)}\n\n*{EMPTY}*" if text else f"*{EMPTY}*",
            "text/plain": f"{visible(text)}\n\n{EMPTY}" if text else EMPTY,
        }
    start = " ".join((text[:BEGINNING] + "…" * (len(text) > BEGINNING)).split())
    head = f"<summary>{HEAD}{': ' if start else ''}{unmath(escape(start))}</summary>"
    texts = ([fenced(text)], [visible(text)]) if text else ([], [])
    return {
        "text/html": f"<details>{head}{body}{tokens['text/html']}</details>",
        "text/markdown": "\n\n".join([*texts[0], tokens["text/markdown"]]),
        "text/plain": "\n\n".join([*texts[1], tokens["text/plain"]]),
    }
