"""A model whose matrices have 8 or 4 bits: on the compiled step, or on transformers' own pass with such matrices.

Its weights come from the cache, where they are packed once, or from the blocks of a GGUF file.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING

import torch

from ..protocol.errors import Stopped, raised
from ..protocol.events import Loading
from ..protocol.plan import CacheEntry, Plan, Reason
from ..sources import cache
from .machine import memory
from .plan import numba_reason
from .weights import load
from .weights.checkpoint import separate
from .weights.gguf import wide
from .weights.gguf.straight import Packing
from .weights.importance import Importance, importance_of
from .weights.layer_shape import LayerShape, describe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .runners.int8 import Int8Model  # it brings numba, which only int8 needs

log = logging.getLogger(__name__)


class FormError(Exception):
    """A form of a model fails at run time."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def open_packed(plan: Plan, outline: load.Loaded, stop: StopEvent) -> Generator[Loading, None, Int8Model | None]:
    """Fill a model that has no weights yet with the packed ones, which are packed first where the cache has none.

    Only the compiled step returns a model of its own. Raises FormError where the form does not run, and Stopped.
    """
    plan = replace(plan, packing=(yield from _whole_packing(plan, stop)))
    importance = yield from _importance(plan, outline.tokenizer)
    if plan.form == "compiled":
        return (yield from _compiled(plan, outline.model, importance, stop))
    yield from _int8_modules(plan, outline.model, importance, stop)
    return None


def open_straight(packing: Packing, model: PreTrainedModel, stop: StopEvent) -> Generator[Loading, None, Int8Model]:
    """A model on the compiled step, of the blocks of a GGUF file; raises FormError or Stopped."""
    with form_errors():
        from .runners.int8 import Int8Model
    made, arrays = packing.arrays(stop), {}
    while True:
        with form_errors():
            try:
                step = next(made)
            except StopIteration as ended:
                arrays = ended.value
                break
        yield step
    yield Loading(stage("the decoding step", "decode_step"))
    with form_errors():
        int8 = Int8Model(arrays, _shape(model))
        int8.prepare()
    return int8


def _shape(model: PreTrainedModel) -> LayerShape:
    """What a layer of a model computes; raises FormError where the compiled step cannot run it."""
    found = describe(model)
    if isinstance(found, Reason):
        raise FormError(found)
    return found


def _importance(plan: Plan, tokenizer: PreTrainedTokenizerBase) -> Generator[Loading, None, Importance | None]:
    """How much each column of each matrix counts, for weights that are packed at 4 bits now; None for others.

    Where the float32 model does not fit into memory, all columns count the same.
    """
    if plan.dtype != "int4" or plan.packing is None or plan.packing.exists:
        return None
    if not memory.fits(4 * (plan.parameters or 0), memory.free_bytes("cpu")):
        return {}
    yield Loading("packing once into int4: finding out which weights count most")
    with form_errors():
        return importance_of(float32(plan), tokenizer)


def _compiled(
    plan: Plan, model: PreTrainedModel, importance: Importance | None, stop: StopEvent
) -> Generator[Loading, None, Int8Model]:
    """The packed weights of `model`, with a compiled step that ran once; raises FormError where it does not run."""
    with form_errors():
        from .runners.int8 import Int8Model
        from .weights import pack_llama
    assert plan.packing is not None
    with load.tensors(folder_of(plan), plan.name, model) as read:
        if not plan.packing.exists and read.untied():
            _own_head(model)
        arrays = yield from pack_llama.open_pack(plan.packing, _shape(model), read, stop, importance)
    if "head.words" in arrays and model.config.tie_word_embeddings:
        _own_head(model)
    yield Loading(stage("the decoding step", "decode_step"))
    with form_errors():
        int8 = Int8Model(arrays, _shape(model))
        int8.prepare()
    return int8


def _whole_packing(plan: Plan, stop: StopEvent) -> Generator[Loading, None, CacheEntry]:
    """The plan's packed weights, which are there only where the cache holds them as they were written."""
    packing = plan.packing
    assert packing is not None
    assert packing.path is not None
    if (yield from cache.whole(packing.path, "the packed model", stop)):
        return packing
    return replace(packing, exists=False, reserve=max(packing.size, packing.reserve))


def stage(what: str, module: str) -> str:
    """What is said while compiled code is read, or compiled because the machine has none yet."""
    from .kernels.disk_cache import state

    known = state(module)
    if known == "damaged":
        return f"compiling {what} again, because compiled code in the cache is damaged: a minute or two"
    return (
        f"reading {what} from the cache"
        if known == "whole"
        else f"compiling {what}, once on this machine: a minute or two"
    )


def _own_head(model: PreTrainedModel) -> None:
    """Give `model` a head of its own, because the files hold one that differs from the embedding it is tied to."""
    separate(model, ["lm_head.weight"])
    model.config.tie_word_embeddings = False


def _int8_modules(
    plan: Plan, model: PreTrainedModel, importance: Importance | None, stop: StopEvent
) -> Generator[Loading, None, None]:
    """Fill `model` with int8 matrices and run it once; raises FormError where it does not run."""
    with form_errors():
        from .kernels.thread_team import Team
        from .machine.cgroup import cores
        from .runners.int8 import TEAM
        from .weights import pack_any

        team = Team(min(TEAM, cores()))
    assert plan.packing is not None
    try:
        yield from pack_any.fill(model, (folder_of(plan), plan.name), plan.packing, team, stop, importance)
    except pack_any.FailedPass as failure:
        raise FormError(failure.reason) from None
    yield Loading(stage("the product of int8 matrices", "thread_team"))
    with form_errors():
        reason = pack_any.warm_up(model)
    if reason is not None:
        raise FormError(reason)


@contextmanager
def form_errors() -> Iterator[None]:
    """Raise FormError for whatever a compiler or a kernel raises inside the block."""
    try:
        yield
    except Stopped:
        raise
    except Exception as error:
        raise FormError(_run_time_reason(error)) from error


def _run_time_reason(error: Exception) -> Reason:
    """The reason that an error of the kernels stands for; raises `error` itself where memory ran out."""
    if memory.out_of_memory(error, "compiling"):
        raise error
    log.info("int8 fails", exc_info=error)
    if type(error).__module__.partition(".")[0] in ("numba", "llvmlite"):
        return numba_reason(error)
    return Reason("kernels", f"int8 fails here ({raised(error)})")


def float32(plan: Plan) -> PreTrainedModel:
    """The model with float32 weights, on transformers' own forward pass."""
    if plan.header is not None and plan.path is not None:
        return wide.one_pass(plan.path, plan.name)
    return load.read(folder_of(plan), plan.name, torch.float32, "cpu").model


def folder_of(plan: Plan) -> Path:
    """The transformers directory that a plan reads: of the files, or of their conversion."""
    made = plan.header or plan.conversion
    folder = made.path if made is not None else plan.path
    assert folder is not None
    return folder
