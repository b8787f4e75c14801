"""A sampler that also writes down what it chose from; see trace.Trace for what is kept and how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...protocol.events import ModelInfo
from ...protocol.request import Request
from ...protocol.sampling import STEPS, Sampling
from ...results import replay
from ...results.token_bytes import Pieces
from ...results.trace import Trace, restore
from ..decoding.sampler import Choice, Draws, Sampler, process
from ..text.tokenizer import Vocabulary

HEAD = 256  # logits of a step that are kept exactly, the largest


class Heard:
    """Draws that are listened to."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self.last = math.nan

    def next(self) -> float:
        self.last = self._draws.next()
        return self.last


class Recorder(Sampler):
    """Chooses as Sampler does, and keeps the steps while they fit into `limit` bytes."""

    def __init__(
        self, sampling: Sampling, rules: list[tuple[str, Any]] | None = None, compiled: bool = False, limit: int = 0
    ) -> None:
        super().__init__(sampling, rules, compiled)
        self.asked, self.left_out = sampling, 0
        self._rules = [
            (name, processor) for name, processor in self.processors if name not in STEPS
        ]  # a replay does these itself
        self._left = limit
        self._first: tuple[int, ...] = ()
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._whole: dict[int, np.ndarray] = {}

    def choose(self, ids: Sequence[int], logits: Tensor, draws: Draws | None, allowed: Tensor | None = None) -> Choice:
        heard = Heard(draws) if draws is not None else None
        choice = super().choose(ids, logits, heard, allowed)  # type: ignore[arg-type]  # of which `next` is asked alone
        draw = math.nan if heard is None else heard.last
        self._keep(ids, logits, choice.id, draw, allowed)
        return choice

    def settings(self, draws: Draws | None) -> None:
        """Nobody else may choose, for the logits are wanted."""

    def force(
        self, token: int, ids: Sequence[int], logits: Tensor, draws: Draws | None, allowed: Tensor | None = None
    ) -> Choice:
        choice = super().force(token, ids, logits, draws, allowed)
        if not self.left_out:  # the place was measured by what would have been chosen in it
            self._columns["ids"][-1], self._columns["forced"][-1] = token, True
        return choice

    def __len__(self) -> int:
        return len(self._columns["ids"])

    @property
    def size(self) -> int:
        """V, of what was kept."""
        return len(self._columns["logits"][0])

    def trace(self, prompt: str, prompt_ids: tuple[int, ...], first: int, model: ModelInfo, pieces: Pieces) -> Trace:
        """What was kept, which is one step at least."""
        found = self._columns
        ends = np.cumsum([len(ids) for ids in found["mask_ids"]])
        return Trace(
            prompt=prompt,
            text="",
            prompt_ids=prompt_ids,
            before=self._first,
            first=first,
            sampling=self.asked,
            model=model,
            left_out=self.left_out,
            ids=np.array(found["ids"], np.int64),
            forced=np.array(found["forced"], bool),
            logits=np.stack(found["logits"]),
            head_ids=np.stack(found["head_ids"]),
            head_logits=np.stack(found["head_logits"]),
            drawn=np.array(found["drawn"], np.float64),
            exact_steps=np.array(list(self._whole), np.int64),
            exact_logits=np.array(list(self._whole.values()), np.float32).reshape(-1, self.size),
            mask_ids=np.concatenate(found["mask_ids"]),
            mask_ends=ends.astype(np.int64),
            mask_keeps=np.array(found["mask_keeps"], bool),
            pieces=pieces,
        )

    def _keep(
        self, ids: Sequence[int], logits: Tensor, chosen: int, draw: float, allowed: Tensor | None = None
    ) -> None:
        scores = logits.detach().float().cpu().numpy()
        needed = 2 * scores.nbytes if not self._columns["ids"] else 0  # room for one whole row, if it comes to that
        self._left -= scores.nbytes // 2 + 8 * min(HEAD, len(scores)) + 64
        if self._left < needed or self.left_out:
            self.left_out += 1
            return
        if not self._columns["ids"]:
            self._first = tuple(ids)
        mask, keeps = self._mask(ids, logits, allowed)
        head = _largest(scores)
        half = np.clip(scores, *_HALF).astype(np.float16)
        half[np.isneginf(scores)] = -np.inf
        row = replay.Row(restore(half, head, scores[head]), head.astype(np.int64))
        if self._pick(row, ids, mask, keeps, draw) != chosen:  # one time in some thousand: u is too near a border
            draw = self._exactly(scores, row.head, ids, (mask, keeps), draw, chosen)
            if self._pick(replay.Row(scores, row.head), ids, mask, keeps, draw) != chosen:  # a rule has moved scores
                mask, keeps = np.array([chosen], np.int32), True
        kept = (chosen, False, half, head, scores[head], draw, mask, keeps)
        for name, value in zip(COLUMNS, kept, strict=True):
            self._columns[name].append(value)

    def _exactly(
        self,
        scores: np.ndarray,
        head: np.ndarray,
        ids: Sequence[int],
        masking: tuple[np.ndarray, bool],
        draw: float,
        chosen: int,
    ) -> float:
        """Keep the step's whole row; its draw, moved to the token's own stretch if rounding had it beside that."""
        self._whole[len(self._columns["ids"])] = scores.copy()
        self._left -= scores.nbytes
        row = self._shaped(replay.Row(scores, head), ids, *masking)
        if math.isnan(draw) or replay.pick(row, self.asked, draw) == chosen:
            return draw
        reached = np.cumsum(replay.probabilities(row, self.asked))
        return float(reached[chosen] - (reached[chosen] - (reached[chosen - 1] if chosen else 0.0)) / 2)

    def _pick(self, row: replay.Row, ids: Sequence[int], mask: np.ndarray, keeps: bool, draw: float) -> int:
        return replay.pick(self._shaped(row, ids, mask, keeps), self.asked, draw)

    def _shaped(self, row: replay.Row, ids: Sequence[int], mask: np.ndarray, keeps: bool) -> replay.Row:
        penalised = replay.penalise(row, ids, self.asked.repetition_penalty)
        return replay.mask(penalised, mask.astype(np.int64), keeps)

    def _mask(self, ids: Sequence[int], logits: Tensor, allowed: Tensor | None) -> tuple[np.ndarray, bool]:
        """The ids that a form or the model's rules forbid, or those they leave where these are fewer (and True)."""
        if not self._rules and allowed is None:
            return np.empty(0, np.int32), False
        before, scores = torch.as_tensor(ids, device=logits.device)[None], logits.float()[None]
        shaped, _ = process(self._rules, before, scores, torch.empty(0, dtype=torch.long), allowed)
        gone = (torch.isneginf(shaped) & ~torch.isneginf(logits.float())).cpu().numpy()
        keeps = bool(2 * gone.sum() > len(gone))
        return np.flatnonzero(~gone if keeps else gone).astype(np.int32), keeps


COLUMNS = ("ids", "forced", "logits", "head_ids", "head_logits", "drawn", "mask_ids", "mask_keeps")
_HALF = (float(np.finfo(np.float16).min), float(np.finfo(np.float16).max))


def _largest(scores: np.ndarray) -> np.ndarray:
    """The ids of the largest logits, int32 [HEAD], the largest first."""
    number = min(HEAD, len(scores))
    ids = np.argpartition(-scores, number - 1)[:number] if number < len(scores) else np.arange(number)
    return replay.order(scores, np.sort(ids)).astype(np.int32)


def sampler_of(request: Request, rules: list[tuple[str, Any]], compiled: bool) -> Sampler:
    """What chooses a request's tokens, and records the steps where that is asked for."""
    if request.trace:
        return Recorder(request.sampling, rules, compiled, request.trace)
    return Sampler(request.sampling, rules, compiled)


def trace_of(
    sampler: Sampler, request: Request, prompt: Sequence[int], shown: str, info: ModelInfo, vocabulary: Vocabulary
) -> Trace | None:
    """What was recorded behind `prompt`, which stands there as the text `shown`; None where nothing was."""
    if not isinstance(sampler, Recorder) or not len(sampler):
        return None
    pieces = vocabulary.pieces(sampler.size)
    made = sampler.trace(shown, tuple(prompt), len(request.prefix), info, pieces)
    ids = [id for id in (*request.prefix, *made.ids.tolist()) if not vocabulary.is_special(id)]
    return replace(made, text=vocabulary.decode(ids, () if made.encodes else prompt))
