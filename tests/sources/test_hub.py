"""A model from a hub (a small one, on this machine): a directory or a GGUF file at one commit, which stays."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event as StopEvent

import hubs
import pytest
import servers
import steps
import tiny

from jupyter_complete.protocol.errors import CompleteError, DoesNotFit, FetchFailed, Stopped, UnknownModel, UnsafeModel
from jupyter_complete.sources import hub, pins, repository
from jupyter_complete.sources.headers import directory_parameters
from jupyter_complete.sources.hub import Snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it lies on the hub: with code, a pickle, weights in another layout, and a folder of another format."""
    folder = tiny.save("llama", tmp_path_factory.mktemp("saved"))
    (folder / "LICENSE").write_text("Do what you like with it.")
    (folder / "evil.py").write_text("raise RuntimeError")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "consolidated.safetensors").write_bytes(b"the same weights, named otherwise")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in several files, with their index."""
    folder = tmp_path_factory.mktemp("sharded")
    model, tokenizer = tiny.make("llama")
    model.save_pretrained(folder, max_shard_size="60KB")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def at_hub(tmp_path: Path, empty_cache: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hubs.Hub]:
    with hubs.serve(monkeypatch, tmp_path / "hub") as server:
        server.add("org/tiny", COMMIT, saved)
        yield server


@pytest.fixture
def files(tmp_path: Path, at_hub: hubs.Hub) -> Path:
    """A repository of GGUF files, one of them in two parts, and one for images."""
    folder = tmp_path / "files"
    (folder / "BF16").mkdir(parents=True)
    for name in ("Tiny-Q4_K_M.gguf", "Tiny-UD-Q4_K_M.gguf", "Tiny-Q8_0.gguf", "mmproj-F16.gguf", "README.md"):
        (folder / name).write_bytes(f"GGUF {name}".encode() * 100)
    for part in (1, 2):
        (folder / "BF16" / f"Tiny-BF16-0000{part}-of-00002.gguf").write_bytes(b"GGUF part %d" % part)
    at_hub.add("org/tiny-GGUF", COMMIT, folder)
    return folder


def get(hub_id: str = "org/tiny", revision: str | None = None, file: str = "") -> Snapshot:
    return steps.result(hub.download(hub_id, revision, StopEvent(), file))


def stop_half_way(server: hubs.Hub) -> None:
    """Begin to fetch, and stop when half of the weights are here."""
    stop = StopEvent()
    server.held = {WEIGHTS}
    steps.stop_when(hub.download("org/tiny", None, stop), stop, lambda _: server.reached_half.is_set())


def wait_for_threads() -> None:
    """Wait until no download runs."""
    deadline = time.monotonic() + 30
    while any(thread.name == "jupyter_complete-hub" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the download goes on"
        time.sleep(0.02)


def part(tmp_path: Path) -> Path:
    """The one part that a download left."""
    (found,) = (tmp_path / "hub").rglob("blobs/*.part")
    return found


# -- a directory -------------------------------------------------------------------------------------------------


def test_a_model_arrives_at_one_commit_without_code_or_pickles(at_hub: hubs.Hub, saved: Path) -> None:
    found = get()
    assert found.commit == COMMIT
    names = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS, "LICENSE"}
    assert {path.name for path in found.path.iterdir()} == names
    assert (found.path / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes()
    assert directory_parameters(found.path) > 0


def test_a_model_in_several_files_arrives_whole(at_hub: hubs.Hub, sharded: Path) -> None:
    at_hub.add("org/sharded", COMMIT, sharded)
    found = get("org/sharded")
    shards = set(json.loads((sharded / "model.safetensors.index.json").read_text())["weight_map"].values())
    assert len(shards) > 1
    assert {path.name for path in found.path.glob("*.safetensors")} == shards
    assert directory_parameters(found.path) == directory_parameters(sharded)


def test_transformers_finds_what_was_fetched(at_hub: hubs.Hub) -> None:
    from huggingface_hub import snapshot_download

    found = get()
    assert Path(snapshot_download("org/tiny", revision=COMMIT, local_files_only=True)) == found.path


def test_the_progress_ends_with_all_bytes(at_hub: hubs.Hub, saved: Path) -> None:
    found, told = steps.run(hub.download("org/tiny", None, StopEvent()))
    total = sum(path.stat().st_size for path in found.path.iterdir())
    assert {step.total for step in told if step.total} == {total}
    assert all(step.done <= total for step in told)
    assert told[-1].stage == f"org/tiny is here, at commit {COMMIT[:12]}"


def test_the_login_is_not_sent_to_the_store(at_hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    at_hub.add("org/tiny", COMMIT, at_hub.repositories["org/tiny"].commits[COMMIT], gated=True)
    get()
    assert at_hub.headers
    assert not [headers for headers in at_hub.headers if "hf_secret" in str(headers)]


# -- the commit --------------------------------------------------------------------------------------------------


def test_the_first_fetch_records_its_commit_and_the_sha256_of_its_files(at_hub: hubs.Hub, saved: Path) -> None:
    import hashlib

    found = get()
    pin = pins.read("org/tiny")
    assert pin is not None
    assert pin.commit == COMMIT
    assert {name: one.sha256 for name, one in pin.files.items()} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found.path.iterdir()
    }
    assert pin.files[WEIGHTS].size == (saved / WEIGHTS).stat().st_size


def changed(saved: Path, tmp_path: Path) -> Path:
    """The same model with other content under the same name."""
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in saved.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "changed": True}))
    return folder


def test_a_model_stays_at_the_commit_that_was_fetched_first(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    first = get()
    at_hub.add("org/tiny", LATER, changed(saved, tmp_path))
    at_hub.asked.clear()
    assert get() == first
    assert at_hub.asked == []


def test_the_commit_stays_when_the_hubs_cache_is_deleted(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    import shutil

    get()
    at_hub.add("org/tiny", LATER, changed(saved, tmp_path))
    shutil.rmtree(tmp_path / "hub")
    assert get().commit == COMMIT


def test_the_branch_by_name_moves_on(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    get()
    at_hub.add("org/tiny", LATER, changed(saved, tmp_path))
    assert get(revision="main").commit == LATER
    assert json.loads((get().path / "config.json").read_text())["changed"]
    assert get().commit == LATER


def test_another_revision_does_not_move_the_commit(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    get()
    at_hub.add("org/tiny", LATER, changed(saved, tmp_path), branch="next")
    assert get(revision="next").commit == LATER
    assert get().commit == COMMIT


def test_a_model_in_the_hubs_cache_needs_no_hub(at_hub: hubs.Hub, empty_cache: Path) -> None:
    import shutil

    first = get()
    shutil.rmtree(empty_cache)  # as where transformers fetched it
    at_hub.asked.clear()
    assert get() == first
    assert at_hub.asked == []
    assert pins.read("org/tiny") == pins.Pin(COMMIT)


def test_a_commit_that_is_here_is_not_asked_for_again(at_hub: hubs.Hub) -> None:
    found = get(revision=COMMIT)
    at_hub.asked.clear()
    assert get(revision=COMMIT) == found
    assert at_hub.asked == []


def test_a_cache_that_cannot_be_written_is_no_obstacle(at_hub: hubs.Hub, empty_cache: Path) -> None:
    empty_cache.write_text("a file in its place")
    assert get().commit == COMMIT
    assert pins.read("org/tiny") is None


# -- resuming ----------------------------------------------------------------------------------------------------


def test_a_stopped_download_resumes_where_it_stopped(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="resume"):
        stop_half_way(at_hub)
    at_hub.held.clear()
    at_hub.release.set()
    wait_for_threads()
    kept = part(tmp_path).stat().st_size
    assert kept > 0
    found = get()
    assert at_hub.bytes_asked(WEIGHTS) == ["", f"bytes={kept}-"]
    assert (found.path / WEIGHTS).read_bytes() == (saved / WEIGHTS).read_bytes()
    assert not list((tmp_path / "hub").rglob("blobs/*.part"))


def test_a_stopped_download_leaves_no_thread(at_hub: hubs.Hub) -> None:
    with pytest.raises(Stopped):
        stop_half_way(at_hub)
    at_hub.release.set()
    wait_for_threads()


def test_an_interrupt_ends_the_download_and_keeps_its_part(at_hub: hubs.Hub, tmp_path: Path) -> None:
    at_hub.held = {WEIGHTS}
    running = hub.download("org/tiny", None, StopEvent())
    while not at_hub.reached_half.is_set():
        next(running)
    running.close()  # as an interrupt of whoever asked for the next step does
    at_hub.release.set()
    wait_for_threads()
    assert part(tmp_path).stat().st_size > 0


def test_the_rest_is_told_from_where_it_resumes(at_hub: hubs.Hub, saved: Path, tmp_path: Path) -> None:
    test_an_interrupt_ends_the_download_and_keeps_its_part(at_hub, tmp_path)
    kept = part(tmp_path).stat().st_size
    at_hub.held.clear()
    _, told = steps.run(hub.download("org/tiny", None, StopEvent()))
    assert max(step.done for step in told) == max(step.total for step in told) > kept


def test_a_second_kernel_waits_for_the_first_and_says_so(at_hub: hubs.Hub, tmp_path: Path) -> None:
    from filelock import FileLock

    remote = repository.remote("org/tiny", WEIGHTS, COMMIT)
    place = tmp_path / "hub" / ".locks" / "models--org--tiny" / f"{remote.etag}.part.lock"
    place.parent.mkdir(parents=True)
    told = []
    with FileLock(place):
        running = hub.download("org/tiny", None, StopEvent())
        while "waiting for another kernel that fetches org/tiny" not in told:
            told.append(next(running).stage)
    assert steps.result(running).commit == COMMIT
    assert at_hub.bytes_asked(WEIGHTS) == [""]


# -- a GGUF file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Q4_K_M", "Tiny-Q4_K_M.gguf"),
        ("q8_0", "Tiny-Q8_0.gguf"),
        ("UD-Q4_K_M", "Tiny-UD-Q4_K_M.gguf"),
        ("Tiny-Q8_0.gguf", "Tiny-Q8_0.gguf"),
    ],
)
def test_one_gguf_file_is_fetched_by_its_kind_or_name(at_hub: hubs.Hub, files: Path, file: str, name: str) -> None:
    found = get("org/tiny-GGUF", file=file)
    assert found.path.read_bytes() == (files / name).read_bytes()
    assert [path.name for path in found.path.parent.iterdir()] == [name]
    at_hub.asked.clear()
    assert get("org/tiny-GGUF", file=file) == found
    assert at_hub.asked == []


def test_a_split_gguf_file_is_fetched_with_all_its_parts(at_hub: hubs.Hub, files: Path) -> None:
    found = get("org/tiny-GGUF", file="BF16")
    assert found.path.name == "Tiny-BF16-00001-of-00002.gguf"
    assert sorted(path.read_bytes() for path in found.path.parent.iterdir()) == [b"GGUF part 1", b"GGUF part 2"]
    (found.path.parent / "Tiny-BF16-00002-of-00002.gguf").unlink()
    assert hub.find("org/tiny-GGUF", None, "BF16") is None


def test_two_files_of_a_repository_are_of_one_commit(at_hub: hubs.Hub, files: Path, saved: Path) -> None:
    get("org/tiny-GGUF", file="Q4_K_M")
    at_hub.add("org/tiny-GGUF", LATER, saved)
    assert get("org/tiny-GGUF", file="Q8_0").commit == COMMIT
    pin = pins.read("org/tiny-GGUF")
    assert pin is not None
    assert set(pin.files) == {"Tiny-Q4_K_M.gguf", "Tiny-Q8_0.gguf"}


def test_a_kind_that_is_not_there_is_told_with_what_is(at_hub: hubs.Hub, files: Path) -> None:
    with pytest.raises(FetchFailed, match=r"has no whole GGUF file Q2_K\. It has BF16/Tiny-BF16-00001-of-00002.gguf, "):
        get("org/tiny-GGUF", file="Q2_K")


def test_a_repository_of_gguf_files_is_no_directory(at_hub: hubs.Hub, files: Path) -> None:
    with pytest.raises(FetchFailed, match=r"Name one of them: org/tiny-GGUF/Tiny-Q4_K_M\.gguf"):
        get("org/tiny-GGUF")


# -- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_revision_that_does_not_exist_is_told(at_hub: hubs.Hub) -> None:
    with pytest.raises(FetchFailed, match=r"org/tiny has no revision 'v9'\. The newest is org/tiny@main\."):
        get(revision="v9")


def test_a_model_that_does_not_exist_is_unknown(at_hub: hubs.Hub) -> None:
    with pytest.raises(UnknownModel, match="There is no model 'org/other'"):
        get("org/other")


def test_a_model_that_asks_for_a_login_is_told(at_hub: hubs.Hub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    at_hub.add("org/gated", COMMIT, saved, gated=True)
    with pytest.raises(FetchFailed, match=r"org/gated asks for a login on the hub\. Accept its terms there"):
        get("org/gated")


def test_only_pickled_weights_are_refused(at_hub: hubs.Hub, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    at_hub.add("org/pickled", COMMIT, folder)
    with pytest.raises(UnsafeModel, match="has only pickled weights"):
        get("org/pickled")
    assert not any("/resolve/" in asked for asked in at_hub.asked)


def test_no_weights_at_all_are_told(at_hub: hubs.Hub, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    at_hub.add("org/empty", COMMIT, folder)
    with pytest.raises(FetchFailed, match="holds no safetensors weights"):
        get("org/empty")


def test_a_disk_too_small_is_told_before_a_byte_is_fetched(at_hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(DoesNotFit, match=r"where 1\.0 kB is free\. Free some space, or point HF_HUB_CACHE at"):
        get()
    assert not any("/resolve/" in asked for asked in at_hub.asked)


def test_a_disk_that_holds_the_rest_is_large_enough(
    at_hub: hubs.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    from types import SimpleNamespace

    test_an_interrupt_ends_the_download_and_keeps_its_part(at_hub, tmp_path)
    at_hub.held.clear()
    total = sum(repository.files("org/tiny", None)[0].values())
    present = sum(path.stat().st_size for path in (tmp_path / "hub").rglob("blobs/*"))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=total - present - 1))
    with pytest.raises(DoesNotFit):
        get()
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=total - present))
    assert get().commit == COMMIT


def test_a_hubs_cache_that_cannot_be_written_is_one_sentence(at_hub: hubs.Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "models--org--tiny").write_text("a file in its place")
    with pytest.raises(CompleteError, match="The hub's cache cannot be written") as told:
        get()
    assert "HF_HUB_CACHE" in told.value.hint


def test_a_hub_that_does_not_answer_is_told_in_one_sentence(at_hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{servers.closed_port()}")
    with pytest.raises(FetchFailed, match="The model hub could not be asked for org/tiny") as told:
        get()
    assert "\n" not in str(told.value)
