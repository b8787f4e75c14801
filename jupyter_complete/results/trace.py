"""What a completion was made of, step by step: a value of numpy arrays that any view can be drawn from.

S steps, V tokens in the vocabulary, H tokens of every step kept exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from ..protocol.config import Complete
from ..protocol.distribution import Distribution, Weight
from ..protocol.errors import BadOption, NotATrace
from ..protocol.events import ModelInfo, Recording
from ..protocol.phrases import count, size
from ..protocol.question import Finding, Question
from ..protocol.questions.embedding import Embedding
from ..protocol.sampling import Sampling
from ..protocol.views import Displayed, draw
from . import replay, trace_check, trace_file
from .fast_replay import NONE, GroupedRow
from .replay import Row
from .token_bytes import Pieces

KNOBS = trace_check.KNOBS
SHOWN = 20  # rows of a distribution


@dataclass(frozen=True, eq=False)
class Trace(Displayed, Recording):
    """The steps of one completion with the logits that each token was chosen from. It needs no model.

    first       the number of the first recorded step in the completion
    before      ids in the decoder before that step
    ids         the chosen tokens; `forced` says which of them were given instead of chosen
    logits      float16 [S, V]; the H largest of each step are also kept as float32 (`head_ids`, `head_logits`)
    exact_steps steps whose whole row is kept as float32 (`exact_logits`), where only that repeats the choice
    drawn       the uniform draw of each step; nan if nothing was drawn
    mask_ids    ids that the model's own rules forbade, or alone allowed (`mask_keeps`), up to `mask_ends` of each step
    """

    prompt: str
    text: str
    prompt_ids: tuple[int, ...]
    before: tuple[int, ...]
    first: int
    sampling: Sampling
    model: ModelInfo
    left_out: int
    ids: np.ndarray
    forced: np.ndarray
    logits: np.ndarray
    head_ids: np.ndarray
    head_logits: np.ndarray
    drawn: np.ndarray
    exact_steps: np.ndarray
    exact_logits: np.ndarray
    mask_ids: np.ndarray
    mask_ends: np.ndarray
    mask_keeps: np.ndarray
    pieces: Pieces = field(repr=False)
    found: Mapping[Question[Any], Finding] = field(default_factory=dict, repr=False)  # what was found inside the model

    @property
    def seed(self) -> int | None:
        """The seed of the draws; None if nothing was sampled."""
        return self.sampling.seed

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} steps of {self.size:,} logits, {self.nbytes:,} bytes, {self.model.name}>"

    @property
    def size(self) -> int:
        """V, the logits of a step."""
        return int(self.logits.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of what was recorded, without the vocabulary's texts, which all traces of a model share."""
        return sum(array.nbytes for array in (getattr(self, one) for one in ARRAYS))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The texts of the tokens recorded, each by itself."""
        return tuple(self.pieces.text(int(id)) for id in self.ids)

    @property
    def encodes(self) -> bool:
        """Whether an encoder read the prompt, so that the decoder began with a start token of its own."""
        return self.before[: len(self.prompt_ids)] != self.prompt_ids

    def row(self, step: int) -> Row:
        """The logits of a step, float32."""
        exact = self._exact.get(step)
        if exact is not None:
            scores = self.exact_logits[exact].copy()
        else:
            scores = restore(self.logits[step], self.head_ids[step], self.head_logits[step])
        return Row(scores, self.head_ids[step].astype(np.int64))

    def weight(self, step: int, id: int) -> tuple[int, float]:
        """Rank and probability of a token at a step, with no settings at all."""
        scores = self.row(self.place(step)).scores
        mass = np.exp(scores.astype(np.float64) - scores.max())
        return 1 + int((scores > scores[id]).sum()), float(mass[id] / mass.sum())

    def distribution(self, step: int, top: int = SHOWN, **knobs: Any) -> Distribution:
        """What step `step` chooses from under `knobs` (temperature, top_k, top_p, min_p, repetition_penalty), each as
        it was where it is not given; `top` tokens of it and those picked. Raises BadOption."""
        sampling, step = self._sampling_with(knobs), self.place(step)
        raw, row = self.row(step), self._score(step, sampling)
        draw = float(self._draws(None)[step])
        picked = replay.pick(row, sampling, draw)
        raw.grow(min(top, self.size))
        ids = np.array(list(dict.fromkeys([*raw.head[:top].tolist(), int(self.ids[step]), picked])), np.int64)
        ids = replay.order(raw.scores, np.sort(ids))
        probs, cut = replay.probabilities(row, sampling), replay.reasons(row, sampling, ids)
        high = np.cumsum(probs)
        norm = float(raw.most + np.log(np.exp(raw.scores.astype(np.float64) - raw.most).sum()))
        scaled = row.scores[ids] / sampling.divisor
        rows = [
            Weight(
                id,
                self.pieces.text(id),
                float(raw.scores[id]),
                float(scaled[place]),
                float(np.exp(raw.scores[id] - norm)),
                cut[place],
                float(probs[id]),
                float(high[id] - probs[id]),
                float(high[id]),
            )
            for place, id in enumerate(ids.tolist())
        ]
        told = None if sampling.greedy or np.isnan(draw) else draw
        kept = int(np.count_nonzero(probs))
        return Distribution(step, tuple(rows), sampling, told, int(self.ids[step]), picked, kept, self.size)

    def replay(self, seed: int | None = None, **knobs: Any) -> np.ndarray:
        """The id that every step would pick under `knobs`, int64 [S], each after the text as it was recorded; with a
        `seed`, by that one's draws. A step whose token was forced keeps it. Raises BadOption."""
        sampling, drawn = self._sampling_with(knobs), self._draws(seed)
        picked = [
            int(self.ids[step]) if forced else self._pick(step, sampling, float(drawn[step]))
            for step, forced in enumerate(self.forced)
        ]
        return np.array(picked, np.int64)

    def prepare(self) -> None:
        """Do what the first replay would do, so that somebody who moves a slider need not wait for it."""
        for grouped in self._grouped_rows.values():
            grouped.prepare()

    def view(self, steps: Sequence[int] = (0,), vectors: Embedding | None = None) -> Any:
        """The stations that need no model, with the distributions of some `steps`; displays itself in a notebook."""
        return draw(self, steps=steps, vectors=vectors)

    def footer(self) -> str:
        """One quiet line: steps, size, model, seed."""
        parts = [count(len(self), "step"), f"trace {size(self.nbytes)}"]
        parts += [f"{self.left_out:,} more over trace_bytes"] * (self.left_out > 0)
        stored = f" from {self.model.quantized}" if self.model.quantized else ""
        parts.append(f"{self.model.name} ({self.model.dtype}{stored}, {self.model.device})")
        return " · ".join(parts + [f"seed {self.seed}"] * (self.seed is not None))

    def caption(self) -> str:
        """What a class has to know of it: steps, model, seed."""
        parts = [count(len(self), "step")]
        parts += [f"{self.left_out:,} more over trace_bytes"] * (self.left_out > 0)
        return " · ".join([*parts, self.model.name] + [f"seed {self.seed}"] * (self.seed is not None))

    def save(self, path: str | PathLike[str]) -> None:
        """Write one file that `open_trace` reads without the model, what was found inside it included."""
        trace_file.write(path, *self.parts(), self.found)

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The plain values and the arrays of which `from_parts` makes the same trace."""
        plain = {name: getattr(self, name) for name in PLAIN}
        plain |= {
            "sampling": asdict(self.sampling),
            "model": asdict(self.model),
            "special": sorted(self.pieces.special),
        }
        arrays = {name: getattr(self, name) for name in ARRAYS}
        arrays |= {"blob": self.pieces.blob, "ends": self.pieces.ends}
        return plain, arrays

    def cut(self, steps: int) -> Trace:
        """Return a trace of the first `steps` steps."""
        ids = {name: getattr(self, name)[:steps] for name in PER_STEP}
        few = self.exact_steps < steps
        ends = self.mask_ends[:steps]
        return replace(
            self,
            **ids,
            exact_steps=self.exact_steps[few],
            exact_logits=self.exact_logits[few],
            mask_ids=self.mask_ids[: int(ends[-1]) if len(ends) else 0],
            left_out=0,
            found={},
        )

    def leads_to(self, later: Trace) -> bool:
        """Return whether `later` continues from a step of this trace with the same settings."""
        alike = all(getattr(self.sampling, name) == getattr(later.sampling, name) for name in KNOBS)
        return alike and self.first <= later.first <= self.first + len(self)

    def joined(self, later: Trace) -> Trace:
        """Return this trace followed by `later`, which continues it with the same model."""
        both: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in ARRAYS}
        both["exact_steps"] = np.concatenate([self.exact_steps, later.exact_steps + len(self)])
        both["mask_ends"] = np.concatenate([self.mask_ends, later.mask_ends + len(self.mask_ids)])
        return replace(later, **both, found={}, before=self.before, first=self.first, text=later.text)

    @cached_property
    def _exact(self) -> dict[int, int]:
        return {int(step): place for place, step in enumerate(self.exact_steps)}

    def _score(self, step: int, sampling: Sampling) -> Row:
        """The row of a step after the penalty and the model's own rules."""
        row = replay.penalise(self.row(step), self._seen(step, sampling), sampling.repetition_penalty)
        begin, end = int(self.mask_ends[step - 1]) if step else 0, int(self.mask_ends[step])
        return replay.mask(row, self.mask_ids[begin:end].astype(np.int64), bool(self.mask_keeps[step]))

    def _pick(self, step: int, sampling: Sampling, draw: float) -> int:
        """The id that `sampling` picks at a step."""
        grouped = self._grouped_rows.get(step)
        if grouped is None:
            return replay.pick(self._score(step, sampling), sampling, draw)
        seen = self._seen_ids[: self._seen_counts[step]] if sampling.repetition_penalty != 1.0 else NONE
        return grouped.pick(sampling, draw, seen)

    @cached_property
    def _seen_ids(self) -> np.ndarray:
        """Every id of the text once, in the order in which they first come."""
        return np.array(list(dict.fromkeys([*self.before, *self.ids.tolist()])), np.int64)

    @cached_property
    def _seen_counts(self) -> np.ndarray:
        """How many of these had come before each step."""
        new = np.zeros(len(self.before) + len(self), np.int64)
        _, first = np.unique(np.array([*self.before, *self.ids.tolist()]), return_index=True)
        new[first] = 1
        return np.concatenate([[0], np.cumsum(new)])[len(self.before) :]

    @cached_property
    def _grouped_rows(self) -> dict[int, GroupedRow]:
        """The steps that are recorded as float16 and of which nothing was forbidden."""
        begins = np.concatenate([[0], self.mask_ends[:-1]])
        plain = (begins == self.mask_ends) & ~self.mask_keeps
        steps = [step for step in np.flatnonzero(plain).tolist() if step not in self._exact]
        return {step: GroupedRow(self.logits[step], self.head_ids[step], self.head_logits[step]) for step in steps}

    def _seen(self, step: int, sampling: Sampling) -> Sequence[int]:
        """The ids that the repetition penalty is on."""
        return [*self.before, *self.ids[:step].tolist()] if sampling.repetition_penalty != 1.0 else ()

    def _draws(self, seed: int | None) -> np.ndarray:
        """u of every step: as recorded, or of a seed; a completion that drew nothing has those of seed 0."""
        if seed is None and not np.isnan(self.drawn).any():
            return self.drawn
        return replay.draws(seed or 0, len(self), skip=self.first)

    def _sampling_with(self, knobs: Mapping[str, Any]) -> Sampling:
        for name in knobs:
            if name not in KNOBS:
                raise BadOption(f"{name} cannot be replayed.", f"Give some of {', '.join(KNOBS)}.")
        checked = Complete().checked(knobs)
        return replace(self.sampling, **{name: checked[name] for name in knobs})

    def place(self, step: int) -> int:
        """A step counted from 0; a negative one counts from the end. Raises BadOption."""
        if not isinstance(step, (int, np.integer)) or not -len(self) <= step < len(self):
            raise BadOption(
                f"The trace has {len(self)} steps, and {step!r} is not one of them.", f"Give 0 to {len(self) - 1}."
            )
        return step % len(self)


PLAIN = ("prompt", "text", "prompt_ids", "before", "first", "left_out")
ARRAYS = tuple(one.name for one in fields(Trace) if one.type == "np.ndarray")
PER_STEP = ("ids", "forced", "logits", "head_ids", "head_logits", "drawn", "mask_ends", "mask_keeps")


def restore(logits: np.ndarray, head_ids: np.ndarray, head_logits: np.ndarray) -> np.ndarray:
    """A row of float16 as float32, with the exact ones put back; no other is larger than these."""
    scores = logits.astype(np.float32)
    if len(head_ids) < len(scores):
        np.minimum(scores, head_logits[-1], out=scores)
    scores[head_ids] = head_logits
    return scores


def from_parts(
    plain: dict[str, Any], arrays: Mapping[str, np.ndarray], found: Mapping[Question[Any], Finding]
) -> Trace:
    """The trace of what `Trace.parts` returned. Raises ValueError, KeyError or TypeError for other parts."""
    given, plain = dict[str, Any](arrays), dict(plain)
    pieces = Pieces(given.pop("blob"), given.pop("ends"), frozenset(plain.pop("special")))
    sampling, model = Sampling(**plain.pop("sampling")), ModelInfo(**plain.pop("model"))
    trace = Trace(**plain, sampling=sampling, model=model, pieces=pieces, found=found, **given)
    if len({len(getattr(trace, name)) for name in PER_STEP}) != 1 or len(pieces.ends) != trace.size:
        raise ValueError("its parts do not belong together")
    return trace


def open_trace(path: str | PathLike[str]) -> Trace:
    """The trace that a file holds; needs neither the model nor torch. Raises NotATrace."""
    try:
        trace = from_parts(*trace_file.read(path))
        trace_check.check(trace)
        return trace
    except OSError as error:
        near = get_close_matches(fspath(path), [str(one) for one in Path(path).parent.glob("*.trace")], 1)
        hint = f"Did you mean {near[0]}?" if near else "Give the path of a file that save wrote."
        raise NotATrace(f"{fspath(path)} cannot be opened: {error.strerror or error}.", hint) from None
    except trace_file.UNREADABLE:
        raise NotATrace(f"{fspath(path)} holds no trace that can be read.", "Give a file that save wrote.") from None
