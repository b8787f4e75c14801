"""Tokens chosen by compiled code: one for given logits, or several in a row by decoding steps without Python between.

The arithmetic is sample.py's, compiled as a kernel of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import carray, njit

from . import symbols
from .disk_cache import compiled
from .llvm_vectors import FAST
from .sample import SamplerSettings, choose
from .sizes import MAX_ENDS
from .symbols import Kernel, at

MAX_CANDIDATES = 100  # candidates that are reported of a token, at most
MAX_AHEAD = 8  # tokens that are chosen in a row, at most
_INTS, _REALS = 2 + 2 * MAX_CANDIDATES, 1 + 2 * MAX_CANDIDATES  # numbers of a token: see SampleRow


class Chosen(NamedTuple):
    """A chosen token's id, its raw logprob and rank, and of each candidate its id, raw logprob, probability after the
    cuts, and what cut it (see sample.NOT_CUT)."""

    place: int
    logprob: float
    rank: int
    places: list[int]
    logprobs: list[float]
    probs: list[float]
    cuts: list[int]


class SampleRow(NamedTuple):
    """The settings by which T tokens are chosen, and what is reported of each."""

    whole: Any  # int64 [4]: V, candidates, greedy, top_k
    real: Any  # float64 [3]: temperature, top_p, min_p
    draws: Any  # float64 [T]
    ends: Any  # int64 [MAX_ENDS], padded with -1
    ints: Any  # int64 [T, 2 + 2 MAX_CANDIDATES]: id, rank, and the candidates' ids and cuts
    reals: Any  # float64 [T, 1 + 2 MAX_CANDIDATES]: logprob, and the candidates' logprobs and probabilities


def row_for(tokens: int) -> SampleRow:
    """Return room for `tokens` tokens."""
    return SampleRow(
        np.zeros(4, np.int64),
        np.zeros(3),
        np.zeros(tokens),
        np.full(MAX_ENDS, -1),
        np.zeros((tokens, _INTS), np.int64),
        np.zeros((tokens, _REALS)),
    )


def configure(
    row: SampleRow, settings: SamplerSettings, vocabulary: int, draws: Sequence[float], ends: Collection[int] = ()
) -> None:
    """Write sampling settings into `row`: it chooses `len(draws)` tokens and stops early at an id in `ends`.

    `draws` are places in the cumulative distribution, 0 to 1. `ends` are at most MAX_ENDS ids.
    """
    row.whole[:] = vocabulary, settings.candidates, settings.greedy, settings.top_k
    row.real[:] = settings.temperature, settings.top_p, settings.min_p
    row.draws[: len(draws)] = draws
    row.ends[: len(ends)] = tuple(ends)
    row.ends[len(ends) :] = -1


def read_row(row: SampleRow, tokens: int) -> list[Chosen]:
    """Return the first `tokens` tokens that were chosen."""
    count = min(int(row.whole[1]), int(row.whole[0]))
    first, second = slice(count), slice(MAX_CANDIDATES, MAX_CANDIDATES + count)
    ints, reals = row.ints[:tokens], row.reals[:tokens]
    places, ranks, logprobs = ints[:, 0].tolist(), ints[:, 1].tolist(), reals[:, 0].tolist()
    top = (ints[:, 2:][:, first], reals[:, 1:][:, first], reals[:, 1:][:, second], ints[:, 2:][:, second])
    return list(map(Chosen, places, logprobs, ranks, *(one.tolist() for one in top)))


def choose_once(logits: np.ndarray, settings: SamplerSettings, draw: float) -> Chosen:
    """Choose the next token from `logits` float32 [V]; `draw` (0 to 1) is a place in the cumulative distribution."""
    KERNELS[0].link()
    once = row_for(1)
    configure(once, settings, len(logits), (draw,))
    _choose_once(once, np.ascontiguousarray(logits))
    return read_row(once, 1)[0]


def prepare() -> None:
    """Compile the choice, or load it from the disk cache."""
    choose_once(np.zeros(1, np.float32), SamplerSettings(1, True, 1.0, 0, 1.0, 0.0), 0.0)


def _choose_next(logits: Any, whole: Any, real: Any, draw: Any, ints: Any, reals: Any) -> None:
    """Choose by the arrays of a SampleRow, and write the result into one line of its `ints` and `reals`."""
    numbers, sampling = carray(whole, (4,)), carray(real, (3,))
    ids, real_out = carray(ints, (_INTS,)), carray(reals, (_REALS,))
    settings = SamplerSettings(numbers[1], numbers[2] != 0, sampling[0], numbers[3], sampling[1], sampling[2])
    chosen = choose(carray(logits, (numbers[0],)), settings, carray(draw, (1,))[0])
    place, logprob, rank, places, logprobs, probs, cuts = chosen
    ids[0], ids[1], real_out[0] = place, rank, logprob
    for one in range(places.shape[0]):
        ids[2 + one], ids[2 + MAX_CANDIDATES + one] = places[one], cuts[one]
        real_out[1 + one], real_out[1 + MAX_CANDIDATES + one] = logprobs[one], probs[one]


_POINTERS = (symbols.WIDE_INTS, symbols.DOUBLES, symbols.DOUBLES, symbols.WIDE_INTS, symbols.DOUBLES)
KERNELS = (Kernel(_choose_next, symbols.FLOATS, *_POINTERS, allocates=True),)
_choose_linked = KERNELS[0].symbol


@njit(**FAST)
def choose_into(row: Any, line: int, logits: Any) -> None:
    """Choose a token from the first V of `logits`, into a line of a SampleRow."""
    draw, reals = at(row.draws, line), at(row.reals, line * row.reals.shape[1])
    ints = at(row.ints, line * row.ints.shape[1])
    _choose_linked(at(logits, 0), at(row.whole, 0), at(row.real, 0), draw, ints, reals)


@compiled(**FAST)
def _choose_once(row: Any, logits: Any) -> None:
    choose_into(row, 0, logits)
