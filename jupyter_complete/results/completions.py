"""Several continuations of one request (`num`, `-n`): the first, by which all of them can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import overload

from .completion import Completion


class Completions(Completion):
    """The first of several continuations, and the sequence of them all: `c[0]`, `c[1]`, `len(c)`, `for one in c`.

    `str(c)`, `c.text` and every other attribute are those of the first; `c.alternatives` are the others. A completion
    of one continuation is not a sequence.
    """

    @cached_property
    def members(self) -> tuple[Completion, ...]:
        """Every continuation, as a completion of its own."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return (Completion(**{**fields, "alternatives": ()}), *self.alternatives)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Completion]:
        return iter(self.members)

    @overload
    def __getitem__(self, index: int) -> Completion: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Completion, ...]: ...

    def __getitem__(self, index: int | slice) -> Completion | tuple[Completion, ...]:
        return self.members[index]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name != "members"}
