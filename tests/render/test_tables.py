"""Models as tables: aligned in plain text, inert in HTML."""

from __future__ import annotations

import pytest
from hostile import CONTROL, TEXTS, Read

from jupyter_complete.render.html import visible
from jupyter_complete.render.tables import bundle, table_html, table_plain

HEAD = ("name", "what")


def test_columns_are_aligned() -> None:
    rows = [("a", "one"), ("longer", "two")]
    assert table_plain(HEAD, rows) == "name    what\na       one\nlonger  two"


def test_html_is_a_table_of_the_same_cells() -> None:
    html = table_html(HEAD, [("a", "one")])
    assert Read(html).text == "namewhataone"
    assert (html.count("<th "), html.count("<td "), html.count("<tr ")) == (2, 2, 2)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_names_are_inert(text: str) -> None:
    html = table_html((text, text), [(text, "x")])
    assert Read(html).faults == []
    assert Read(html).text == visible(text) * 3 + "x"
    assert not CONTROL.search(html + table_plain((text, text), [(text, "x")]))


def test_no_rows_make_a_head_alone() -> None:
    assert table_plain(HEAD, []) == "name  what"


def test_several_tables_stand_one_below_the_other_with_their_note() -> None:
    shown = bundle([(HEAD, [("a", "one")]), (HEAD, [("b", "two")])], "about $1 \x1b")
    assert shown["text/plain"].split("\n\n") == [
        "name  what\na     one",
        "name  what\nb     two",
        f"about $1 {visible(chr(27))}",
    ]
    assert shown["text/html"].count("<table") == 2
    assert Read(shown["text/html"]).faults == []
