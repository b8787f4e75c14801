"""A conversation as static text: who said what, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..protocol.phrases import count
from ..protocol.prompt_parts import Turn
from .html import BODY, FRAME, QUIET, as_html, as_markdown, element, fenced, visible

NAMES = {"system": "system", "user": "you", "assistant": "model"}


def bundle(name: str, turns: Sequence[Turn]) -> Mapping[str, str]:
    """MIME type to content."""
    title = f"{name}: {count(len(turns), 'turn')}"
    plain = [f"{NAMES[turn.role]}: {visible(turn.text)}" for turn in turns]
    markdown = [f"**{NAMES[turn.role]}**\n\n{fenced(turn.text)}" for turn in turns]
    html = [element("div", QUIET, NAMES[turn.role]) + element("div", BODY, as_html(turn.text)) for turn in turns]
    return {
        "text/html": element("div", FRAME, "".join(html) + element("div", QUIET + ";margin-top:.4em", as_html(title))),
        "text/markdown": "\n\n".join([*markdown, f"*{as_markdown(title)}*"]),
        "text/plain": "\n\n".join([*plain, f"[{visible(title)}]"]),
    }
