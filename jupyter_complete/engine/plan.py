"""Decide how a model is loaded, from headers and config alone: no weight is read, nothing is fetched or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from ..protocol.errors import BadOption
from ..protocol.plan import CONVERTED, Download, Memory, Plan, Reason
from ..protocol.probe import OF_FORM
from ..sources import cache, hub
from ..sources.catalog import Source
from ..sources.fetch import Place, locate
from ..sources.gguf_file import read_header
from .machine import memory
from .weights import int8_forms, load, probe_file
from .weights.dequantize import check_method
from .weights.gguf import convert as gguf
from .weights.gguf import header_files, straight
from .weights.gguf.head import Head, check_architecture, read_head
from .weights.load import Loaded, Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Decision(NamedTuple):
    """A plan, and what was read to make it: a directory's model without weights, or the head of a GGUF file.

    Both are None where the plan needed neither. Of a GGUF file that is opened straight, the tokenizer is read later.
    """

    plan: Plan
    outline: Loaded | None = None
    head: Head | None = None


def plan(source: Source, dtype: str, device: str, kv: str = "auto") -> Plan:
    """Decide how `source` would be loaded; raises the ModelError or BadOption that loading would raise.

    A model that is too large raises nothing, because the plan has the numbers.
    """
    if source.kind == "registered":
        return _registered(source)
    target, place = load.choose(dtype, device, kv), locate(source)
    if isinstance(place, Download):
        begin = replace(_begin(source.name, target, place.source, None), download=place)
        return begin if target.dtype is torch.int8 else replace(begin, form="plain")
    with one_sentence(source.name):
        decision = decide(source.name, place, target)
    check_kv(decision.plan)
    return replace(decision.plan, asks_hub=bool(source.revision) and not hub.is_commit(source.revision or ""))


def decide(
    name: str, place: Place, target: Target, trusting: bool = True, refused: tuple[Reason, ...] | None = None
) -> Decision:
    """Decide how the files at `place` are loaded; raises NotAModel, UnsafeModel or BadOption.

    Without `trusting`, a form is tried that an earlier probe found at fault. `refused` says why a GGUF file is not
    opened straight; None where that is not tried yet.
    """
    begin, folder = _begin(name, target, place.origin, place.path), place.path
    if place.kind == "gguf":
        header = read_header(place.path)
        check_architecture(header, name)
        parameters = header.parameters
        if refused is None and target.dtype is torch.int8:
            found = _straight(replace(begin, parameters=parameters), place.path, trusting)
            if isinstance(found, Decision) and (target.bits == 8 or found.plan.numbers.startswith("int4")):
                return found
            refused = () if isinstance(found, Decision) else found
        begin = replace(begin, reasons=refused or ())
        conversion = gguf.entry(place.path, parameters)
        begin = replace(begin, conversion=conversion, parameters=parameters)
        if conversion.path is None or not conversion.exists:
            return _before_conversion(begin, place.path, target)
        folder = conversion.path
    config = load.check(folder, name)
    if not target.device.startswith("cuda"):
        check_method(config, name)
    begin = _plain(replace(begin, parameters=load.parameters_of(folder, name)), target.dtype)
    if target.dtype is not torch.int8:
        return Decision(begin)
    outline = load.describe(folder, name)
    decided = _int8(begin, outline.model, folder if place.joined else None)
    return Decision(_trust(decided) if trusting else decided, outline)


def _straight(begin: Plan, path: Path, trusting: bool) -> Decision | tuple[Reason, ...]:
    """The decision to open a GGUF file straight, or why it is converted first; no reason where any other form is."""
    header = read_header(path)
    if begin.device != "cpu" or header.architecture not in int8_forms.ARCHITECTURES:
        return ()
    if not memory.fits(sum(tensor.size for tensor in header.tensors.values()), memory.free_bytes("cpu")):
        return ()  # the longer way says so, with the numbers
    try:
        import numba  # noqa: F401
    except Exception:
        return ()
    head = read_head(path, begin.name)
    if not int8_forms.has_plain_matrices(head.model):
        return ()
    if (found := straight.obstacle(head)) is not None:
        return (found,)
    kept, size = header_files.entry(path), straight.bytes_of(head)
    become, stored = straight.become(head), header_files.stored_as(head.header)
    numbers = become if stored == "F32" else f"{become} from {stored}"
    plan = replace(begin, form="compiled", header=kept, numbers=numbers)
    plan = _measure(plan, size, size + straight.ROOM)
    clause = _fault(plan) if trusting else ""
    if clause:
        return (Reason("probe", f"{CONVERTED}: {clause}"),)
    return Decision(plan, head=head)


def check_kv(plan: Plan) -> None:
    """Raise BadOption for a type of KV cache that a model cannot have in the form of its plan."""
    own = "float32" if plan.form == "int8 modules" else plan.dtype
    if plan.form in (None, "compiled") or plan.kv in ("auto", own):
        return
    why = f": {plan.note}" if plan.reasons else ""
    raise BadOption(
        f"{plan.name} keeps its KV cache as {own}, because it does not run on the compiled step{why}.",
        "Use --kv auto.",
    )


def with_packing_reasons(plan: Plan) -> Plan:
    """The plan with what packing found out, once the weights are packed."""
    found = int8_forms.reasons_of(plan.packing) if plan.packing is not None else ()
    return replace(plan, reasons=tuple(dict.fromkeys((*plan.reasons, *found))))


def fall_back(plan: Plan, reason: Reason) -> Plan:
    """The plan without int8: float32, or bfloat16 where float32 does not fit.

    Raises BadOption where int8 was asked for.
    """
    if not plan.auto:
        raise BadOption(f"{plan.name} has no {plan.dtype} form here: {reason.text}.", "Use --dtype auto.")
    wide = _plain(replace(plan, reasons=(reason,)), torch.float32)
    if wide.memory is None or wide.memory.fits:
        return wide
    reasons = (reason, Reason("memory", "as float32 it does not fit"))
    return _plain(replace(plan, reasons=reasons), torch.bfloat16)


def numba_reason(error: Exception) -> Reason:
    """The reason that numba fails on this machine, with what is lost by it."""
    words = " ".join(str(error).split())[:100]
    lost = "which makes a CPU ten times as fast, in a third of the memory"
    return Reason("numba", f"numba does not work here ({words}), {lost}")


@contextmanager
def one_sentence(name: str) -> Iterator[None]:
    """Raise OutOfMemory or NotAModel, of one sentence, for errors of torch inside the block."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise memory.out_of_memory(error, f"loading {name}") or load.unreadable(name, Exception(str(error))) from None


def _registered(source: Source) -> Plan:
    """The plan for the user's own object, which is used as it is."""
    model = source.model
    device, resident = str(model.device), memory.weight_bytes(model)
    return Plan(
        name=source.name,
        origin="this kernel",
        path=None,
        dtype=str(model.dtype).removeprefix("torch."),
        auto=False,
        device=device,
        disk_free=cache.free_bytes(),
        form="registered",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        memory=Memory(resident, resident, memory.free_bytes(device), fits=True),
    )


def _begin(name: str, target: Target, origin: str, path: Path | None) -> Plan:
    """What is known before a file is read."""
    return Plan(name, origin, path, target.name, target.auto, target.device, cache.free_bytes(), kv=target.kv)


def _before_conversion(begin: Plan, path: Path, target: Target) -> Decision:
    """Decide for a GGUF file that is not converted yet; the head is read only where the model can fit."""
    plan = _plain(begin, target.dtype)
    if plan.memory is None or not plan.memory.fits:
        return Decision(replace(plan, form=None) if target.dtype is torch.int8 else plan)
    head = read_head(path, plan.name)
    return Decision(_int8(plan, head.model, None) if target.dtype is torch.int8 else plan, head=head)


def _int8(plan: Plan, model: PreTrainedModel, folder: Path | None) -> Plan:
    """The plan in the fastest int8 form of `model`, or in the form that follows.

    `folder` is None before a GGUF file is converted.
    """
    if plan.device != "cpu":
        return fall_back(plan, Reason("device", f"{plan.dtype} runs on a CPU, and this is {plan.device}"))
    try:
        import numba  # noqa: F401  # the kernels are imported later, because that makes folders in the cache
    except Exception as error:  # numba refuses a numpy or a machine that it does not know in ways of its own
        return fall_back(plan, numba_reason(error))
    if (obstacle := int8_forms.modules_obstacle(model)) is not None:
        return fall_back(plan, obstacle)
    parameters = plan.parameters or 0
    if (obstacle := int8_forms.compiled_obstacle(model)) is not None:
        packing = int8_forms.modules_entry(folder, int8_forms.bytes_of(model, parameters), plan.dtype)
        plan = replace(plan, form="int8 modules", reasons=(obstacle,), packing=packing)
        return with_packing_reasons(_measure(plan, packing.size, packing.size))
    packing = int8_forms.compiled_entry(folder, parameters, plan.dtype)
    return _measure(replace(plan, form="compiled", packing=packing), packing.size, packing.size)


def _trust(plan: Plan) -> Plan:
    """The plan, or the plan without int8 where an earlier probe found a fault in its form."""
    clause = _fault(plan)
    return fall_back(plan, Reason("probe", clause)) if clause else plan


def _fault(plan: Plan) -> str:
    """What an earlier probe found at fault in the plan's form."""
    probe = probe_file.read(probe_file.place(plan)) if plan.form in OF_FORM else None
    return probe.failure(*OF_FORM[plan.form]) if probe is not None else ""


def _plain(plan: Plan, dtype: torch.dtype) -> Plan:
    """The plan with transformers' own forward pass on weights of `dtype`."""
    needed = (plan.parameters or 0) * dtype.itemsize
    name = plan.dtype if dtype is torch.int8 else str(dtype).removeprefix("torch.")
    return _measure(replace(plan, form="plain", dtype=name, packing=None), needed, needed)


def _measure(plan: Plan, resident: int, peak: int) -> Plan:
    """The plan with these bytes beside the memory that is free now."""
    free = memory.free_bytes(plan.device)
    return replace(plan, memory=Memory(resident, peak, free, memory.fits(peak, free)))
