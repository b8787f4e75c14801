"""What a panel leaves in the notebook for readers without a kernel: its text, and every token in numbers.

The text comes first and unfolded: it is what a print shows. A page rewrites it while a person types
(static/document.js), so it must draw the same: tests/widgets/js/document.test.mjs compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from .html import BODY, QUIET, as_html, element, fenced, visible

HEAD = "The tokens of the last completion"
EMPTY = "Nothing is written here yet."
MARK = "--jc-text:1"  # by which a page hides the text where the panel itself shows it


def bundle(text: str, tokens: Mapping[str, str] | None) -> Mapping[str, str]:
    """MIME type to content: the panel's text and the bundle of its token view, None before the first completion."""
    made = head(text)
    if tokens is None:
        return made
    folded = f"<details><summary>{HEAD}</summary>{tokens['text/html']}</details>"
    return {
        "text/html": made["text/html"] + folded,
        "text/markdown": f"{made['text/markdown']}\n\n{tokens['text/markdown']}",
        "text/plain": f"{made['text/plain']}\n\n{tokens['text/plain']}",
    }


def head(text: str) -> dict[str, str]:
    """The text alone, which each content of the bundle begins with."""
    html = element("div", f"{MARK};{BODY}", as_html(text))
    return {
        "text/html": html if text else element("div", f"{MARK};{QUIET}", EMPTY),
        "text/markdown": fenced(text) if text else f"*{EMPTY}*",
        "text/plain": visible(text) or EMPTY,
    }
