"""What every view shares: text made safe to show, and the few inline styles.

Model text is data. Control characters (which drive terminals) and bidirectional or invisible ones (which hide or
reorder text) are shown as signs; everything is escaped for HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from ..protocol.phrases import visible as visible  # for every view

# numbers begin with a digit: JupyterLab strips an opacity or alpha of .7 from a notebook that is not trusted
QUIET = "font-size:85%;opacity:0.7"
MUTED = "opacity:0.6"
BODY = "white-space:pre-wrap;overflow-wrap:anywhere;word-break:normal"
MONO = "font-family:monospace"
FRAME = "border-left:3px solid rgba(128,128,128,0.45);padding-left:.8em;max-width:60em"


def escape(text: str) -> str:
    """`text` made visible and safe inside HTML, attributes included."""
    return html.escape(visible(text))


def unmath(html: str) -> str:
    """Escaped text whose dollars and backslashes stand alone, so that a notebook's math typesetter, which knows links
    and macros of its own, finds no formula."""
    return re.sub(r"[$\\]", r"<span>\g<0></span>", html)


def as_html(text: str) -> str:
    """Text of anybody as HTML: escaped, visible, and without a formula."""
    return unmath(escape(text))


def as_markdown(text: str) -> str:
    """Text of anybody as Markdown on one line: visible, with Markdown's own signs escaped."""
    return "".join("\\" + sign if sign in "\\`*_{}[]<>()#|!&~$" else sign for sign in visible(text).replace("\n", " "))


def fenced(text: str) -> str:
    """`text` as a Markdown code block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{visible(text)}\n{fence}"


def element(tag: str, style: str, inner: str) -> str:
    """An HTML element around `inner`, which must be safe already."""
    return f'<{tag} style="{style}">{inner}</{tag}>'


def numbered(blocks: Sequence[str]) -> str:
    """One block as it is; several with their numbers."""
    return blocks[0] if len(blocks) == 1 else "\n\n".join(f"({n}) {block}" for n, block in enumerate(blocks, 1))
