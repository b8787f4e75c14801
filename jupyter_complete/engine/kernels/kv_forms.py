"""The forms of a KV cache: how many bits a number has, and where it stands.

Keys stand in blocks of sixteen positions, one row for each dimension of the head. Values stand in tiles of sixteen
dimensions, one row for each position. A row has sixteen numbers. As int8 a number is a whole number times a scale: a
key has a scale for each 32 dimensions, behind the rows of its block, and a value has one in its row. A scale is
bfloat16, which has the range of float32. It is rounded up, so that no number exceeds 127.

Nothing here imports numba.
"""

from __future__ import annotations

from typing import NamedTuple

from .sizes import GROUP, ROWS

SCALE = 2  # bytes of a scale


class KVForm(NamedTuple):
    """One form."""

    name: str
    number: int  # bytes of a number
    scaled: bool = False

    @property
    def row(self) -> int:
        """Bytes of sixteen values of a position. Compiled code knows a form by it."""
        return ROWS * self.number + (SCALE if self.scaled else 0)

    def block(self, head_size: int) -> int:
        """Bytes of sixteen keys."""
        return ROWS * (head_size * self.number + (SCALE * key_groups(head_size) if self.scaled else 0))

    def token(self, heads: int, head_size: int) -> int:
        """Bytes of the keys and values of a token, in one layer with so many key and value heads."""
        return heads * (self.block(head_size) // ROWS + -(-head_size // ROWS) * self.row)


FLOAT32, BFLOAT16, INT8 = KVForm("float32", 4), KVForm("bfloat16", 2), KVForm("int8", 1, True)
FORMS = (FLOAT32, BFLOAT16, INT8)
OF_NAME = {form.name: form for form in FORMS}


def key_groups(head_size: int) -> int:
    """The number of scales of a key."""
    return -(-head_size // GROUP)
