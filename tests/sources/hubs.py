"""A model hub on the loopback: repositories with commits, small files from the hub itself, large ones by a redirect to
a second server on another port, as a hub's store for large files is; it can be slow, break off, or be wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

LARGE = (".safetensors", ".gguf", ".bin")  # stored by Git LFS


@dataclass
class Repository:
    """A model: the folder of each commit, what its branches stand for, and whether it asks for a login."""

    hub_id: str
    commits: dict[str, Path]
    branches: dict[str, str]
    gated: bool = False


@dataclass
class Hub:
    """The servers, what they were asked, and what goes wrong.

    `held` files stop half-way until `release` is set. `breaks` says after how many bytes the next answer for a file
    breaks off, one number an answer. `sent` replaces the content of a file; its digests stay those of the file.
    `refused` gives a file an error status.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    url: str = ""
    store_url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    sent: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    reached_half: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def add(self, hub_id: str, commit: str, folder: Path, branch: str = "main", gated: bool = False) -> None:
        """A commit of a model, which becomes the end of a branch."""
        repository = self.repositories.setdefault(hub_id, Repository(hub_id, {}, {}))
        repository.commits[commit] = folder
        repository.branches[branch] = commit
        repository.gated = gated

    def bytes_asked(self, name: str) -> list[str]:
        """The ranges that were asked for of a large file, in order; "" for all of it."""
        return [asked.partition(" of ")[0] for asked in self.asked if asked.endswith(f" of {name}")]


@contextmanager
def serve(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """A hub that huggingface_hub asks, and whose files it keeps in `cache`."""
    from huggingface_hub import constants

    hub = Hub()
    with _server(_HubHandler, hub) as url, _server(_StoreHandler, hub) as store_url:
        hub.url, hub.store_url = url, store_url
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        try:
            yield hub
        finally:
            hub.release.set()


def put(cache: Path, hub_id: str, *names: str, commit: str = "ab" * 20) -> None:
    """Files of a model into the hub's cache, as if they had been fetched."""
    folder = cache / f"models--{hub_id.replace('/', '--')}" / "snapshots" / commit
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")


def wait_for_part(cache: Path) -> Path:
    """Wait until some bytes of a large file have arrived; the part that holds them."""
    deadline = time.monotonic() + 60
    while True:
        for part in cache.rglob("blobs/*.part"):
            if part.stat().st_size > 0:
                return part
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.02)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        raise NotImplementedError

    def answer(self, status: int, headers: dict[str, str], data: bytes = b"") -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}")

    def log_message(self, *args: object) -> None: ...


class _HubHandler(_Handler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "api":
            hub_id, _, revision = rest.removeprefix("models/").partition("/revision/")
            self.about(hub_id, revision or "main")
        else:
            hub_id, _, rest = path.lstrip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            self.file(hub_id, revision, name)

    def found(self, hub_id: str, revision: str) -> tuple[str, Path] | None:
        """The commit that is meant and its folder; where there is none, the error is sent."""
        repository = self.hub.repositories.get(hub_id)
        if repository is None:
            self.refuse(401, "RepoNotFound")  # as for one that is private
            return None
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            self.refuse(404, "RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def about(self, hub_id: str, revision: str) -> None:
        if (found := self.found(hub_id, revision)) is None:
            return
        commit, folder = found
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        about = {
            "id": hub_id,
            "modelId": hub_id,
            "sha": commit,
            "tags": [],
            "siblings": [_sibling(folder, name) for name in names],
        }
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(about).encode())

    def file(self, hub_id: str, revision: str, name: str) -> None:
        if (found := self.found(hub_id, revision)) is None:
            return
        commit, folder = found
        if self.hub.repositories[hub_id].gated and "authorization" not in {key.lower() for key in self.headers}:
            self.refuse(401, "GatedRepo")
        elif not (folder / name).is_file():
            self.refuse(404, "EntryNotFound")
        elif name in self.hub.refused:
            self.answer(self.hub.refused[name], {})
        else:
            self.send(name, (folder / name).read_bytes(), commit)

    def send(self, name: str, data: bytes, commit: str) -> None:
        common = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not name.endswith(LARGE):
            self.answer(200, {**common, "ETag": f'"{git_sha1(data)}"'}, self.hub.sent.get(name, data))
            return
        digest = hashlib.sha256(data).hexdigest()
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        where = f"{self.hub.store_url}/{digest}?name={name}"
        _StoreHandler.content[digest] = data
        self.answer(302, {**common, **linked, "Location": where})


class _StoreHandler(_Handler):
    content: dict[str, bytes] = {}

    def do_GET(self) -> None:
        digest, _, name = self.path.lstrip("/").partition("?name=")
        wanted = self.headers.get("Range", "")
        self.hub.asked.append(f"{wanted} of {name}")
        self.hub.headers.append(dict(self.headers))
        data = self.hub.sent.get(name, self.content[digest])
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.hub.ranges else 0
        if begin >= len(data) > 0:
            self.answer(416, {"Content-Range": f"bytes */{len(data)}"})
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.body(name, data[begin:])

    def body(self, name: str, data: bytes) -> None:
        try:
            if broken := self.hub.breaks.get(name):
                self.wfile.write(data[: broken.pop(0)])
                self.close_connection = True
            elif name in self.hub.held:
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                self.hub.reached_half.set()
                self.hub.release.wait(60)
                self.wfile.write(data[len(data) // 2 :])
            else:
                self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # whoever asked has gone


def _sibling(folder: Path, name: str) -> dict[str, object]:
    """What the hub says of a file in the list of a model's files."""
    data = (folder / name).read_bytes()
    about: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
    if name.endswith(LARGE):
        about["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return about


def git_sha1(data: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _server(handler: type[_Handler], hub: Hub) -> Iterator[str]:
    bound = type(handler.__name__, (handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
