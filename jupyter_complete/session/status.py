"""What is said of the models of a session: which are resident, in numbers, what can be loaded, what was given back."""

from __future__ import annotations

from collections.abc import Sequence

from ..prompt.tasks.task import needs
from ..protocol.errors import BadOption
from ..protocol.phrases import count, shortened, size
from ..protocol.probe import CheckName, Probe
from ..sources.catalog import Source
from .residents import Resident, Unloaded, matches, resident_bytes
from .session import Session

HEAD = ("model", "weights", "dtype", "device", "window", "KV cache", "requests")
SOURCES = ("name", "resident", "what")
TASKS = ("task", "what for", "needs")
THREADS = ("conversation", "turns", "last said")
ALSO = (
    "Also: NAME:gguf for the GGUF file of a name, a directory of transformers, a .gguf file, a hub id (org/name, "
    "org/name@revision, org/name:Q4_K_M, org/name/file.gguf)."
)
_KINDS = {
    "registered": "your own object",
    "directory": "a directory",
    "gguf": "a GGUF file",
    "hub": "from the model hub",
}


def threads(session: Session) -> list[tuple[str, str, str]]:
    """The conversations under THREADS."""
    said = [(name, turns, " ".join(turns[-1].text.split())) for name, turns in session.threads.items()]
    return [(name, f"{len(turns):,}", shortened(last)) for name, turns, last in said]


def tasks(session: Session) -> list[tuple[str, str, str]]:
    """All tasks under TASKS; one whose file is none with what is wrong with it."""
    rows = []
    for name in session.tasks.names():
        try:
            task = session.tasks.find(name)
            rows.append((name, task.description, needs(task)))
        except BadOption as error:
            rows.append((name, str(error), ""))
    return rows


def row(session: Session, resident: Resident) -> tuple[str, ...]:
    """A resident model under HEAD."""
    engine, held = resident.engine, session.models.footprint(resident)
    pending = str(resident.worker.pending)
    if engine is None or held is None:
        return (resident.name, "not ready", "", "", "", "", pending)
    info = engine.info
    name = info.name + (" (default)" if resident is session.models.get(session.config.model) else "")
    if info.host:
        program = f"{info.architecture} " if info.architecture else ""
        window = f"{info.window:,}" if info.window else "not said"
        return (name, f"on {program}at {info.host}", "", "", window, "", pending)
    return (
        name,
        size(held.weight_bytes),
        f"{info.dtype} (from {info.quantized})" if info.quantized else info.dtype,
        info.device,
        f"{info.window:,}" if info.window else "no bound",
        f"{count(held.cache_tokens, 'token')}, {size(held.cache_bytes)}" + _types(held.cache_types),
        pending,
    )


def _types(types: Sequence[str]) -> str:
    return f" of {' and '.join(types)}" if types else ""


def memory(session: Session) -> str:
    """What the models hold of the memory of this process, in one sentence."""
    held = [session.models.footprint(resident) for resident in session.models]
    models = sum(one.weight_bytes + one.cache_bytes for one in held if one is not None)
    return f"The models hold {size(models)}; this process holds {size(resident_bytes())} of memory, libraries included."


def notes(resident: Resident) -> list[str]:
    """Sentences about a model: why it is not as fast as it might be, what its probe found, where its tokenizer is not
    transformers' own, and what sampling it recommends."""
    return [
        said
        for said in (_remote(resident), _slower(resident), _probed(resident), _rebuilt(resident), _advised(resident))
        if said
    ]


def _remote(resident: Resident) -> str:
    """What a server cannot do; nothing for a model that runs here."""
    info = resident.engine.info if resident.engine is not None else None
    if info is None or not info.host:
        return ""
    return " ".join(sentence for _, sentence in info.lacks)


def _slower(resident: Resident) -> str:
    """Why a model is not as fast as it might be; nothing where it is."""
    from ..protocol.plan import CONVERTED  # plans are for models, and %load_ext loads none

    info = resident.engine.info if resident.engine is not None else None
    clauses = info.note.split("; ") if info is not None and info.note else []
    reasons = [clause for clause in clauses if clause not in _failures(resident, "tokenizer", "numbers")]
    if info is None or not reasons:
        return ""
    if reasons[0].startswith(CONVERTED):
        return f"{info.name} is {info.dtype} by a longer way: {'; '.join(reasons)}."
    how = "is int8 by the general path" if info.dtype == "int8" else f"is {info.dtype}"
    return f"{info.name} {how}, which is slower: {'; '.join(reasons)}."


def _failures(resident: Resident, *names: CheckName) -> set[str]:
    """What the probe found of these names; it makes nothing slower."""
    probe: Probe | None = getattr(resident.engine, "probe", None)
    return {check.text for check in probe.failures if check.name in names} if probe is not None else set()


def _rebuilt(resident: Resident) -> str:
    """Why a model's tokenizer is not the one that transformers makes; nothing where it is."""
    info = resident.engine.info if resident.engine is not None else None
    return f"{info.name}: {info.tokenizer_note}." if info is not None and info.tokenizer_note else ""


def _advised(resident: Resident) -> str:
    """The sampling that a model recommends; nothing where it recommends none."""
    info = resident.engine.info if resident.engine is not None else None
    if info is None or not info.recommended:
        return ""
    asked = ", ".join(f"{name} {value:g}" for name, value in info.recommended)
    return f"{info.name} recommends {asked}; --sampling model uses that."


def _probed(resident: Resident) -> str:
    """What the probe of a model found when it was loaded; nothing for an engine that is not probed."""
    probe: Probe | None = getattr(resident.engine, "probe", None)
    if probe is None or not probe.checks:
        return ""
    if probe.failures:
        return f"{resident.name} was checked when it was loaded: {probe.failure()}."
    compared = [check.text for check in probe.checks if check.name in ("float32", "kv")]
    return f"{resident.name} was checked when it was loaded: {'; '.join(compared)}."


def residence(session: Session, name: str, dtype: str, device: str, kv: str) -> str:
    """What loading would do to a model that is resident already; empty where `name` is not resident."""
    resident = session.models.get(name)
    if resident is None or resident.engine is None:
        return ""
    info = resident.engine.info
    effect = "so loading does nothing" if matches(resident, dtype, device, kv) else "and loading unloads that first"
    return f"{info.name} is resident as {info.dtype} on {info.device}, {effect}."


def sources(session: Session) -> list[tuple[str, str, str]]:
    """What can be loaded by name, under SOURCES."""
    models = session.models
    return [
        (source.name, "yes" if models.get(source.name) else "", source.about or _kind(source))
        for source in models.sources()
    ]


def _kind(source: Source) -> str:
    return f"a model on {source.host}" if source.host else _KINDS[source.kind]


def given_back(gone: Unloaded) -> str:
    """What an unload came to, in one sentence."""
    name = gone.name
    if gone.held_by:
        holders = " and ".join(gone.held_by) + (" still holds" if len(gone.held_by) == 1 else " still hold")
        return f"{name} is unloaded here, but {holders} {size(gone.weight_bytes)} of weights."
    return f"{name} is unloaded: {size(gone.weight_bytes)} of weights, {size(gone.freed_bytes)} of memory given back."
