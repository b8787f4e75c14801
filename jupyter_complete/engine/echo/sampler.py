"""The logits of the echo engine, a token chosen from them, and the steps of a trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...protocol.events import Candidate, ModelInfo
from ...protocol.request import Request
from ...protocol.sampling import Sampling
from ...results import replay
from ...results.trace import Trace
from .vocabulary import END, PRINTABLE, SIZE, SPECIAL, EchoTokenizer

ECHO = 7.0  # the logit of the token that is echoed
NOISE = 3.0  # of a printable token the logit is from 0 to this
RARE = -8.0  # of a byte that is no printable character
NEVER = -20.0  # of a control token
SURE = 20.0  # of the end of text where a text shall end

_IDS = np.arange(1, SIZE + 1, dtype=np.uint64)
_QUIET = np.where(np.isin(np.arange(SIZE), list(SPECIAL)), NEVER, RARE).astype(np.float32)


class Choice(NamedTuple):
    """A token, what was known of it when it was chosen, and the logits and the draw that it was chosen by."""

    id: int
    logprob: float
    rank: int
    top: tuple[Candidate, ...]
    scores: np.ndarray  # float32 [V]
    draw: float  # nan where nothing was drawn
    forced: bool


def logits(ids: Sequence[int], echoed: int | None) -> np.ndarray:
    """Logits float32 [V] after `ids`: noise that depends on the id, on the last of `ids` and on their number, and ECHO
    for the token `echoed`, where one is."""
    mixed = _IDS * np.uint64(2654435761) + np.uint64(40503 * (ids[-1] if ids else 0) + 9973 * len(ids))
    mixed ^= mixed >> np.uint64(13)
    noise = (mixed * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)).astype(np.float32) / np.float32(2**32)
    scores: np.ndarray = np.where(PRINTABLE, np.float32(NOISE) * noise, _QUIET)
    if echoed is not None:
        scores[echoed] = SURE if echoed == END else ECHO
    return scores


def choose(
    tokenizer: EchoTokenizer,
    sampling: Sampling,
    ids: Sequence[int],
    scores: np.ndarray,
    draw: float = math.nan,
    given: int | None = None,
) -> Choice:
    """The token that `sampling` picks after `ids` with a `draw`, or the one that is `given`, with its candidates."""
    row = replay.penalise(replay.Row(scores, np.empty(0, np.int64)), ids, sampling.repetition_penalty)
    id = replay.pick(row, sampling, draw) if given is None else given
    raw = logprobs(scores)
    likeliest = np.argsort(-scores, kind="stable")[: sampling.candidates]
    probs, cuts = replay.probabilities(row, sampling), replay.reasons(row, sampling, likeliest)
    top = tuple(
        Candidate(int(one), tokenizer.token_text(int(one)), float(raw[one]), float(probs[one]), cut)
        for one, cut in zip(likeliest, cuts, strict=True)
    )
    rank = 1 + int(np.count_nonzero(scores > scores[id]))
    return Choice(id, float(raw[id]), rank, top, scores, draw, given is not None)


def logprobs(scores: np.ndarray) -> np.ndarray:
    """Natural logs of the raw softmax, float64 [V]."""
    shifted = scores.astype(np.float64) - float(scores.max())
    logs: np.ndarray = shifted - math.log(float(np.exp(shifted).sum()))
    return logs


def trace_of(
    request: Request, prompt: Sequence[int], before: str, choices: Sequence[Choice], info: ModelInfo
) -> Trace | None:
    """The trace of the steps that fit into the bytes which `request` allows; None where none shall be recorded."""
    kept = choices[: request.trace // (SIZE * 10 + 64)]
    if not kept:
        return None
    tokenizer, number = EchoTokenizer(), len(kept)
    rows = np.stack([choice.scores for choice in kept])
    order = np.argsort(-rows, axis=1, kind="stable").astype(np.int32)
    ids = [choice.id for choice in kept]
    return Trace(
        prompt=before,
        text=tokenizer.decode([*request.prefix, *ids]),
        prompt_ids=tuple(prompt),
        before=(*prompt, *request.prefix),
        first=len(request.prefix),
        sampling=request.sampling,
        model=info,
        left_out=len(choices) - number,
        ids=np.array(ids, np.int64),
        forced=np.array([choice.forced for choice in kept]),
        logits=rows.astype(np.float16),
        head_ids=order,
        head_logits=np.take_along_axis(rows, order.astype(np.int64), axis=1),
        drawn=np.array([choice.draw for choice in kept]),
        exact_steps=np.empty(0, np.int64),
        exact_logits=np.empty((0, SIZE), np.float32),
        mask_ids=np.empty(0, np.int32),
        mask_ends=np.zeros(number, np.int64),
        mask_keeps=np.zeros(number, bool),
        pieces=tokenizer.pieces(),
    )
