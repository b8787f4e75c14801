"""Tokens chosen by compiled code: one of given logits, or several in a row, by a step that needs no Python in between.

The arithmetic is that of local/sampling_kernels, compiled by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import carray, njit, types

from . import symbols
from .disk_cache import compiled
from .llvm_vectors import FAST
from .sample import choose
from .symbols import Kernel, at

CANDIDATES, ENDS, AHEAD = 100, 16, 8  # the most that a choice tells of, that end a text, that are chosen in a row


class Asked(NamedTuple):
    """How tokens are chosen."""

    candidates: int
    greedy: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float


class Chosen(NamedTuple):
    """A token by its place, its raw logprob and rank; of each candidate its place, raw logprob, probability after the
    cuts and what cut it."""

    place: int
    logprob: float
    rank: int
    places: list[int]
    logprobs: list[float]
    probs: list[float]
    cuts: list[int]


class Row(NamedTuple):
    """What the next tokens are chosen by, and what is said of each: T of them."""

    whole: Any  # int64 [4]: V, candidates, greedy, top_k
    real: Any  # float64 [3]: temperature, top_p, min_p
    draws: Any  # float64 [T]
    ends: Any  # int64 [ENDS], filled up with -1
    ints: Any  # int64 [T, 2 + 2 CANDIDATES]: place, rank, and the candidates' places and cuts
    reals: Any  # float64 [T, 1 + 2 CANDIDATES]: logprob, and the candidates' logprobs and probabilities


def row(tokens: int) -> Row:
    return Row(
        np.zeros(4, np.int64),
        np.zeros(3),
        np.zeros(tokens),
        np.full(ENDS, -1),
        np.zeros((tokens, 2 + 2 * CANDIDATES), np.int64),
        np.zeros((tokens, 1 + 2 * CANDIDATES)),
    )


def ask(row: Row, asked: Asked, vocabulary: int, draws: Sequence[float], ends: Collection[int] = ()) -> None:
    """Have the next tokens chosen so, as many as there are draws, or up to one of `ends`, of which ENDS may be."""
    row.whole[:] = vocabulary, asked.candidates, asked.greedy, asked.top_k
    row.real[:] = asked.temperature, asked.top_p, asked.min_p
    row.draws[: len(draws)] = draws
    row.ends[: len(ends)] = tuple(ends)
    row.ends[len(ends) :] = -1


def said(row: Row, tokens: int) -> list[Chosen]:
    """The first so many tokens that were chosen."""
    count = min(int(row.whole[1]), int(row.whole[0]))
    first, second = slice(count), slice(CANDIDATES, CANDIDATES + count)
    ints, reals = row.ints[:tokens], row.reals[:tokens]
    places, ranks, logprobs = ints[:, 0].tolist(), ints[:, 1].tolist(), reals[:, 0].tolist()
    top = (ints[:, 2:][:, first], reals[:, 1:][:, first], reals[:, 1:][:, second], ints[:, 2:][:, second])
    return list(map(Chosen, places, logprobs, ranks, *(one.tolist() for one in top)))


def chosen(logits: Any, asked: Asked, draw: float) -> Chosen:
    """The next token of `logits` float32 [V]; `draw` (0 to 1) is where in the cumulative distribution it lies."""
    KERNELS[0].link()
    once = row(1)
    ask(once, asked, len(logits), (draw,))
    _choose_once(once, np.ascontiguousarray(logits))
    return said(once, 1)[0]


def prepare() -> None:
    """Compile the choice, or load it from numba's cache."""
    chosen(np.zeros(1, np.float32), Asked(1, True, 1.0, 0, 1.0, 0.0), 0.0)


def _choose_next(
    logits: Any, size: int, candidates: int, greedy: int, top_k: int, real: Any, draw: Any, ints: Any, reals: Any
) -> None:
    """The choice of places in memory, into a line of a Row."""
    asked, whole, told = carray(real, (3,)), carray(ints, (2 + 2 * CANDIDATES,)), carray(reals, (1 + 2 * CANDIDATES,))
    place, logprob, rank, places, logprobs, probs, cuts = choose(
        carray(logits, (size,)), candidates, greedy != 0, asked[0], top_k, asked[1], asked[2], carray(draw, (1,))[0]
    )
    whole[0], whole[1], told[0] = place, rank, logprob
    for one in range(places.shape[0]):
        whole[2 + one], whole[2 + CANDIDATES + one] = places[one], cuts[one]
        told[1 + one], told[1 + CANDIDATES + one] = logprobs[one], probs[one]


_PLACES = (symbols.DOUBLES, symbols.DOUBLES, symbols.WIDE_INTS, symbols.DOUBLES)
KERNELS = (Kernel(_choose_next, symbols.FLOATS, *[types.intp] * 4, *_PLACES, flat=False),)
_choose_linked = KERNELS[0].symbol


@njit(**FAST)
def choose_into(row: Any, line: int, logits: Any) -> None:
    """Choose from the first V of `logits`, into a line of a row."""
    w, draw, told = row.whole, at(row.draws, line), at(row.reals, line * row.reals.shape[1])
    ints = at(row.ints, line * row.ints.shape[1])
    _choose_linked(at(logits, 0), w[0], w[1], w[2], w[3], at(row.real, 0), draw, ints, told)


@compiled(**FAST)
def _choose_once(row: Any, logits: Any) -> None:
    choose_into(row, 0, logits)
