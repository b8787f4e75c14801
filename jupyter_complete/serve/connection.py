"""Requests to the server that shares a model, by the socket of this user or by its URL."""

from __future__ import annotations

import json
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Event as StopEvent
from typing import Any

import httpx2

from ..protocol import errors
from ..protocol.errors import BadOption, CompleteError, WorkerDied
from ..sources.server import is_secret
from .address import Address
from .message import Item, Messages
from .plain import BadMessage

SOON = 5.0  # seconds that the server has to answer what needs no model
SILENT = 120.0  # seconds without a sign of life, which comes every 0.1 s; an import of torch may hold it up


class NoServer(CompleteError):
    """Nothing answers at the address."""


class Connection:
    """One server. `client` is the name by which it tells this kernel from others."""

    def __init__(self, where: Address) -> None:
        self.where = where
        self.client = uuid.uuid4().hex
        url = httpx2.URL(where.url or "http://localhost")
        if not is_secret(str(url)):
            raise BadOption(f"{url.host} is another machine, and http sends the token in the clear.", "Use https.")
        transport = httpx2.HTTPTransport(uds=where.socket or None, verify=url.scheme == "https")
        self._http = httpx2.Client(
            transport=transport,
            base_url=f"{str(url).rstrip('/')}/v1/jupyter_complete/",
            headers={"Authorization": f"Bearer {where.token}", "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(SILENT, connect=SOON),
            trust_env=False,
        )
        weakref.finalize(self, self._http.close).atexit = False

    def close(self) -> None:
        self._http.close()

    def status(self) -> dict[str, Any]:
        """What the server shares. Raises NoServer, or the error that it answers."""
        return self._plain("GET", "status")

    def unload(self, model: str) -> None:
        """Unload a model for all kernels."""
        self._plain("POST", "unload", {"model": model})

    def _plain(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body, timeout=SOON)
            if answer.status_code != 200:
                raise _error(answer.content)
            found: dict[str, Any] = answer.json()
            return found
        except httpx2.HTTPError as error:
            raise _no_server(error) from None

    def stream(self, path: str, body: Mapping[str, Any], stop: StopEvent) -> Iterator[Item]:
        """Yield what the server sends for a request, to its end. Once `stop` is set the server is told, and what it
        still sends comes. Raises NoServer, WorkerDied, or the error that the server answers."""
        number, told = uuid.uuid4().hex, False
        whole = {"client": self.client, "id": number, **body}
        try:
            with self._http.stream("POST", path, json=whole) as answer:
                if answer.status_code != 200:
                    raise _error(answer.read())
                messages = Messages()
                for piece in answer.iter_raw():
                    if stop.is_set() and not told:
                        told = True
                        self._stop(number)
                    yield from (item for item in messages.feed(piece) if item is not None)
        except httpx2.ConnectError as error:
            raise _no_server(error) from None
        except (httpx2.HTTPError, BadMessage):
            raise WorkerDied(
                "The server of the shared model ended in mid-text.", "Run it again: the server is started anew."
            ) from None

    def _stop(self, number: str) -> None:
        with suppress(httpx2.HTTPError):
            self._http.post("stop", json={"id": number}, timeout=SOON)


def _no_server(error: Exception) -> NoServer:
    return NoServer(f"The server of the shared model does not answer ({type(error).__name__}).", "Run it again.")


def _error(body: bytes) -> CompleteError:
    """The error that a server answered, as the type that it has in a kernel."""
    try:
        told = json.loads(body)["error"]
        kind = getattr(errors, str(told.get("type")), CompleteError)
        kind = kind if isinstance(kind, type) and issubclass(kind, CompleteError) else CompleteError
        return kind(str(told.get("said") or told["message"]), str(told.get("hint", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return CompleteError("The server of the shared model gave an answer that is not understood.", "Run it again.")
