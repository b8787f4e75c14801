"""The resident models of a kernel: plan, load, keep and unload them. Engines are opened by name only."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, cast

from ..protocol.doors import door, is_open
from ..protocol.engine import Engine, Footprint, Opener, OwnEngine, Planner
from ..protocol.errors import BadOption, NotAModel, UnknownModel, WorkerDied
from ..protocol.events import Event, Loading
from ..protocol.question import Question
from ..protocol.request import Request
from ..results.draft import Answers, Draft, Wait
from ..sources import catalog
from ..sources.catalog import Source
from ..sources.server import Server
from .stream import Pending, Stream, loading_only
from .worker import P, Worker

if TYPE_CHECKING:
    from ..protocol.plan import Plan

REMOTE = frozenset({"url", "model", "key_env", "wait", "at_once"})
"""What an entry of Complete.remotes may hold."""

Events = Callable[[Engine, StopEvent], Iterator[Event]]


@dataclass
class Resident:
    """A model's place in the kernel: its engine once it is ready, and the thread that owns it."""

    source: Source
    dtype: str
    device: str
    worker: Worker
    engine: Engine | None = field(default=None, repr=False)
    kv: str = "auto"

    @property
    def name(self) -> str:
        return self.source.name


@dataclass(frozen=True, slots=True)
class Unloaded:
    """What an unload gave back, in bytes of resident memory measured, and who still holds the model."""

    name: str
    weight_bytes: int
    freed_bytes: int
    held_by: tuple[str, ...]


class Models:
    """Residents by name."""

    def __init__(
        self, remotes: Callable[[], Mapping[str, Any]] = dict, shares: Callable[[], bool] = lambda: False
    ) -> None:
        """`remotes` returns the remote models that the settings name.

        `shares` says whether models are those of the process that serves all kernels.
        """
        self._remotes, self._shares = remotes, shares
        self._residents: dict[str, Resident] = {}  # by what _key says
        self._registered: dict[str, Source] = {}
        self._given_back: set[str] = set()  # names of the user's own objects that were unloaded

    def __iter__(self) -> Iterator[Resident]:
        return iter(list(self._residents.values()))

    def names(self) -> list[str]:
        """Every name that can be given without a path or a hub id."""
        return [*(source.name for source in self.sources()), *catalog.GGUFS]

    def sources(self) -> list[Source]:
        """What is resident, and what can be loaded by name."""
        found: dict[str, Source] = {}
        held = (one.source for one in self)
        own = (*self._registered.values(), *self._configured().values())
        for source in (*held, *own, *catalog.CATALOG.values(), *catalog.stored()):
            found.setdefault(source.name, source)
        return list(found.values())

    def find(self, name: str) -> Source:
        """What `name` means; a registered name comes first."""
        if (held := self.get(name)) is not None:
            return held.source
        if name in self._registered:
            return self._registered[name]
        if name in self._remotes():
            return remote_source(name, self._remotes()[name])
        if name in self._given_back:  # a hub may have a stranger's model of this name
            raise UnknownModel(
                f"{name} was an object of yours, and it is unloaded.", f"Register it again: jc.register({name!r}, …)."
            )
        return catalog.find(name, self.names())

    def register(self, name: str, model: object, tokenizer: object) -> None:
        """Let `name` mean a model and tokenizer that the user has in memory; raises BadOption or NotAModel."""
        if not (isinstance(name, str) and name.strip()):
            raise BadOption("A model is registered by a name.", "Give a text that is not empty.")
        able = isinstance(model, OwnEngine) or (hasattr(model, "forward") and hasattr(model, "config"))
        if not (able and hasattr(tokenizer, "decode")):
            kinds = f"{type(model).__name__} and {type(tokenizer).__name__}"
            raise NotAModel(f"register was given {kinds}.", "Give a transformers model and its tokenizer.")
        if self.get(name) is not None:
            self.unload(name)
        self._given_back.discard(name)
        self._registered[name] = Source(name=name, kind="registered", model=model, tokenizer=tokenizer)

    def add_remote(self, name: str, server: Server, served: str) -> None:
        """Let `name` mean a model on a server; raises BadOption for an empty name."""
        if not (isinstance(name, str) and name.strip()):
            raise BadOption("A remote model has a name.", "Give a text that is not empty.")
        if self.get(name) is not None:
            self.unload(name)
        self._given_back.discard(name)
        self._registered[name] = Source(name=name, kind="remote", server=server, served=served)

    def host(self, name: str) -> str:
        """The server that texts for the model `name` are sent to; "" for a model that runs here."""
        held = self._registered.get(name)
        if held is None and name in self._remotes():
            held = remote_source(name, self._remotes()[name])
        return held.host if held is not None else ""

    def lacks(self, name: str) -> dict[str, str]:
        """What the server of a model cannot do: names of options, and a sentence for each; empty until connected."""
        held = self.get(name)
        return dict(held.engine.info.lacks) if held is not None and held.engine is not None else {}

    def _configured(self) -> dict[str, Source]:
        """The remote models of the settings, those that can be used."""
        found = {}
        for name, given in self._remotes().items():
            with suppress(BadOption):
                found[name] = remote_source(name, given)
        return found

    def resident(self, name: str, dtype: str, device: str, kv: str = "auto") -> Resident:
        """The resident called `name`, made if there is none; its weights are read by its first job."""
        if (held := self.get(name)) is not None:
            return held
        source = self.find(name)
        if (other := self._called(source.name)) is not None:  # by a path from another working directory
            other.source = replace(other.source, name=str(other.source.path))
        return self._residents.setdefault(self._key(name), Resident(source, dtype, device, Worker(name), kv=kv))

    def get(self, name: str) -> Resident | None:
        """The resident that `name` means, which may be another name of the same path.

        A path that leads elsewhere since the working directory changed is not the resident that was loaded by it.
        """
        key = self._key(name)
        if (held := self._residents.get(key)) is not None or key != name:
            return held
        return self._called(name)

    def _called(self, name: str) -> Resident | None:
        return next((one for one in self if one.name == name), None)

    def _key(self, name: str) -> str:
        """What a resident is found by: a path whole, however it was written."""
        if name in self._registered or name in catalog.CATALOG:
            return name
        return catalog.whole_path(name) or name

    def load(self, name: str, dtype: str, device: str, kv: str = "auto") -> Pending[Wait]:
        """Get a model ready; another dtype, device or KV cache than it has now loads it anew."""
        self._loadable(name, dtype, device, kv)
        held = self.get(name)
        if held is not None and held.source.server is None and not matches(held, dtype, device, kv):
            self.unload(name)
        resident = self.resident(name, dtype, device, kv)
        worker = _worker_of(resident)
        return worker.submit(lambda stop: loading_only(self._ready(resident, stop)), Pending(Wait()))

    def plan(self, name: str, dtype: str, device: str, kv: str = "auto") -> Plan:
        """What loading `name` would do. It loads no weights, and it fetches and writes nothing.

        Raises the ModelError or BadOption that loading would raise.
        """
        source = self._loadable(name, dtype, device, kv)
        if source.server is not None:
            raise BadOption(f"{name} runs on {source.host}, which loads it.", "There is nothing to plan here.")
        own = source.model
        planner = own.plan_engine if isinstance(own, OwnEngine) else cast(Planner, door("plan"))
        return planner(source, dtype, device, kv)

    def _loadable(self, name: str, dtype: str, device: str, kv: str) -> Source:
        """The source of `name`; raises BadOption for a dtype or device that the user's own object does not have."""
        held, source = self.get(name), self.find(name)
        change = {dtype, device, kv} != {"auto"} and not (held and matches(held, dtype, device, kv))
        if source.kind == "registered" and change:
            raise BadOption(f"{name} is your own object, so its dtype and device are yours to set.", "Load it without.")
        return source

    def submit(self, resident: Resident, request: Request, draft: Draft, behind: bool = False) -> Stream:
        """Queue a request; the model is loaded first if it is not ready. Others go ahead of one that is `behind`."""

        def events(engine: Engine, stop: StopEvent) -> Iterator[Event]:
            _check_weights(engine, draft)
            return engine.stream(request, stop)

        return self._submit(resident, events, Stream(draft), behind)

    def submit_many(
        self, resident: Resident, requests: Iterable[tuple[int, Request]], answers: Answers
    ) -> Pending[Answers]:
        """Queue many requests that are answered together."""
        return self._submit(resident, lambda engine, stop: engine.stream_many(requests, stop), Pending(answers))

    def examine(self, resident: Resident, question: Question[Any]) -> Pending[Wait]:
        """Queue a question about the inside of a model, which is loaded first if it is not ready. The answer is the
        finish's `found`."""
        return self._submit(resident, lambda engine, stop: engine.examine(question, stop), Pending(Wait()))

    def run(self, resident: Resident, events: Events, stream: P) -> P:
        """Queue a job of the model's thread, which is loaded first if it is not ready; `stream` gets its events."""
        return self._submit(resident, events, stream)

    def _submit(
        self,
        resident: Resident,
        events: Events,
        stream: P,
        behind: bool = False,
    ) -> P:
        def job(stop: StopEvent) -> Iterator[Event]:
            yield from self._ready(resident, stop)
            assert resident.engine is not None
            yield from events(resident.engine, stop)

        def aside() -> AbstractContextManager[None] | None:
            return resident.engine.aside() if resident.engine is not None else None

        worker = _worker_of(resident)
        if worker.pending and (behind or worker.awaited or aside() is None):
            busy = "is being loaded" if resident.engine is None else "writes another text"
            stream.inbox.put(Loading(f"waiting for {resident.name}, which {busy}"))
        return worker.submit(job, stream, aside if behind else None)

    def _ready(self, resident: Resident, stop: StopEvent) -> Generator[Loading, None, None]:
        """Open the resident's engine if that was not done, in its own thread; one that cannot be is forgotten."""
        if resident.engine is not None:
            return
        own = resident.source.model
        try:
            if isinstance(own, OwnEngine):
                opener: Opener = own.open_engine
            elif resident.source.server is not None:
                opener = cast(Opener, door("remote engine"))
            elif own is None and self._shares():
                opener = cast(Opener, door("shared"))
            else:
                if not is_open("engine"):
                    yield Loading("importing torch and transformers")
                opener = cast(Opener, door("engine"))
            resident.engine = yield from opener(resident.source, resident.dtype, resident.device, stop, resident.kv)
        finally:
            if resident.engine is None and resident.worker.pending <= 1:
                self._forget(resident)
                resident.worker.end()

    def _forget(self, resident: Resident) -> None:
        for key in [key for key, one in self._residents.items() if one is resident]:
            del self._residents[key]

    def footprint(self, resident: Resident) -> Footprint | None:
        return resident.engine.footprint() if resident.engine is not None else None

    def unload(self, name: str, namespace: Mapping[str, Any] | None = None) -> Unloaded:
        """Let go of a model and its thread, whose requests are stopped; `namespace` is searched for who still holds it.

        Raises UnknownModel.
        """
        resident = self.get(name) or self._called(name)
        if resident is None:
            raise UnknownModel(f"{name} is not resident.", "%complete_model status shows what is.")
        self._forget(resident)
        before = resident_bytes()
        weights = footprint.weight_bytes if (footprint := self.footprint(resident)) else 0
        if resident.source.server is None and self._registered.pop(resident.name, None) is not None:
            self._given_back.add(resident.name)
        ended = resident.worker.close(timeout=5.0)
        model = resident.engine.model if resident.engine is not None else None
        watched = weakref.ref(model) if model is not None else None
        del model
        resident.engine = None
        resident.source = replace(resident.source, model=None, tokenizer=None)
        _release()
        held = _holders(watched() if watched else None, namespace or {})
        if not ended:
            held = (*held, "its thread, which is still working")
        return Unloaded(name, weights, max(0, before - resident_bytes()), held)


def remote_source(name: str, given: object) -> Source:
    """The source of a remote model as the settings give it; raises BadOption."""
    if not isinstance(given, Mapping) or not set(given) <= REMOTE:
        raise BadOption(
            f"Complete.remotes has no usable entry {name!r}.", f"It is a dict of {', '.join(sorted(REMOTE))}."
        )
    kept = {key: value for key, value in given.items() if key != "model"}
    if "url" not in kept:
        raise BadOption(f"Complete.remotes has no url for {name!r}.", "Give the address of its server.")
    return Source(name=name, kind="remote", server=Server(**kept), served=str(given.get("model", "")))


def _check_weights(engine: Engine, draft: Draft) -> None:
    """Raise BadOption where a text is to be continued by other weights than those that wrote it."""
    wrote = draft.earlier.model if draft.earlier is not None else None
    if wrote is not None and wrote.revision != engine.info.revision:
        raise BadOption(
            f"This text was written by other weights than {engine.info.name} has now.", "Complete the text anew."
        )


def _worker_of(resident: Resident) -> Worker:
    """The thread of a resident; in a process that was forked since, a new one. Raises CompleteError."""
    if resident.worker.elsewhere:
        if resident.worker.torn:
            raise WorkerDied(
                f"{resident.name} was computing when this process was forked, so it cannot be used here.",
                'Fork while the model is idle, or start workers by multiprocessing.set_start_method("spawn").',
            )
        if resident.engine is not None:
            resident.engine.after_fork()
        resident.worker = Worker(resident.name)
    return resident.worker


def matches(resident: Resident, dtype: str, device: str, kv: str = "auto") -> bool:
    """Whether a resident has this dtype, device and KV cache already.

    "auto" matches any, and "int8" what a file has fewer of.
    """
    info = resident.engine.info if resident.engine is not None else None
    have = (info.dtype, info.device) if info else (resident.dtype, resident.device)
    if dtype == "int8" and have[0].startswith("int") and info is not None and info.quantized:
        dtype = "auto"
    return all(one in ("auto", held) for one, held in zip((dtype, device, kv), (*have, resident.kv), strict=True))


def _release() -> None:
    if is_open("release"):
        door("release")()
    else:
        gc.collect()


def _holders(model: object, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Who still refers to `model`: names of the namespace first, else the kinds of objects."""
    if model is None:
        return ()
    if names := _names_of(model, namespace):
        return names
    kinds = {type(holder).__name__ for holder in gc.get_referrers(model) if type(holder).__name__ != "frame"}
    return tuple(sorted(f"an object of type {kind}" for kind in kinds)) or ("something unknown",)


def _names_of(model: object, namespace: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, value in list(namespace.items()) if value is model)


def resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
