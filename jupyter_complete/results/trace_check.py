"""Whether the parts of a trace belong together: shapes, types, ids, places and numbers, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ..protocol.config import Complete
from ..protocol.question import Finding, Question, TextQuestion
from ..protocol.questions.futures import Futures

Trace = Any  # results.trace.Trace, which imports this module
KNOBS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
LARGEST = 1e9  # a number in a finding
SHARES = ("probs", "joints", "rests", "weights")  # from 0 to 1
MOST_HEADS = MOST_LAYERS = 1 << 12
KINDS = {"ids": "iu", "parents": "iu", "depths": "iu", "ranks": "iu", "texts": "U"}  # of the arrays of findings
INFINITE = ("masked", "scaled", "scores", "logits", "before", "after")  # may hold -inf: what was hidden or forbidden


def check(trace: Trace) -> None:
    """Raise ValueError, with the first part that is wrong."""
    _need(trace.logits.ndim == 2, "logits has other axes")
    _check_plain(trace)
    _check_pieces(trace)
    _check_steps(trace)
    for question, finding in trace.found.items():
        _check_question(question, trace.size)
        _check_finding(finding, trace.size)


def _need(holds: object, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _check_plain(trace: Trace) -> None:
    values: tuple[Any, ...] = (trace, trace.sampling, trace.model)
    for value in values:
        for one in fields(value):
            _need(_is(getattr(value, one.name), str(one.type)), f"{one.name} is of another type")
    _need(trace.first >= 0 and trace.left_out >= 0, "a number is negative")
    for ids in (trace.prompt_ids, trace.before):
        _need(_within(ids, trace.size), "an id is not in the vocabulary")
    told = {name: getattr(trace.sampling, name) for name in KNOBS}
    Complete().checked(told)


def _check_pieces(trace: Trace) -> None:
    pieces = trace.pieces
    _need(pieces.blob.dtype == np.uint8 and pieces.blob.ndim == 1, "the texts of tokens are of another type")
    _need(pieces.ends.dtype == np.int64 and pieces.ends.shape == (trace.size,), "the vocabulary has another length")
    _need(_rises(pieces.ends, len(pieces.blob)), "the texts of tokens are not in order")
    _need(_within(tuple(pieces.special), trace.size), "a special token is not in the vocabulary")


def _check_steps(trace: Trace) -> None:
    lengths: dict[str, int] = {"S": len(trace.ids), "V": trace.size}
    axes = {"ids": "S", "forced": "S", "logits": "SV", "head_ids": "SH", "head_logits": "SH", "drawn": "S"}
    axes |= {"exact_steps": "E", "exact_logits": "EV", "mask_ids": "M", "mask_ends": "S", "mask_keeps": "S"}
    kinds = {"forced": "b", "mask_keeps": "b", "logits": "f", "head_logits": "f", "exact_logits": "f", "drawn": "f"}
    for name, letters in axes.items():
        array = getattr(trace, name)
        _need(array.dtype.kind in kinds.get(name, "iu"), f"{name} is of another type")
        _match(array.shape, letters, lengths, name)
    _need(trace.logits.dtype == np.float16, "logits are of another type")
    _need(0 < lengths["H"] <= trace.size or not lengths["S"], "the most likely tokens are missing")
    for name in ("ids", "head_ids", "mask_ids"):
        _need(_within(getattr(trace, name), trace.size), f"{name} are not all in the vocabulary")
    _need(_within(trace.exact_steps, lengths["S"]), "exact_steps are not all steps")
    _need(_rises(trace.mask_ends, lengths["M"]), "mask_ends are not in order")
    _need((trace.head_logits[:, 1:] <= trace.head_logits[:, :-1]).all(), "head_logits are not in order")
    drawn = trace.drawn[~np.isnan(trace.drawn)]
    _need(((drawn >= 0) & (drawn <= 1)).all(), "drawn is no share")
    for name in ("logits", "head_logits", "exact_logits"):
        _need(_falls_short(getattr(trace, name)), f"{name} are no numbers")
    _need(np.isfinite(trace.head_logits[:, :1]).all(), "a step has no token that can be chosen")


def _check_question(question: Question[Any], size: int) -> None:
    for one in fields(question):
        _need(one.name == "text" or _is(getattr(question, one.name), str(one.type)), f"a question's {one.name}")
    if isinstance(question, TextQuestion):
        for ids in (question.text.ids, question.text.source):
            _need(_is(ids, "tuple[int, ...]") and _within(ids, size), "a question is about other ids")


def _check_finding(finding: Finding, size: int) -> None:
    lengths: dict[str, int] = {}
    for one in fields(finding):
        value, letters = getattr(finding, one.name), finding.shapes.get(one.name)
        _need(_is(value, str(one.type)), f"{one.name} is of another type")
        if letters is None:
            continue
        _match(value.shape if isinstance(value, np.ndarray) else (len(value),), letters, lengths, one.name)
        if one.name == "ids":
            _need(_within(value, size), "an id is not in the vocabulary")
        if isinstance(value, np.ndarray):
            _need(value.dtype.kind in KINDS.get(one.name, "f"), f"{one.name} is of another type")
            if value.dtype.kind == "f":
                least, most = (-1e-3, 1.01) if one.name in SHARES else (-LARGEST, LARGEST)
                finite = value[value > -np.inf] if one.name in INFINITE else value
                lowest, highest = float(finite.min(initial=0)), float(finite.max(initial=0))
                _need(least <= lowest and highest <= most, f"{one.name} are no such numbers")
                _need(not np.isnan(value).any(), f"{one.name} are no numbers")
    for letter, length in lengths.items():
        _need(length == lengths.get(letter.upper(), length - 1) + 1 or letter.isupper(), "lengths do not match")
    _need(lengths.get("H", 1) <= MOST_HEADS and lengths.get("L", 1) <= MOST_LAYERS, "it has too many layers")
    _check_places(finding, lengths)


def _check_places(finding: Finding, lengths: Mapping[str, int]) -> None:
    """Raise ValueError for places that do not exist."""
    if isinstance(finding, Futures):
        parents = finding.parents
        _need(((parents >= -1) & (parents < np.arange(len(parents)))).all(), "a parent comes behind its child")
        _need((finding.depths >= 0).all(), "a depth is negative")
    for name in ("layer", "head", "shared", "begin", "position"):
        place = getattr(finding, name, 0)
        _need(-MOST_LAYERS <= place <= 1 << 30, f"there is no such {name}")


def _match(shape: Sequence[int], letters: str, lengths: dict[str, int], name: str) -> None:
    _need(len(shape) == len(letters), f"{name} has other axes")
    for length, letter in zip(shape, letters, strict=True):
        _need(lengths.setdefault(letter, length) == length, f"{name} has another length")


def _is(value: object, kind: str) -> bool:
    """Whether a value is of a field's type, as the dataclass writes it; a type that is not plain is not judged."""
    if kind.endswith(" | None"):
        return value is None or _is(value, kind.removesuffix(" | None"))
    if kind.startswith("tuple[") and kind.endswith(", ...]"):
        inner = kind.removeprefix("tuple[").removesuffix(", ...]")
        return isinstance(value, tuple) and all(_is(one, inner) for one in value)
    if kind == "tuple[str, float]":
        return isinstance(value, tuple) and len(value) == 2 and _is(value[0], "str") and _is(value[1], "float")
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "AttentionKind":
        return value in ("decoder", "encoder", "cross")
    if kind in ("str", "Kind", "End"):
        return isinstance(value, str)
    return isinstance(value, np.ndarray) if kind == "np.ndarray" else True


def _within(ids: Any, size: int) -> bool:
    array = np.asarray(ids)
    return not array.size or bool(array.min() >= 0 and array.max() < size)


def _rises(ends: np.ndarray, last: int) -> bool:
    return not len(ends) or bool(ends[0] >= 0 and (np.diff(ends) >= 0).all() and ends[-1] <= last)


def _falls_short(array: np.ndarray) -> bool:
    """Whether all are numbers, some of which may be -inf."""
    return bool((array < np.inf).all())
