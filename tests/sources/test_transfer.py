"""One large file from the hub's store: broken connections, wrong content, and servers that begin anew."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import hubs
import pytest

from jupyter_complete.protocol.errors import FetchFailed, Stopped
from jupyter_complete.sources import repository, transfer
from jupyter_complete.sources.transfer import Counter, Remote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "model.gguf"
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hubs.Hub]:
    """A hub with one large file and one small file."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    (folder / "config.json").write_text("{}")
    with hubs.serve(monkeypatch, tmp_path / "hub") as server:
        server.add("org/files", COMMIT, folder)
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.part"


def fetch(target: Path, name: str = NAME, counter: Counter | None = None) -> str:
    """Fetch a file into its part and compare it; its sha256."""
    counter = counter or Counter("fetching", len(CONTENT))
    remote = repository.remote("org/files", name, COMMIT)
    transfer.fetch(remote, target, counter)
    return transfer.check(remote, target, counter)


def test_the_hub_names_a_large_file_by_its_sha256(store: hubs.Hub) -> None:
    remote = repository.remote("org/files", NAME, COMMIT)
    assert (remote.etag, remote.size) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def test_a_large_file_comes_by_a_redirect_to_the_store(store: hubs.Hub, target: Path) -> None:
    assert fetch(target) == hashlib.sha256(CONTENT).hexdigest()
    assert target.read_bytes() == CONTENT


def test_a_small_file_is_compared_with_gits_own_digest(store: hubs.Hub, target: Path) -> None:
    assert fetch(target, "config.json") == hashlib.sha256(b"{}").hexdigest()


def test_a_connection_that_breaks_is_taken_up_where_it_broke(store: hubs.Hub, target: Path) -> None:
    store.breaks[NAME] = [100_000, 200_000]
    counter = Counter("fetching", len(CONTENT))
    fetch(target, counter=counter)
    assert target.read_bytes() == CONTENT
    assert counter.done == len(CONTENT)
    begins = [int(one.removeprefix("bytes=").rstrip("-") or 0) for one in store.bytes_asked(NAME)]
    assert begins == [0, 100_000, 300_000]


def test_a_connection_that_never_brings_more_is_told_with_what_is_kept(
    store: hubs.Hub, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.Counter, "wait", lambda counter, seconds: None)
    store.breaks[NAME] = [512_000, 0, 0, 0, 0, 0]
    with pytest.raises(
        FetchFailed, match=r"model\.gguf did not arrive \(\w+\)\. Run it again to resume: 512\.0 kB of 1\.0 MB is kept"
    ):
        fetch(target)
    assert target.read_bytes() == CONTENT[:512_000]


def test_a_part_is_continued(store: hubs.Hub, target: Path) -> None:
    target.write_bytes(CONTENT[:70_000])
    fetch(target)
    assert target.read_bytes() == CONTENT
    assert store.bytes_asked(NAME) == ["bytes=70000-"]


def test_a_part_that_has_everything_is_not_asked_for(store: hubs.Hub, target: Path) -> None:
    target.write_bytes(CONTENT)
    fetch(target)
    assert store.bytes_asked(NAME) == []


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(store: hubs.Hub, target: Path) -> None:
    store.ranges = False
    target.write_bytes(CONTENT[:70_000])
    counter = Counter("fetching", len(CONTENT), 70_000)
    fetch(target, counter=counter)
    assert target.read_bytes() == CONTENT
    assert counter.done == len(CONTENT)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (CONTENT[:70_000][::-1], r"has sha256 [0-9a-f]{16}… instead of [0-9a-f]{16}…, so it was thrown away"),
        (CONTENT + b"more", r"has 1,024,004 bytes instead of 1,024,000, so it was thrown away"),
    ],
    ids=["other content", "too long"],
)
def test_a_part_of_another_file_is_found_at_the_end(store: hubs.Hub, target: Path, kept: bytes, said: str) -> None:
    target.write_bytes(kept)
    with pytest.raises(FetchFailed, match=said):
        fetch(target)
    fetch(target)
    assert target.read_bytes() == CONTENT


def test_other_content_of_the_same_size_is_thrown_away(store: hubs.Hub, target: Path) -> None:
    store.sent[NAME] = CONTENT[::-1]
    with pytest.raises(FetchFailed, match="instead of"):
        fetch(target)
    assert not target.exists()


def test_a_small_file_with_other_content_is_thrown_away(store: hubs.Hub, target: Path) -> None:
    remote = repository.remote("org/files", "config.json", COMMIT)
    store.sent["config.json"] = b"[]"
    counter = Counter("fetching", 2)
    transfer.fetch(remote, target, counter)
    with pytest.raises(FetchFailed, match="git's sha1"):
        transfer.check(remote, target, counter)


def test_a_pointer_in_place_of_the_file_is_told_as_what_it_is(store: hubs.Hub, target: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n".encode()
    target.write_bytes(pointer)
    with pytest.raises(FetchFailed, match=r"sent a Git LFS pointer in place of model\.gguf\. Check HF_ENDPOINT"):
        transfer.check(repository.remote("org/files", NAME, COMMIT), target, Counter("fetching", 1))


@pytest.mark.parametrize("status", [403, 404, 429])
def test_a_status_of_the_hub_is_told(store: hubs.Hub, target: Path, status: int) -> None:
    remote = repository.remote("org/files", NAME, COMMIT)
    store.refused[NAME] = status
    with pytest.raises(FetchFailed, match=f"The hub refused model.gguf with status {status}"):
        transfer.fetch(remote, target, Counter("fetching", 1))


def test_a_cancelled_download_stops_at_the_next_block(store: hubs.Hub, target: Path) -> None:
    counter = Counter("fetching", len(CONTENT))
    counter.cancel()
    with pytest.raises(Stopped, match="resume"):
        fetch(target, counter=counter)


def test_a_full_disk_is_not_taken_for_a_broken_connection(tmp_path: Path) -> None:
    remote = Remote(NAME, "http://127.0.0.1/", "0" * 64, 10)
    (tmp_path / "closed").write_text("a file in its place")
    with pytest.raises(NotADirectoryError) as failure:
        transfer.fetch(remote, tmp_path / "closed" / "part", Counter("fetching", 10))
    assert failure.value.errno == errno.ENOTDIR
