"""Tables of words: what models can be loaded, what is resident, how likely choices are."""

from __future__ import annotations

from collections.abc import Sequence

from .html import element, escape, unmath, visible

Row = Sequence[str]


def table_plain(head: Row, rows: Sequence[Row]) -> str:
    """Columns aligned with spaces, for a terminal and text/plain."""
    lines = [head, *rows]
    widths = [max(len(visible(line[column])) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(visible(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def table_html(head: Row, rows: Sequence[Row]) -> str:
    """The same as an HTML table."""
    style = "text-align:left;padding:.1em 1.2em .1em 0;vertical-align:top"
    body = [element("tr", "", "".join(element("th", style, escape(cell)) for cell in head))]
    body += [element("tr", "", "".join(element("td", style, unmath(escape(cell))) for cell in row)) for row in rows]
    return element("table", "border-collapse:collapse", "".join(body))
