"""Tables of words: what models can be loaded, what is resident, how likely choices are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .html import QUIET, as_html, element, visible

Row = Sequence[str]


def table_plain(head: Row, rows: Sequence[Row]) -> str:
    """Columns aligned with spaces, for a terminal and text/plain."""
    return aligned([[visible(cell) for cell in line] for line in (head, *rows)])


def aligned(lines: Sequence[Row], right: Sequence[bool] = ()) -> str:
    """Lines of cells, the head among them, as columns of plain text; those that are `right` end at the same place."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = right or [False] * len(widths)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )


def table_html(head: Row, rows: Sequence[Row]) -> str:
    """The same as an HTML table."""
    style = "text-align:left;padding:.1em 1.2em .1em 0;vertical-align:top"
    body = [element("tr", "", "".join(element("th", style, as_html(cell)) for cell in head))]
    body += [element("tr", "", "".join(element("td", style, as_html(cell)) for cell in row)) for row in rows]
    return element("table", "border-collapse:collapse", "".join(body))


def bundle(tables: Iterable[tuple[Row, Sequence[Row]]], note: str = "") -> Mapping[str, str]:
    """MIME type to content of several tables, one below the other, and a note of one or more lines."""
    shown, lines = list(tables), note.splitlines()
    plain = [table_plain(head, rows) for head, rows in shown] + ["\n".join(map(visible, lines))] * bool(note)
    said = "".join(element("div", QUIET, as_html(line)) for line in lines)
    html = [table_html(head, rows) for head, rows in shown] + [said] * bool(note)
    return {"text/plain": "\n\n".join(plain), "text/html": "<br>".join(html)}
