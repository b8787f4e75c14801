"""A server on this machine that answers as a test says, byte by byte, and keeps what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

MODEL = "scripted"


class Wire:
    """One request that came, and the connection that its answer goes into."""

    def __init__(self, connection: socket.socket, path: str, headers: dict[str, str], body: Any, number: int) -> None:
        self.path, self.headers, self.body = path, headers, body
        self.number = number  # of the requests of this path, from 0
        self._connection = connection

    def raw(self, data: bytes) -> None:
        self._connection.sendall(data)

    def head(self, status: int = 200, kind: str = "text/event-stream", **more: str) -> None:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {kind}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        self.raw("\r\n".join([*lines, "", ""]).encode())

    def reply(self, body: object, status: int = 200, **more: str) -> None:
        """A whole reply of JSON."""
        data = json.dumps(body).encode()
        self.head(status, "application/json", Content_Length=str(len(data)), **more)
        self.raw(data)

    def refuse(self, status: int, said: str = "", **more: str) -> None:
        self.reply({"error": {"message": said or f"status {status}"}}, status, **more)

    def event(self, piece: object) -> None:
        self.raw(f"data: {json.dumps(piece, ensure_ascii=False)}\n\n".encode())

    def text(self, *words: str, reason: str | None = None) -> None:
        """A piece for each word, in the form that the path has."""
        for word in words or ("",):
            self.event({"choices": [self._choice(word, reason)]})

    def done(self, reason: str = "length") -> None:
        self.text(reason=reason)
        self.raw(b"data: [DONE]\n\n")

    def wait_for_the_end(self) -> None:
        """Send nothing more until the other side ends the connection."""
        with suppress(OSError):
            while self._connection.recv(4096):
                pass

    def _choice(self, word: str, reason: str | None) -> dict[str, Any]:
        said: dict[str, Any] = {"delta": {"content": word}} if "chat" in self.path else {"text": word}
        return {"index": 0, **said, "finish_reason": reason}


Script = Callable[[Wire], None]


class Scripted:
    """A server whose `script` answers every POST. GETs are answered with a list of one model."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Wire] = []
        self.models: object = {"object": "list", "data": [{"id": MODEL, "owned_by": "a test"}]}
        self.ended = threading.Event()  # set when a script has answered
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    @property
    def posts(self) -> list[Wire]:
        return [wire for wire in self.seen if wire.body is not None]

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            wire = self._read(connection)
            if wire is None:
                return
            self.seen.append(wire)
            if wire.body is not None:
                self.ended.clear()
                try:
                    self.script(wire)
                finally:
                    self.ended.set()
            elif wire.path.endswith("/models"):
                wire.reply(self.models)
            else:
                wire.refuse(404)

    def _read(self, connection: socket.socket) -> Wire | None:
        data = b""
        while b"\r\n\r\n" not in data:
            part = connection.recv(65536)
            if not part:
                return None
            data += part
            if data[:1] == b"\x16":  # the greeting of TLS, which this server does not speak
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return None
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, path, _ = first.split(" ")
        number = sum(wire.path == path for wire in self.seen)
        return Wire(connection, path, headers, json.loads(body) if method == "POST" else None, number)


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    server = Scripted(script)
    try:
        yield server
    finally:
        server.close()
