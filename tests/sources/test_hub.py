"""A model from a hub (a small one, on this machine), through huggingface_hub itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event as StopEvent

import pytest
import servers
import steps
import tiny

from jupyter_complete.protocol.errors import DoesNotFit, FetchFailed, Stopped, UnknownModel, UnsafeModel
from jupyter_complete.sources import hub
from jupyter_complete.sources.headers import directory_parameters

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.save("llama", tmp_path_factory.mktemp("saved"))
    (folder / "evil.py").write_text("raise RuntimeError")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    return folder


@pytest.fixture
def at_hub(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Server]:
    with servers.hub_of("org/tiny", COMMIT, saved) as server:
        use(server.url, tmp_path, monkeypatch)
        yield server


def use(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let huggingface_hub ask `url` and keep what it gets under `tmp_path`."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def get(hub_id: str = "org/tiny", revision: str | None = None) -> tuple[Path, str]:
    return steps.result(hub.download(hub_id, revision, StopEvent()))


def stop_half_way(server: servers.Server) -> None:
    """Begin to fetch, and stop when half of the weights are here."""
    stop = StopEvent()
    server.held = {"model.safetensors"}
    steps.stop_when(hub.download("org/tiny", None, stop), stop, lambda _: server.reached_half.is_set())


def test_a_model_arrives_at_one_commit_without_code_or_pickles(at_hub: servers.Server, saved: Path) -> None:
    folder, commit = get()
    assert commit == COMMIT
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in saved.iterdir() if path.suffix not in (".py", ".bin")
    )
    assert (folder / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()
    assert directory_parameters(folder) > 0


def test_the_progress_ends_with_all_bytes(at_hub: servers.Server, saved: Path) -> None:
    _, told = steps.run(hub.download("org/tiny", None, StopEvent()))
    total = sum(path.stat().st_size for path in saved.iterdir() if path.suffix not in (".py", ".bin"))
    assert {step.total for step in told[1:]} == {total}
    assert all(step.done <= total for step in told)


def test_a_commit_that_is_here_is_not_asked_for_again(at_hub: servers.Server) -> None:
    folder, _ = get(revision=COMMIT)
    at_hub.asked.clear()
    assert get(revision=COMMIT) == (folder, COMMIT)
    assert at_hub.asked == []


def test_a_stopped_download_can_be_taken_up_again(at_hub: servers.Server, saved: Path) -> None:
    with pytest.raises(Stopped, match="resume"):
        stop_half_way(at_hub)
    at_hub.held.clear()
    at_hub.release.set()
    folder, _ = get()
    assert (folder / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()


def test_a_stopped_download_leaves_no_thread(at_hub: servers.Server) -> None:
    with pytest.raises(Stopped):
        stop_half_way(at_hub)
    at_hub.release.set()
    deadline = time.monotonic() + 30
    while any(thread.name == "jupyter_complete-hub" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the download goes on"
        time.sleep(0.02)


def test_a_revision_that_does_not_exist_is_told(at_hub: servers.Server) -> None:
    with pytest.raises(FetchFailed, match="org/tiny has no revision 'v9'"):
        get(revision="v9")


def test_a_model_that_does_not_exist_is_unknown(at_hub: servers.Server) -> None:
    with pytest.raises(UnknownModel, match="There is no model 'org/other'"):
        get("org/other")


def test_only_pickled_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with servers.hub_of("org/tiny", COMMIT, folder) as server:
        use(server.url, tmp_path, monkeypatch)
        with pytest.raises(UnsafeModel, match="has only pickled weights"):
            get()
        assert not any("/resolve/" in asked for asked in server.asked)


def test_no_weights_at_all_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with servers.hub_of("org/tiny", COMMIT, folder) as server:
        use(server.url, tmp_path, monkeypatch)
        with pytest.raises(FetchFailed, match="holds no safetensors weights"):
            get()


def test_a_disk_too_small_is_told_before_a_byte_is_fetched(
    at_hub: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(DoesNotFit, match=r"where 1\.0 kB is free"):
        get()
    assert not any("/resolve/" in asked for asked in at_hub.asked)


def test_a_hub_that_does_not_answer_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(f"http://127.0.0.1:{servers.closed_port()}", tmp_path, monkeypatch)
    with pytest.raises(FetchFailed, match="The model hub could not be asked for org/tiny") as told:
        get()
    assert "\n" not in str(told.value)
