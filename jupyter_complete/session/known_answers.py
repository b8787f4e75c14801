"""Answers that are known already: the same question's, or one that a broader answer holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..protocol.findings import Attention, Embedding, Finding, HeadSteps, Lens, Occlusion, Path, State, placed
from ..protocol.questions import AskAttention, AskEmbedding, AskHead, AskLens, AskOcclusion, AskPath, AskState, Question

Found = Mapping[str, Finding]


def known(found: Found, question: Question) -> Finding | None:
    """What a question was answered, or would be by what is found; None where that does not tell.

    Raises BadOption for a position that there is not.
    """
    exact = found.get(repr(question))
    if exact is not None:
        return exact
    narrow = NARROWED.get(type(question))
    if narrow is None:
        return None
    return next((told for one in _alike(found, question) if (told := narrow(found, one, question)) is not None), None)


def _alike(found: Found, question: Any) -> Iterable[Any]:
    """Answers to questions of the same kind about the same text."""
    text = f"text={question.text!r}, " if hasattr(question, "text") else ""
    begin = f"{type(question).__name__}({text}"
    return [one for name, one in found.items() if name.startswith(begin)]


def _layer(found: Found, asked: AskAttention | AskHead) -> int:
    """A layer counted from 0; how many there are says a lens, for those of the decoder."""
    if asked.layer >= 0 or asked.part == "encoder":
        return asked.layer
    lens = next((one for one in found.values() if isinstance(one, Lens)), None)
    return asked.layer if lens is None else asked.layer + len(lens.ids) - 1


def _attention(found: Found, one: Attention, asked: AskAttention) -> Attention | None:
    return one if (one.layer, one.part) == (_layer(found, asked), asked.part) else None


def _head(found: Found, one: HeadSteps, asked: AskHead) -> HeadSteps | None:
    return one if (one.layer, one.head, one.part) == (_layer(found, asked), asked.head, asked.part) else None


def _lens(found: Found, one: Lens, asked: AskLens) -> Lens | None:
    length = len(asked.text.ids)
    begin, end = placed(asked.begin, length, "position"), length if asked.end is None else min(asked.end, length)
    first, last = begin - one.begin, end - one.begin
    if first < 0 or last > one.ids.shape[1] or first >= last or asked.top > one.ids.shape[2]:
        return None
    here = np.s_[:, first:last, : asked.top]
    return Lens(one.ids[here], one.texts[here], one.probs[here], begin, one.tokens[first:last])


def _path(found: Found, one: Path, asked: AskPath) -> Path | None:
    at = _at(one.ids, asked.tokens)
    if at is None or one.position != placed(asked.position, len(asked.text.ids), "position"):
        return None
    return replace(one, ids=asked.tokens, texts=_of(one.texts, at), ranks=one.ranks[at], probs=one.probs[at])


def _state(found: Found, one: State, asked: AskState) -> State | None:
    at = _at(one.ids, asked.tokens)
    if at is None or one.position != placed(asked.position, len(asked.text.ids), "position"):
        return None
    return replace(one, ids=asked.tokens, texts=_of(one.texts, at), rows=one.rows[at], logits=one.logits[at])


def _occlusion(found: Found, one: Occlusion, asked: AskOcclusion) -> Occlusion | None:
    at = _at(one.targets, asked.targets)
    if at is None or one.position != placed(asked.position, len(asked.text.source or asked.text.ids), "position"):
        return None
    return replace(one, targets=asked.targets, texts=_of(one.texts, at), before=one.before[at], after=one.after[at])


def _embedding(found: Found, one: Embedding, asked: AskEmbedding) -> Embedding | None:
    at = _at(one.ids, asked.ids)
    return None if at is None else Embedding(asked.ids, _of(one.texts, at), one.rows[at])


def _at(held: Sequence[int], asked: Sequence[int]) -> list[int] | None:
    """Where those that are asked for are among those that are held; None where one is missing."""
    places = {one: place for place, one in enumerate(held)}
    return [places[one] for one in asked] if asked and all(one in places for one in asked) else None


def _of(texts: Sequence[str], at: Sequence[int]) -> tuple[str, ...]:
    return tuple(texts[place] for place in at)


NARROWED: dict[type, Callable[[Found, Any, Any], Finding | None]] = {
    AskAttention: _attention,
    AskHead: _head,
    AskLens: _lens,
    AskPath: _path,
    AskState: _state,
    AskOcclusion: _occlusion,
    AskEmbedding: _embedding,
}
