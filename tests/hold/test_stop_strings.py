"""A text ends before the first stop string that is complete, wherever its tokens part: as a plain search finds it."""

from __future__ import annotations

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_complete.engine.text.text_stream import ByteDetokenizer, StopMatcher, TextStream

pytestmark = pytest.mark.soak

LETTERS = "ab\n数"  # few, so that stop strings and their beginnings are met often
STOPS = st.lists(st.text(LETTERS, min_size=1, max_size=5), max_size=4)
PIECES = st.lists(st.text(LETTERS, max_size=5), max_size=16)
BYTES = st.lists(st.sampled_from([b"a", b"b", b"ab", b"\n", b"\xe6", b"\x95", b"\xb0", b"\xe6\x95", b"", b"\xff"]))


def search(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text before the first stop string to be complete, letter by letter; of several the one that begins first."""
    for end in range(len(text) + 1):
        if met := [stop for stop in stops if text[:end].endswith(stop)]:
            return text[: end - max(map(len, met))], True
    return text, False


@examples(400, 100_000)
@given(PIECES, STOPS)
@example(["a", "ba"], ["aba", "b"])
@example(["aab"], ["ab", "aab"])
def test_pieces_are_cut_as_the_whole_text_is(pieces: list[str], stops: list[str]) -> None:
    matcher, shown = StopMatcher(stops), ""
    expected, stopped = search("".join(pieces), stops)
    for piece in pieces:
        more, met = matcher.push(piece)
        shown += more
        assert expected.startswith(shown), "what is shown is never taken back"
        if met:
            assert stopped
            assert shown == expected
            return
    assert not stopped
    assert shown + matcher.flush() == expected


@examples(400, 100_000)
@given(BYTES, STOPS, st.integers(0, 20))
def test_tokens_that_part_characters_are_cut_as_their_text_is(
    tokens: list[bytes], stops: list[str], first: int
) -> None:
    """Of byte tokens, of which the first may be a prefix that stands."""
    first = min(first, len(tokens))
    stream = TextStream(ByteDetokenizer(tokens.__getitem__), stops, range(first))
    shown = stream.before.shown
    text = stream.before.text
    whole = b"".join(tokens).decode("utf-8", errors="replace")
    for token in range(first, len(tokens)):
        delta = stream.push(token)
        text, shown = text + delta.text, shown + delta.shown
        assert whole.startswith(text)
        if delta.stopped:
            assert any(stop in whole for stop in stops)
            assert shown == search(whole, stops)[0] or first
            return
    rest, last = stream.close()
    assert text + rest == whole
    if not first:
        assert (shown + last, False) == search(whole, stops)
