"""The views of a model's inside as blocks, each the same in HTML and in plain text; inline styles alone.

Letters are 16 px at least, to be read from the back of a room, and no colour says what a number does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .html import BODY, MONO, as_html, element, fenced, visible
from .tables import aligned

ROOM = "font-size:16px;line-height:1.5;max-width:70em"
HEAD = "font-size:18px;font-weight:bold;margin:1em 0 .3em"
HUE = (232, 120, 0)  # of backgrounds, transparent enough to read a theme's own text on
STRONGEST = 0.6
NUMBER = f"text-align:right;padding:.1em .8em .1em 0;white-space:pre;{MONO};font-size:16px"
WORD = f"text-align:left;padding:.1em .8em .1em 0;white-space:pre;{MONO};font-size:16px"
BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Block:
    """One view: its title, as plain text and as safe HTML."""

    title: str
    plain: str
    html: str


@dataclass(frozen=True, slots=True, repr=False)
class InsideView:
    """Several views below each other; it displays itself in a notebook, and `str()` is its plain form."""

    blocks: Sequence[Block]
    footer: str

    def bundle(self) -> Mapping[str, str]:
        """MIME type to content."""
        plain = str(self)
        bodies = [element("div", HEAD, as_html(block.title)) + block.html for block in self.blocks]
        if self.footer:
            bodies.append(element("div", "opacity:0.7;margin-top:1em", as_html(self.footer)))
        html = element("div", ROOM, "".join(bodies))
        return {"text/html": html, "text/markdown": fenced(plain), "text/plain": plain}

    def __str__(self) -> str:
        parts = [f"{block.title}\n{'─' * len(block.title)}\n{block.plain}" for block in self.blocks]
        return visible("\n\n".join([*parts, *([f"[{self.footer}]"] if self.footer else [])]))

    def __repr__(self) -> str:
        return f"<InsideView: {', '.join(block.title for block in self.blocks)}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        return self.bundle()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: a number stands on the right; `share`, from 0 to 1, is its background."""

    text: str
    number: bool = False
    share: float = 0.0


def number(value: float, form: str = ".2f", share: float = 0.0) -> Cell:
    text = "−∞" if value == float("-inf") else format(value, form).replace("-", "−")
    return Cell(text, True, share)


def tabled(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell | str]], said: Sequence[str] = ()) -> Block:
    """A table with sentences below it."""
    cells = [[Cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    lines = "".join(element("div", "", as_html(line)) for line in said)
    plain = aligned([head, *([visible(cell.text) for cell in row] for row in cells)], _numbers(head, cells))
    return Block(title, "\n".join([plain, *said]), _table(head, cells) + lines)


def said(title: str, lines: Sequence[str], html: str = "") -> Block:
    """Sentences, or other HTML in their place."""
    return Block(title, "\n".join(lines), html or element("div", BODY, as_html("\n".join(lines))))


def painted(share: float) -> str:
    """The background for a share of 1."""
    if share < 0.005:
        return ""
    return background(round(255 * STRONGEST * min(1.0, share)))


def background(alpha: int) -> str:
    """A style: the hue with an alpha of 0 to 255."""
    return f"background:#{''.join(f'{part:02x}' for part in (*HUE, alpha))}"


def percent(share: float) -> str:
    """ "62.8 %", in about three digits."""
    if share == 0.0:
        return "0 %"
    if share < 0.0001:
        return "<0.01 %"
    return f"{100 * share:.{1 if share >= 0.01 else 2}f} %"


def bar(share: float, width: int = 10) -> str:
    """A share of 1 as so many eighths of blocks."""
    full, rest = divmod(round(share * width * 8), 8)
    return ("█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")).ljust(width)


def token(text: str) -> str:
    """A token's text with its whitespace visible."""
    return visible(text).replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "·"


def _numbers(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[bool]:
    """Which columns are of numbers, as their first row has it."""
    return [bool(rows) and rows[0][column].number for column in range(len(head))]


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    sides = zip(head, _numbers(head, rows), strict=True)
    top = "".join(element("th", NUMBER if side else WORD, as_html(name)) for name, side in sides)
    body = "".join(element("tr", "", "".join(map(_cell, row))) for row in rows)
    table = element("table", "border-collapse:collapse", element("tr", "", top) + body)
    return element("div", "overflow-x:auto", table)


def _cell(cell: Cell) -> str:
    style = NUMBER if cell.number else WORD
    back = painted(cell.share)
    return element("td", f"{style};{back}" if back else style, as_html(cell.text))
