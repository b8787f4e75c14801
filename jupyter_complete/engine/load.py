"""From a Source to a LocalEngine: fetch, decide a Plan, convert, load by the plan, and report progress."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..protocol.errors import Stopped, raised
from ..protocol.events import Loading
from ..protocol.plan import CONVERTED, CacheEntry, Plan, Reason
from ..protocol.probe import OF_FORM, Check, Probe
from ..sources import cache
from ..sources.catalog import Source
from ..sources.fetch import Place, obtain
from .details import Details
from .local import LocalEngine
from .machine import memory
from .plan import Decision, decide, fall_back, numba_reason, one_sentence, with_packing_reasons
from .probe import TOKENS, Subject, examine
from .runners.capabilities import check_continues, uses_compiled_sampler
from .weights import load, probe_file
from .weights.checkpoint import separate
from .weights.gguf import convert as gguf
from .weights.gguf import header_files, straight, wide
from .weights.gguf.head import Head
from .weights.layer_shape import LayerShape, describe
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


class FormError(Exception):
    """A form of a model fails at run time."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def open_engine(
    source: Source, dtype: str, device: str, stop: StopEvent, again: bool = False
) -> Generator[Loading, None, LocalEngine]:
    """Fetch, convert and load what `source` names; raises a ModelError, BadOption, OutOfMemory or Stopped.

    `again` probes a model that was probed before.
    """
    name = source.name
    if source.kind == "registered":
        check_continues(source.model, name)
        return LocalEngine(source.model, source.tokenizer, name, "this kernel")
    target = load.choose(dtype, device)
    place = yield from obtain(source, stop)
    with one_sentence(name):
        loaded = yield from _open_files(name, place, target, stop, again)
    if stop.is_set():
        raise Stopped("Loading was stopped.", "Run it again.")
    memory.trim()  # gives back what reading and compiling left over
    provenance, plan = _provenance(place, _folder(loaded.plan)), loaded.plan
    whole = partial(_whole, plan)
    details = Details(provenance.revision, provenance.quantized, _note(loaded), _fault(loaded), whole, loaded.probe)
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
                return (yield from _load((yield from _with_texts(decision, stop)), stop, again))
            except FormError as failure:
                refused = (Reason(failure.reason.kind, f"{CONVERTED}: {failure.reason.text}"),)
                decision = decide(name, place, target, not again, refused)
        yield from _convert(place, decision, stop)
        refused = decision.plan.reasons
    yield Loading(f"loading {name}")
    return (yield from _load(decide(name, place, target, not again, refused), stop, again))


def _with_texts(decision: Decision, stop: StopEvent) -> Generator[Loading, None, Decision]:
    """The decision for a file that is opened straight, with config and tokenizer in the cache."""
    plan, head = decision.plan, decision.head
    assert plan.path is not None
    assert head is not None
    check_memory(plan)
    yield Loading(f"loading {plan.name}")
    if decision.outline is not None:
        return decision
    folder = yield from header_files.keep(plan.path, plan.name, head, stop)
    return decision._replace(outline=load.describe(folder, plan.name))


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
    return "; ".join(filter(None, (loaded.plan.note, loaded.probe.failure() if loaded.probe else "")))


def _fault(loaded: Loaded) -> str:
    """What a probe found, in a form that is not used for it and in the one that is."""
    left = [reason.text for reason in loaded.plan.reasons if reason.kind == "probe"]
    return "; ".join(filter(None, (*left, loaded.probe.failure() if loaded.probe else "")))


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


def _load(decision: Decision, stop: StopEvent, again: bool) -> Generator[Loading, None, Loaded]:
    """Carry a plan out; where its form fails at run time, carry out the plan that follows."""
    plan, outline = decision.plan, decision.outline
    check_memory(plan)
    if outline is not None:
        check_continues(outline.model, plan.name)
    if outline is not None and plan.form in ("compiled", "int8 modules"):
        run: Any = _compiled if plan.form == "compiled" else _int8_modules
        try:
            if plan.header is not None and decision.head is not None:
                int8 = yield from _straight(decision.head, outline.model, stop)
            else:
                int8 = yield from run(plan, outline.model, stop)
            loaded = Loaded(with_packing_reasons(plan), outline.model, outline.tokenizer, int8)
            probe = yield from _probe(loaded, again, stop)
            if clause := probe.failure(*OF_FORM[plan.form]):
                raise FormError(Reason("probe", clause))
            return loaded._replace(probe=probe)
        except FormError as failure:
            if plan.header is not None:
                raise
            plan = fall_back(plan, failure.reason)
            check_memory(plan)
    if plan.reasons:
        yield Loading(f"loading {plan.name} without int8: {plan.reasons[0].text}")
    model, tokenizer = load.read(_folder(plan), plan.name, getattr(torch, plan.dtype), plan.device)
    check_continues(model, plan.name)
    if uses_compiled_sampler(model):
        from .kernels import sample_row

        yield Loading(_stage("the choice of tokens", "sample_row"))
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
    plain = partial(_wide, plan) if memory.fits(needed, memory.free_bytes("cpu")) else None
    subject = Subject(loaded.model, loaded.tokenizer, loaded.int8, plan.numbers or "int8", tokens)
    try:
        with _form_errors():
            return examine(subject, _folder(plan), plain, stop)
    except FormError as failure:
        if subject.is_int8:
            raise
        return Probe(0, (Check("numbers", False, f"its forward pass fails on a text ({failure.reason.text})"),))


def _wide(plan: Plan) -> PreTrainedModel:
    """The model with float32 weights, on transformers' own forward pass."""
    if plan.header is not None and plan.path is not None:
        return wide.one_pass(plan.path, plan.name)
    return load.read(_folder(plan), plan.name, torch.float32, "cpu").model


def _whole(plan: Plan) -> PreTrainedModel:
    """The float32 model, all of it in memory; raises DoesNotFit."""
    if plan.header is not None and plan.path is not None:
        memory.check_fit(plan.name, plan.parameters or 0, torch.float32, "cpu")
        return wide.whole(plan.path, plan.name)
    return load.load(_folder(plan), plan.name, torch.float32, "cpu").model


def check_memory(plan: Plan) -> None:
    """Raise DoesNotFit, with the numbers, where the plan says that memory is too small."""
    bytes_of = plan.memory
    if bytes_of is None or bytes_of.fits:
        return
    raise memory.does_not_fit(plan.name, bytes_of.peak, getattr(torch, plan.dtype), plan.device, bytes_of.free)


def _straight(head: Head, model: PreTrainedModel, stop: StopEvent) -> Generator[Loading, None, Int8Model]:
    """As _compiled, of the blocks of a GGUF file."""
    with _form_errors():
        from .runners.int8 import Int8Model
    packing = straight.pack(head, stop)
    arrays = {}
    while True:
        with _form_errors():
            try:
                step = next(packing)
            except StopIteration as ended:
                arrays = ended.value
                break
        yield step
    yield Loading(_stage("the decoding step", "decode_step"))
    with _form_errors():
        int8 = Int8Model(arrays, _shape(model))
        int8.prepare()
    return int8


def _shape(model: PreTrainedModel) -> LayerShape:
    """What a layer of a model computes; raises FormError where the compiled step cannot run it."""
    found = describe(model)
    if isinstance(found, Reason):
        raise FormError(found)
    return found


def _compiled(plan: Plan, model: PreTrainedModel, stop: StopEvent) -> Generator[Loading, None, Int8Model]:
    """The packed weights of `model`, with a compiled step that ran once; raises FormError where it does not run."""
    with _form_errors():
        from .runners.int8 import Int8Model
        from .weights import pack_llama
    packing = yield from _whole_packing(plan, stop)
    with load.tensors(_folder(plan), plan.name, model) as read:
        if not packing.exists and read.untied():
            _own_head(model)
        arrays = yield from pack_llama.open_pack(packing, _shape(model), read, stop)
    if "head.words" in arrays and model.config.tie_word_embeddings:
        _own_head(model)
    yield Loading(_stage("the decoding step", "decode_step"))
    with _form_errors():
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


def _stage(what: str, module: str) -> str:
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


def _int8_modules(plan: Plan, model: PreTrainedModel, stop: StopEvent) -> Generator[Loading, None, None]:
    """Fill `model` with int8 matrices and run it once; raises FormError where it does not run."""
    with _form_errors():
        from .kernels.thread_team import Team
        from .machine.cgroup import cores
        from .runners.int8 import TEAM
        from .weights import pack_any

        team = Team(min(TEAM, cores()))
    packing = yield from _whole_packing(plan, stop)
    try:
        yield from pack_any.fill(model, _folder(plan), plan.name, packing, team, stop)
    except pack_any.FailedPass as failure:
        raise FormError(failure.reason) from None
    yield Loading(_stage("the product of int8 matrices", "thread_team"))
    with _form_errors():
        reason = pack_any.warm_up(model)
    if reason is not None:
        raise FormError(reason)


@contextmanager
def _form_errors() -> Iterator[None]:
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


def _folder(plan: Plan) -> Path:
    """The transformers directory that a plan reads: of the files, or of their conversion."""
    made = plan.header or plan.conversion
    folder = made.path if made is not None else plan.path
    assert folder is not None
    return folder


def _provenance(place: Place, folder: Path) -> Provenance:
    """The provenance of a directory or of the GGUF file that it was converted from."""
    if place.kind == "gguf":
        about: dict[str, Any] = json.loads((folder / header_files.PROVENANCE).read_text())
        stored = about.get("stored_as")
        return Provenance(place.origin, about["sha256"], None if stored in (None, "F32") else stored)
    return Provenance(place.origin, place.revision or load.digest(folder), None)
