"""Options of Python's verbs as types, so that an editor completes and checks them.

Written from config.Complete, where an option is declared, by `python tests/options.py`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Literal, Protocol, TypeAlias, TypedDict, runtime_checkable


@runtime_checkable
class ModelName(Protocol):
    """A model as Python holds it, jupyter_complete.Model."""

    @property
    def name(self) -> str: ...


Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "int8", "int4"]
KV: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]


class FrameOptions(TypedDict, total=False):
    """Options of complete_frame."""

    model: str | PathLike[str] | ModelName | None
    max_new_tokens: int
    end: Literal["anywhere", "sentence"] | None
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    stop: Sequence[str] | None
    seed: int | None
    sampling: Literal["own", "model"] | None
    beams: int
    chat: bool
    think: Literal["auto", "on", "off"] | None
    think_tokens: int
    task: str | None
    to: str | None
    from_: str | None
    question: str | None
    length: Literal["", "short", "medium", "long"] | None
    choices: Sequence[str] | None
    regex: str | None
    json: object
    candidates: int
    lookup: bool
    trace_bytes: int


class Options(FrameOptions, total=False):
    """Options of complete, stream, score, compare and inside: those of a single completion too."""

    num: int
    suffix: str | None
    thread: str | None
    dry_run: bool
    score: bool
    inspect: bool
    trace: bool
