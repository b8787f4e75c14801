"""How models that fill a gap between two texts are told of it: one table, and the line of it that a vocabulary has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Marks(NamedTuple):
    """The names of the tokens before the first text, before the second one, and before what fills the gap.

    `suffix_first` says that the second text comes before the first one. `ends` are further tokens that end the filling.
    """

    prefix: str
    suffix: str
    middle: str
    ends: tuple[str, ...] = ()
    suffix_first: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """The ids of a model's marks; `middle` is None where nothing stands before what fills the gap."""

    prefix: int
    suffix: int
    middle: int | None
    ends: frozenset[int]
    suffix_first: bool

    def around(self, before: Sequence[int], after: Sequence[int]) -> list[int]:
        """Ids of two texts with their marks, up to where the filling begins."""
        parts = [[self.prefix, *before], [self.suffix, *after]]
        if self.suffix_first:
            parts.reverse()
        return [*parts[0], *parts[1], *([] if self.middle is None else [self.middle])]


_QWEN_ENDS = ("<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|file_separator|>", "<|endoftext|>")
_STAR_ENDS = ("<fim_pad>", "<file_sep>", "<|endoftext|>")

MARKS = (
    Marks("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", _QWEN_ENDS),  # Qwen 2.5 and 3, CodeGemma, Granite 4
    Marks("<fim_prefix>", "<fim_suffix>", "<fim_middle>", _STAR_ENDS),  # StarCoder, Granite Code, Stable Code
    Marks("<fim-prefix>", "<fim-suffix>", "<fim-middle>", ("<|endoftext|>",)),  # SantaCoder
    Marks("▁<PRE>", "▁<SUF>", "▁<MID>", ("▁<EOT>",)),  # Code Llama
    Marks("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek Coder
    Marks("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", ("<|endoftext|>",)),  # GLM 4
    Marks("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", suffix_first=True),  # Seed Coder
    Marks("[PREFIX]", "[SUFFIX]", "", suffix_first=True),  # Codestral
)


def find_gap(vocabulary: Mapping[str, int]) -> Gap | None:
    """The marks of a model, by the names of its tokens; None for a model that has none."""
    for line in MARKS:
        if all(name in vocabulary for name in (line.prefix, line.suffix, line.middle) if name):
            ends = frozenset(vocabulary[name] for name in line.ends if name in vocabulary)
            middle = vocabulary[line.middle] if line.middle else None
            return Gap(vocabulary[line.prefix], vocabulary[line.suffix], middle, ends, line.suffix_first)
    return None
