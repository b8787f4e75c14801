"""A vocabulary without its tokenizer: the bytes that every token stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..protocol.errors import BadOption


def text_of(raw: bytes) -> str:
    """Return a token's bytes as text, or as hexadecimal numbers if they are not whole characters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{raw.hex(' ')}⟩"


@dataclass(frozen=True, eq=False)
class Pieces:
    """The bytes of every token of a vocabulary: `blob` uint8, and where each ends in it, int64 [V]."""

    blob: np.ndarray
    ends: np.ndarray
    special: frozenset[int] = frozenset()

    def bytes(self, id: int) -> bytes:
        """What a token adds to a text; of a control token, its name."""
        begin = int(self.ends[id - 1]) if id else 0
        return self.blob[begin : int(self.ends[id])].tobytes()

    def find(self, text: str) -> int:
        """The id of the one token that is `text`; raises BadOption where there is none."""
        wanted = text.encode()
        begins = np.concatenate([[0], self.ends[:-1]])
        for id in np.flatnonzero(self.ends - begins == len(wanted)).tolist():
            if id not in self.special and self.bytes(id) == wanted:
                return int(id)
        raise BadOption(f"{text[:60]!r} is not one token of this model.", "Give one by its id.")

    def text(self, id: int) -> str:
        """The same as text; its bytes where they are no whole characters."""
        return text_of(self.bytes(id))

    @property
    def nbytes(self) -> int:
        return int(self.blob.nbytes + self.ends.nbytes)
