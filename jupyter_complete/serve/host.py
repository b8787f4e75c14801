"""The models that a server shares: found by name, loaded once, unloaded when nobody has used them for a while."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..protocol.config import Complete
from ..protocol.errors import BadOption, CompleteError, UnknownModel
from ..session.residents import Resident, matches, resident_bytes
from ..session.session import Session
from .fair_queue import Job
from .outbox import Bell
from .shared_model import SharedModel


class Host:
    """One session whose models all clients share. The server's event loop calls it.

    `only` are the names that clients may ask for; none means every name. `idle` is the time in seconds after which an
    unused model is unloaded; 0 keeps it.
    """

    def __init__(self, bell: Bell, only: Sequence[str] = (), idle: float = 0.0, model: str = "") -> None:
        self.bell = bell
        config = Complete(share=False)  # it is the one that shares
        if model or only:
            config.model = model or only[0]
        self.session = Session(config)
        self.only, self.idle = tuple(only), idle
        self.proxies: frozenset[str] = frozenset()  # names under which a proxy passes requests on
        self.begun = time.monotonic()
        self.running: dict[str, list[Job]] = {}  # by the id that the client gave
        self._shared: dict[str, SharedModel] = {}

    def model(self, name: str, dtype: str = "auto", device: str = "auto", kv: str = "auto") -> SharedModel:
        """The shared model of a name, which its first job loads. Raises UnknownModel or BadOption."""
        if self.only and name not in self.only:
            raise UnknownModel(f"This server does not share {name}.", f"It shares {', '.join(self.only)}.")
        models = self.session.models
        held = models.get(name)
        if held is not None and held.engine is not None and not matches(held, dtype, device, kv):
            raise BadOption(
                f"{name} is shared as {held.engine.info.dtype} on {held.engine.info.device}, its KV cache {held.kv}.",
                "Leave dtype, device and kv out, or load it in this kernel: %config Complete.share = False.",
            )
        resident = models.resident(name, dtype, device, kv)
        known = self._shared.get(resident.name)
        if known is None or known.resident is not resident:
            known = self._shared[resident.name] = SharedModel(models, resident)
        return known

    def submit(
        self, jobs: Sequence[Job], name: str, dtype: str = "auto", device: str = "auto", kv: str = "auto"
    ) -> None:
        """Queue jobs for a model."""
        shared = self.model(name, dtype, device, kv)
        for job in jobs:
            shared.add(job)

    def names(self) -> list[str]:
        """Names that clients may ask for: those of the server, or what is resident and the default."""
        resident = [one.name for one in self.session.models]
        return list(self.only) or list(dict.fromkeys([*resident, self.session.config.model]))

    def unload(self, name: str) -> None:
        """Unload a model; its requests end. Raises UnknownModel."""
        self.session.models.unload(name)

    def sweep(self) -> None:
        """Unload what has been idle for too long."""
        for name, shared in list(self._shared.items()):
            if self.session.models.get(name) is not shared.resident:
                del self._shared[name]
            elif self.idle and shared.idle and time.monotonic() - shared.used > self.idle:
                self.unload(name)
                del self._shared[name]

    @property
    def unused(self) -> float:
        """Seconds for which no model has been resident."""
        if self._shared:
            self.begun = time.monotonic()
        return time.monotonic() - self.begun

    def status(self) -> dict[str, Any]:
        """What is resident and who uses it, as JSON."""
        return {
            "models": [self._row(shared) for shared in self._shared.values()],
            "memory": resident_bytes(),
            "names": self.names(),
        }

    def _row(self, shared: SharedModel) -> dict[str, Any]:
        resident: Resident = shared.resident
        held = self.session.models.footprint(resident)
        return {
            "name": resident.name,
            "ready": resident.engine is not None,
            "info": asdict(resident.engine.info) if resident.engine is not None else None,
            "footprint": asdict(held) if held is not None else None,
            "running": Counter(shared.held()),
            "waiting": shared.waiting,
            "idle_s": round(time.monotonic() - shared.used, 1) if shared.idle else 0.0,
        }

    def close(self) -> None:
        """Stop everything and let go of all models."""
        self.session.close()


def error_body(error: CompleteError) -> dict[str, Any]:
    """An error as the OpenAI protocol has it: the sentence, and the type by which a kernel raises it again."""
    return {"error": {"message": str(error), "type": type(error).__name__, "said": error.message, "hint": error.hint}}
