"""Ids to text as they come, and stop strings cut wherever the borders fall."""

from __future__ import annotations

import random

import pytest
from tokenizers.decoders import ByteLevel as RustDecoder

from jupyter_complete.engine.text.text_stream import ByteDetokenizer, StopMatcher, TextStream, WindowDetokenizer


def rust_lossy(data: bytes) -> str:
    """What the tokenizers library makes of bytes, each its own token."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letter = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return str(RustDecoder().decode([letter[byte] for byte in data]))


def streamed(data: bytes) -> list[str]:
    """The pieces that a byte detokenizer gives for `data`, the last of them at the end."""
    detokenizer = ByteDetokenizer(lambda token: bytes([token]))
    return [*map(detokenizer.push, data), detokenizer.flush()]


def random_bytes(chance: random.Random) -> bytes:
    """Bytes among which beginnings, middles and rests of UTF-8 characters meet in every order."""
    alphabet = [0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4]
    alphabet += [0xF5, 0xFF]
    parts = [bytes([chance.choice(alphabet)]), bytes([chance.randrange(256)]), "é数👍🏽".encode()]
    weights = [6, 2, 1]
    data = b"".join(chance.choices(parts, weights)[0] for _ in range(chance.randrange(1, 12)))
    return data + bytes(chance.choice(alphabet) for _ in range(chance.randrange(4)))


class TestBytes:
    def test_invalid_utf8_becomes_what_the_tokenizers_library_makes_of_it(self) -> None:
        chance = random.Random(1)
        for _ in range(5000):
            data = random_bytes(chance)
            assert "".join(streamed(data)) == rust_lossy(data), data

    @pytest.mark.parametrize(
        "text", ["plain", "é", "数据科学家", "👩‍👩‍👧‍👦", "🇨🇭👍🏽", "a\u0301", "\ufffd", "\u202e", "\x00"]
    )
    def test_a_character_is_given_whole_at_its_last_byte(self, text: str) -> None:
        pieces = streamed(text.encode())
        whole = [character for character in text for _ in character.encode()]
        ends = [n for character in text for n in [*[0] * (len(character.encode()) - 1), 1]]
        assert pieces == [*[character if end else "" for character, end in zip(whole, ends, strict=True)], ""]

    def test_a_half_character_at_the_end_is_told_by_flush(self) -> None:
        assert streamed("数".encode()[:2]) == ["", "", "\ufffd"]

    def test_a_byte_that_breaks_a_character_frees_it_at_once(self) -> None:
        assert streamed("数".encode()[:2] + b"a") == ["", "", "\ufffda", ""]


class TestWindow:
    """A vocabulary of words, where the decoder gives every word but the first a space."""

    WORDS = ("mean", "median", "", "\ufffd")

    def detokenizer(self, context: tuple[int, ...] = ()) -> WindowDetokenizer:
        return WindowDetokenizer(lambda ids: " ".join(self.WORDS[id] for id in ids), lambda id: False, context)

    def test_the_first_token_has_no_space_where_nothing_precedes_it(self) -> None:
        detokenizer = self.detokenizer()
        assert [detokenizer.push(0), detokenizer.push(1)] == ["mean", " median"]

    def test_the_first_token_has_its_space_after_a_prompt(self) -> None:
        assert self.detokenizer(context=(1,)).push(0) == " mean"

    def test_a_hold_ends_even_if_the_character_never_gets_whole(self) -> None:
        detokenizer = self.detokenizer()
        pieces = [detokenizer.push(3) for _ in range(2 * WindowDetokenizer.HOLD)]
        assert "".join(pieces) == " ".join(["\ufffd"] * (2 * WindowDetokenizer.HOLD))

    def test_the_pieces_join_to_the_whole_whatever_the_order(self) -> None:
        chance = random.Random(2)
        for _ in range(500):
            ids = [chance.randrange(4) for _ in range(chance.randrange(1, 40))]
            detokenizer = self.detokenizer()
            pieces = [*map(detokenizer.push, ids), detokenizer.flush()]
            assert "".join(pieces) == " ".join(self.WORDS[id] for id in ids)


def oracle(text: str, stops: list[str]) -> tuple[str, bool]:
    """Character by character: the text before the first stop to be complete, the longest of those that end there."""
    for end in range(1, len(text) + 1):
        met = [stop for stop in stops if text[:end].endswith(stop)]
        if met:
            return text[: end - max(map(len, met))], True
    return text, False


def pieces_of(text: str, chance: random.Random) -> list[str]:
    """`text` cut at random places, sometimes into nothing."""
    borders = sorted(chance.randrange(len(text) + 1) for _ in range(chance.randrange(8)))
    return [text[a:b] for a, b in zip([0, *borders], [*borders, len(text)], strict=True)]


def random_stops(chance: random.Random, alphabet: str) -> list[str]:
    """One to four stops, of which some begin alike."""
    stem = "".join(chance.choices(alphabet, k=chance.randrange(3)))
    return [
        stem * chance.randrange(2) + "".join(chance.choices(alphabet, k=chance.randrange(1, 4)))
        for _ in range(chance.randrange(1, 5))
    ]


class TestStops:
    @pytest.mark.parametrize("alphabet", ["ab", "a\n数", "abc👍"])
    def test_the_text_ends_before_the_first_stop_to_be_complete_wherever_the_borders_fall(self, alphabet: str) -> None:
        chance = random.Random(alphabet)
        stopped_ones = 0
        for _ in range(10_000):
            stops = random_stops(chance, alphabet)
            text = "".join(chance.choices(alphabet, k=chance.randrange(16)))
            matcher, shown, stopped = StopMatcher(stops), "", False
            for piece in pieces_of(text, chance):
                more, stopped = matcher.push(piece)
                shown += more
                if stopped:
                    break
            shown += matcher.flush()
            assert (shown, stopped) == oracle(text, stops), (text, stops)
            stopped_ones += stopped
        assert 1000 < stopped_ones < 9900

    def test_only_what_may_become_a_stop_is_held(self) -> None:
        chance = random.Random(4)
        for _ in range(5000):
            stops = random_stops(chance, "ab")
            text = "".join(chance.choices("ab", k=12))
            matcher, read, shown = StopMatcher(stops), "", ""
            for piece in pieces_of(text, chance):
                more, stopped = matcher.push(piece)
                if stopped:
                    break
                read, shown = read + piece, shown + more
                beginnings = {stop[:size] for stop in stops for size in range(1, len(stop))}
                held = max((size for size in range(len(read) + 1) if read[len(read) - size :] in beginnings), default=0)
                assert shown == read[: len(read) - held], (read, stops)

    def test_of_two_stops_that_end_together_the_longer_one_is_cut_off(self) -> None:
        assert StopMatcher(["b", "aab"]).push("xaab") == ("x", True)

    def test_a_short_stop_inside_a_longer_one_wins_where_it_is_complete_first(self) -> None:
        assert StopMatcher(["aabb", "a"]).push("xaabb") == ("x", True)

    def test_nothing_is_held_after_a_stop(self) -> None:
        matcher = StopMatcher(["aa", "ab"])
        matcher.push("xaba")
        assert matcher.flush() == ""

    def test_without_stops_every_piece_passes_at_once(self) -> None:
        assert StopMatcher([]).push("anything") == ("anything", False)


class TestTextStream:
    """Each byte a token."""

    def stream(self, *stops: str, prefix: bytes = b"") -> TextStream:
        return TextStream(ByteDetokenizer(lambda token: bytes([token])), stops, prefix)

    def test_a_token_tells_its_text_though_a_stop_may_hold_it(self) -> None:
        delta = self.stream("ab").push(ord("a"))
        assert (delta.text, delta.shown, delta.stopped) == ("a", "", False)

    def test_the_last_token_gives_out_all_that_was_held(self) -> None:
        stream = self.stream("a\ufffdb")
        stream.push(ord("a"))
        delta = stream.push(0xE6, "stop")
        assert (delta.text, delta.shown, delta.stopped) == ("\ufffd", "a\ufffd", False)

    def test_a_stop_that_the_held_rest_completes_is_cut_off(self) -> None:
        stream = self.stream("a\ufffd")
        stream.push(ord("a"))
        stream.push(0xE6)
        assert stream.close() == ("\ufffd", "")

    def test_a_prefix_gives_the_first_byte_its_place_and_adds_no_text(self) -> None:
        first, *rest = "é".encode()
        assert self.stream(prefix=bytes([ord("a"), first])).push(rest[0]).shown == "é"
