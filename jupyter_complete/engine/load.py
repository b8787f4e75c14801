"""From a Source to a LocalEngine: fetch, decide a Plan, convert, load by the plan, and report progress."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from functools import partial
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..protocol.errors import Stopped
from ..protocol.events import Loading
from ..protocol.plan import CONVERTED, Plan, Reason
from ..protocol.probe import FAULTS, OF_FORM, Check, Probe
from ..sources import cache
from ..sources.catalog import Source
from ..sources.fetch import Place, obtain
from .details import Details
from .local import LocalEngine
from .machine import memory
from .packed import FormError, float32, folder_of, form_errors, open_packed, open_straight, stage
from .plan import Decision, check_kv, decide, fall_back, one_sentence, with_packing_reasons
from .probe import TOKENS, Subject, examine
from .runners.capabilities import check_continues, uses_compiled_sampler
from .weights import load, probe_file
from .weights.gguf import convert as gguf
from .weights.gguf import header_files, straight, wide
from .weights.load import Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .runners.int8 import Int8Model  # it brings numba, which only int8 needs

log = logging.getLogger(__name__)

LOGITS = 5  # arrays of logits that a probe holds at once
# A probe of a large GGUF file takes fewer tokens: their pass in float32 is most of what opening the file costs.
LARGE, FEW_TOKENS = 400_000_000, 48


class Loaded(NamedTuple):
    """What a plan came to: the plan that was carried out in the end, and what LocalEngine runs.

    With `int8` weights the model only describes them.
    """

    plan: Plan
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    int8: Int8Model | None = None
    probe: Probe | None = None


class Provenance(NamedTuple):
    """Where weights come from, which they are (a commit or a digest), and their type in a GGUF file."""

    origin: str
    revision: str
    quantized: str | None


def open_engine(
    source: Source, dtype: str, device: str, stop: StopEvent, kv: str = "auto", again: bool = False
) -> Generator[Loading, None, LocalEngine]:
    """Fetch, convert and load what `source` names; raises a ModelError, BadOption, OutOfMemory or Stopped.

    `again` probes a model that was probed before.
    """
    name = source.name
    if source.kind == "registered":
        check_continues(source.model, name)
        return LocalEngine(source.model, source.tokenizer, name, "this kernel")
    target = load.choose(dtype, device, kv)
    place = yield from obtain(source, stop)
    with one_sentence(name):
        loaded = yield from _open_files(name, place, target, stop, again)
    if stop.is_set():
        raise Stopped("Loading was stopped.", "Run it again.")
    memory.trim()  # gives back what reading and compiling left over
    provenance, plan = _provenance(place, folder_of(loaded.plan)), loaded.plan
    whole = partial(_whole, plan)
    details = Details(provenance.revision, provenance.quantized, _note(loaded), _fault(loaded), whole, loaded.probe)
    details = details._replace(dtype=plan.dtype, kv=plan.kv)
    if plan.numbers:
        dtype, _, stored = plan.numbers.partition(" from ")
        details = details._replace(dtype=dtype, quantized=stored or None)
    return LocalEngine(loaded.model, loaded.tokenizer, name, provenance.origin, details, loaded.int8)


def _open_files(
    name: str, place: Place, target: Target, stop: StopEvent, again: bool
) -> Generator[Loading, None, Loaded]:
    """Decide how the files at `place` are loaded, and do it."""
    refused: tuple[Reason, ...] | None = None
    if place.kind == "gguf":
        decision = decide(name, place, target, trusting=not again)
        if decision.plan.header is not None:
            try:
                return (yield from _open_straight(decision, stop, again))
            except FormError as failure:
                refused = (Reason(failure.reason.kind, f"{CONVERTED}: {failure.reason.text}"),)
                decision = decide(name, place, target, not again, refused)
        yield from _convert(place, decision, stop)
        refused = decision.plan.reasons
    yield Loading(f"loading {name}")
    return (yield from _load(decide(name, place, target, not again, refused), stop, again))


def _open_straight(decision: Decision, stop: StopEvent, again: bool) -> Generator[Loading, None, Loaded]:
    """Open a GGUF file from its blocks: threads pack them while config and tokenizer are read."""
    plan, head = decision.plan, decision.head
    assert plan.path is not None
    assert head is not None
    check_memory(plan)
    yield Loading(f"loading {plan.name}")
    with form_errors():
        packing = straight.Packing(head)
    try:
        folder = yield from header_files.keep(plan.path, plan.name, head, stop)
        decision = decision._replace(outline=load.describe(folder, plan.name))
        return (yield from _load(decision, stop, again, packing))
    finally:
        packing.end()


def examine_again(source: Source, dtype: str, device: str) -> Probe:
    """Load what `source` names and probe it, also where it was probed before; raises as open_engine does."""
    opened = open_engine(source, dtype, device, StopEvent(), again=True)
    while True:
        try:
            next(opened)
        except StopIteration as ended:
            probe: Probe | None = ended.value.probe
            return probe or Probe(0, ())


def _note(loaded: Loaded) -> str:
    """Why a faster form is not used, and what the probe found in the form that is."""
    return "; ".join(filter(None, (loaded.plan.note, loaded.probe.failure(*FAULTS) if loaded.probe else "")))


def _fault(loaded: Loaded) -> str:
    """What a probe found, in a form that is not used for it and in the one that is."""
    left = [reason.text for reason in loaded.plan.reasons if reason.kind == "probe"]
    return "; ".join(filter(None, (*left, loaded.probe.failure(*FAULTS) if loaded.probe else "")))


def _convert(place: Place, decision: Decision, stop: StopEvent) -> Generator[Loading, None, None]:
    """Convert a GGUF file that has no whole conversion in the cache, unless the plan says that it does not fit.

    The weights of a conversion are compared with their seal where they will be read.
    """
    packing = decision.plan.packing
    if packing is not None and packing.exists:
        return
    if (yield from cache.whole(gguf.place(place.path), "the converted model", stop)):
        return
    check_memory(decision.plan)
    yield from gguf.convert(place.path, decision.plan.name, stop, decision.head)


def _load(
    decision: Decision, stop: StopEvent, again: bool, packing: straight.Packing | None = None
) -> Generator[Loading, None, Loaded]:
    """Carry a plan out; where its form fails at run time, carry out the plan that follows.

    `packing` makes the weights of a GGUF file that is opened straight.
    """
    plan, outline = decision.plan, decision.outline
    check_kv(plan)
    check_memory(plan)
    if outline is not None:
        check_continues(outline.model, plan.name)
    if outline is not None and plan.form in ("compiled", "int8 modules"):
        int8: Int8Model | None
        try:
            if packing is not None:
                int8 = yield from open_straight(packing, outline.model, stop)
            else:
                int8 = yield from open_packed(plan, outline, stop)
            loaded = Loaded(with_packing_reasons(plan), outline.model, outline.tokenizer, int8)
            probe = yield from _probe(loaded, again, stop)
            if clause := probe.failure(*OF_FORM[plan.form]):
                raise FormError(Reason("probe", clause))
            return loaded._replace(probe=probe)
        except FormError as failure:
            if plan.header is not None:
                raise
            plan = fall_back(plan, failure.reason)
            check_kv(plan)
            check_memory(plan)
    if plan.reasons:
        yield Loading(f"loading {plan.name} without int8: {plan.reasons[0].text}")
    model, tokenizer = load.read(folder_of(plan), plan.name, getattr(torch, plan.dtype), plan.device)
    check_continues(model, plan.name)
    if uses_compiled_sampler(model):
        from .kernels import sample_row

        yield Loading(stage("the choice of tokens", "sample_row"))
        sample_row.prepare()
    loaded = Loaded(plan, model, tokenizer)
    return loaded._replace(probe=(yield from _probe(loaded, again, stop)))


def _probe(loaded: Loaded, again: bool, stop: StopEvent) -> Generator[Loading, None, Probe]:
    """The stored result of the model's probe, or a new one; `again` takes no stored one."""
    plan = loaded.plan
    path = probe_file.place(plan)
    probe = None if again else probe_file.read(path)
    if probe is None:
        yield Loading(f"checking {plan.name} once")
        probe = _examine(loaded, stop)
        probe_file.write(path, probe)
    return probe


def _examine(loaded: Loaded, stop: StopEvent) -> Probe:
    """Probe a loaded model; a plain forward pass that fails on the text is a check that does not hold."""
    plan = loaded.plan
    parameters = plan.parameters or 0
    tokens = FEW_TOKENS if plan.header is not None and parameters > LARGE else TOKENS
    weights = 4 * parameters if plan.header is None else straight.ROOM
    needed = weights + LOGITS * 4 * tokens * loaded.model.get_input_embeddings().num_embeddings
    plain = partial(float32, plan) if memory.fits(needed, memory.free_bytes("cpu")) else None
    numbers = plan.numbers or ("int4" if plan.dtype == "int4" else "int8")
    subject = Subject(loaded.model, loaded.tokenizer, loaded.int8, numbers, tokens)
    try:
        with form_errors():
            return examine(subject, folder_of(plan), plain, stop)
    except FormError as failure:
        if subject.is_int8:
            raise
        return Probe(0, (Check("numbers", False, f"its forward pass fails on a text ({failure.reason.text})"),))


def _whole(plan: Plan) -> PreTrainedModel:
    """The float32 model, all of it in memory; raises DoesNotFit."""
    if plan.header is not None and plan.path is not None:
        memory.check_fit(plan.name, plan.parameters or 0, torch.float32, "cpu")
        return wide.whole(plan.path, plan.name)
    return load.load(folder_of(plan), plan.name, torch.float32, "cpu").model


def check_memory(plan: Plan) -> None:
    """Raise DoesNotFit, with the numbers, where the plan says that memory is too small."""
    bytes_of = plan.memory
    if bytes_of is None or bytes_of.fits:
        return
    dtype = getattr(torch, plan.dtype, torch.int8)  # older releases of torch have no int4
    raise memory.does_not_fit(plan.name, bytes_of.peak, dtype, plan.device, bytes_of.free)


def _provenance(place: Place, folder: Path) -> Provenance:
    """The provenance of a directory or of the GGUF file that it was converted from."""
    if place.kind == "gguf":
        about: dict[str, Any] = json.loads((folder / header_files.PROVENANCE).read_text())
        stored = about.get("stored_as")
        return Provenance(place.origin, about["sha256"], None if stored in (None, "F32") else stored)
    return Provenance(place.origin, place.revision or load.digest(folder), None)
