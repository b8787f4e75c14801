"""What every view shares: text made visible, escaped, fenced; numbers with their nouns."""

from __future__ import annotations

import html

import pytest
from hostile import CONTROL, TEXTS, fenced_blocks
from hypothesis import given
from hypothesis import strategies as st

from jupyter_complete.protocol.phrases import count, size
from jupyter_complete.render.html import element, escape, fenced, numbered, visible

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_visible_leaves_no_control_or_hiding_character(text: str) -> None:
    assert not CONTROL.search(visible(text))


@pytest.mark.parametrize("text", ["plain", "tab\tnewline\n", "我想 👩‍👩‍👧‍👦 é naïve", "  spaces  ", "नि क्ष", "می‌خواهم"])
def test_visible_leaves_ordinary_text_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[1m", "␛[1m"), ("\0", "␀"), ("\r", "␍"), ("\x7f", "␡"), ("\u202e", "⟨U+202E⟩"), ("\ud800", "\ufffd")],
)
def test_visible_shows_a_sign(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_once_is_visible_for_good(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(ANY_TEXT)
def test_escape_is_undone_to_the_visible_text(text: str) -> None:
    assert html.unescape(escape(text)) == visible(text)


@given(ANY_TEXT)
def test_escape_leaves_no_sign_that_html_reads(text: str) -> None:
    assert not set("<>\"'") & set(escape(text))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_fence_holds_the_whole_text(text: str) -> None:
    assert fenced_blocks(fenced(text)) == [visible(text) + "\n"]


@given(st.text("`~ \nab"))
def test_a_fence_is_longer_than_any_run_inside(text: str) -> None:
    assert fenced_blocks(fenced(text)) == [text + "\n"]


def test_element_is_a_tag_with_a_style() -> None:
    assert element("p", "color:red", "x") == '<p style="color:red">x</p>'


def test_one_block_has_no_number() -> None:
    assert (numbered(["a"]), numbered(["a", "b"])) == ("a", "(1) a\n\n(2) b")


@pytest.mark.parametrize(("number", "shown"), [(0, "0 tokens"), (1, "1 token"), (12345, "12,345 tokens")])
def test_count_agrees_with_its_noun(number: int, shown: str) -> None:
    assert count(number, "token") == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (92_871_040, "92.9 MB"), (2_500_000_000, "2.50 GB")],
)
def test_size_is_in_decimal_units(number: int, shown: str) -> None:
    assert size(number) == shown
