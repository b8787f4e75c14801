"""The tokens of the echo engine: the 256 bytes, some common words with the space before them, and control tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from ...protocol.errors import BadOption
from ...protocol.prompt_parts import Think, Turn
from ...results.token_bytes import Pieces, text_of
from ..text.chat import Prompt
from ..text.text_stream import ByteDetokenizer, Detokenizer

COMMON = """
a about all an and any are as at average be been between both but by can column data deviation do each error every few
first for from had has have he her his how if in into is it its large largest last less like line made many may mean
median mode model more most much must no not number numbers of on one only or other our out over part population range
row same sample she should small so some standard such sum table than that the their them then there these they this
those three time to two up value values variance was we were what when where which who will with word words would you
your
"""
WORDS = COMMON.split()
NAMES = ("<|end|>", "<|turn|>", "<|system|>", "<|user|>", "<|assistant|>")

_FIRST_WORD = 256
_FIRST_NAME = _FIRST_WORD + len(WORDS)
END, TURN = _FIRST_NAME, _FIRST_NAME + 1
SIZE = _FIRST_NAME + len(NAMES)
SPECIAL = frozenset(range(_FIRST_NAME, SIZE))
PRINTABLE = np.array([32 <= id < 127 or _FIRST_WORD <= id < _FIRST_NAME for id in range(SIZE)])

_ID = {f" {word}": _FIRST_WORD + place for place, word in enumerate(WORDS)}
_WORD = re.compile("|".join(f"{word}(?![a-z])" for word in sorted(_ID, key=len, reverse=True)))


class EchoTokenizer:
    """Text to ids and back. Every text has one spelling, and the names of control tokens in a text stay text."""

    def encode(self, text: str) -> list[int]:
        ids, at = list[int](), 0
        for found in _WORD.finditer(text):
            ids += [*text[at : found.start()].encode(), _ID[found.group()]]
            at = found.end()
        return [*ids, *text[at:].encode()]

    def count(self, text: str) -> int:
        """Tokens of a text that stands inside another."""
        return len(self.encode(text))

    def encode_chat(self, turns: Sequence[Turn], think: Think = "auto") -> Prompt:
        """A conversation up to where the answer begins: the role, the text, <|turn|>. Every model may think."""
        ids = list[int]()
        for turn in turns:
            ids += [self._role(turn.role), *self.encode(turn.text), TURN]
        return Prompt([*ids, self._role("assistant")], "no" if think == "off" else "may")

    @property
    def turn_ends(self) -> frozenset[int]:
        """What ends an answer besides the end of the text: nothing."""
        return frozenset()

    def encode_gap(self, before: str, after: str) -> list[int]:
        """Nothing: the echo model fills no gap."""
        raise NotImplementedError

    @property
    def gap_ends(self) -> frozenset[int] | None:
        """What ends the text in a gap: the echo model fills none."""
        return None

    def only_token(self, text: str) -> int:
        """The id of the one token that is `text`; raises BadOption where there is none."""
        ids = self.encode(text)
        if len(ids) != 1:
            told = ", ".join(f"{self.token_text(id)!r} ({id})" for id in ids[:8]) + ", …" * (len(ids) > 8)
            raise BadOption(
                f"{text[:60]!r} is not one token: it encodes to {told or 'nothing'}.", "Give one by its id."
            )
        return ids[0]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`, without control tokens."""
        return b"".join(self.token_bytes(id) for id in ids).decode(errors="replace")

    def detokenizer(self) -> Detokenizer:
        return ByteDetokenizer(self.token_bytes)

    def token_bytes(self, id: int) -> bytes:
        """What a token adds to a text; nothing for a control token."""
        if id < _FIRST_WORD:
            return bytes([id])
        return f" {WORDS[id - _FIRST_WORD]}".encode() if id < _FIRST_NAME else b""

    def token_text(self, id: int) -> str:
        """A token by itself; a control token's name, and a byte that is no whole character as that."""
        return NAMES[id - _FIRST_NAME] if self.is_special(id) else text_of(self.token_bytes(id))

    def is_special(self, id: int) -> bool:
        return id in SPECIAL

    def pieces(self) -> Pieces:
        """The bytes of every token, for a trace."""
        return _pieces()

    @staticmethod
    def _role(role: str) -> int:
        return _FIRST_NAME + NAMES.index(f"<|{role}|>")


@cache
def _pieces() -> Pieces:
    tokenizer = EchoTokenizer()
    spelled = [tokenizer.token_bytes(id) or tokenizer.token_text(id).encode() for id in range(SIZE)]
    ends = np.cumsum([len(piece) for piece in spelled]).astype(np.int64)
    return Pieces(np.frombuffer(b"".join(spelled), np.uint8), ends, SPECIAL)
