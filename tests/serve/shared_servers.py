"""Real servers for tests: in a thread of this process, on a socket and a port, with models that the test registers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.serve.address import Address
from jupyter_complete.serve.server import Server, Settings
from jupyter_complete.session.session import Session

Models = Mapping[str, tuple[Any, Any]]


@dataclass
class Running:
    """A server that runs, and where it is."""

    server: Server
    address: Address

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.address.token}"}


@contextmanager
def running(folder: Path, models: Models, **settings: Any) -> Iterator[Running]:
    """Run a server whose address is in `folder`, until the block ends."""
    begun, made, failed = threading.Event(), list[Running](), list[BaseException]()

    async def main() -> None:
        server = Server(Settings(**settings))
        for name, (model, tokenizer) in models.items():
            server.host.session.models.register(name, model, tokenizer)
            server.host.session.config.model = name

        def note(address: Address) -> None:
            made.append(Running(server, address))
            begun.set()

        await server.run(note)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            begun.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        thread = threading.Thread(target=work, name="server of a test")
        thread.start()
        assert begun.wait(60)
        try:
            if failed:
                raise failed[0]
            yield made[0]
        finally:
            for one in made:
                one.server.end()
            thread.join(60)
        assert not thread.is_alive()
        assert not failed, failed


@contextmanager
def sharing(name: str) -> Iterator[Session]:
    """A session that uses the shared model `name` of the server that its runtime directory tells of."""
    session = Session(Complete(share=True, model=name))
    try:
        yield session
    finally:
        session.close()
