"""The bytes that tokens stand for: from the names in a vocabulary, and of a vocabulary without its tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..protocol.errors import BadOption


def text_of(raw: bytes) -> str:
    """Return a token's bytes as text, or as hexadecimal numbers if they are not whole characters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{raw.hex(' ')}⟩"


_BYTE_TOKEN = re.compile("<0x[0-9A-Fa-f]{2}>")


def is_byte(name: str) -> bool:
    """Whether a token's name is that of one byte: "<0x0A>"."""
    return _BYTE_TOKEN.fullmatch(name) is not None


def bytes_of_name(name: str, byte_level: bool) -> bytes | None:
    """The bytes that a token's name spells; None where the name is text, which the tokenizer decodes.

    In a byte-level vocabulary every letter of a name is a byte. A token added to it can have other letters, and is
    text as it stands.
    """
    if not byte_level:
        return bytes([int(name[3:5], 16)]) if is_byte(name) else None
    values = [_BYTE_OF.get(letter) for letter in name]
    return name.encode() if None in values else bytes(value for value in values if value is not None)


def _bytes_by_letter() -> dict[str, int]:
    """Byte-level BPE writes every byte as one letter: printable Latin-1 as itself, the others from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in set(printable))
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


_BYTE_OF = _bytes_by_letter()


@dataclass(frozen=True, eq=False)
class Pieces:
    """The bytes of every token of a vocabulary: `blob` uint8, and where each ends in it, int64 [V]."""

    blob: np.ndarray
    ends: np.ndarray
    special: frozenset[int] = frozenset()

    @classmethod
    def joined(cls, pieces: Iterable[bytes], special: Iterable[int]) -> Pieces:
        """The vocabulary of these tokens, in the order of their ids; those that are `special` are control tokens."""
        every = list(pieces)
        ends = np.cumsum([len(piece) for piece in every]).astype(np.int64)
        return cls(np.frombuffer(b"".join(every), np.uint8), ends, frozenset(special))

    def bytes(self, id: int) -> bytes:
        """What a token adds to a text; of a control token, its name."""
        begin = int(self.ends[id - 1]) if id else 0
        return self.blob[begin : int(self.ends[id])].tobytes()

    def find(self, text: str) -> int:
        """Return the id of the one token that is `text`. Raises BadOption if there is none."""
        found = self._find(text)
        if found is not None:
            return found
        piece = next((text[:end] for end in range(len(text) - 1, 0, -1) if self._find(text[:end]) is not None), "")
        hint = (
            f"Give its first piece, {piece!r}, or another token." if piece.strip() else "Give another token, or its id."
        )
        raise BadOption(f"{text[:60]!r} is not one token of this model.", hint)

    def _find(self, text: str) -> int | None:
        """Return the id of the token that is `text`, if there is one."""
        wanted = text.encode(errors="replace")
        begins = np.concatenate([[0], self.ends[:-1]])
        for id in np.flatnonzero(self.ends - begins == len(wanted)).tolist():
            if id not in self.special and self.bytes(id) == wanted:
                return int(id)
        return None

    def text(self, id: int) -> str:
        """The same as text; its bytes where they are no whole characters."""
        return text_of(self.bytes(id))

    @property
    def nbytes(self) -> int:
        return int(self.blob.nbytes + self.ends.nbytes)
