"""`--idle`: a model that nobody uses is unloaded, and loaded again for the next request."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import echoes
import httpx2
import pytest
import tiny
from shared_servers import Running, running

from jupyter_complete.cli.main import main
from jupyter_complete.protocol.events import Finish, Token
from jupyter_complete.serve import address, start
from jupyter_complete.serve.fair_queue import Job

SECONDS = 60


def until(met: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    ends = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < ends
        time.sleep(0.01)


def complete(server: Running, **body: Any) -> str:
    asked = {"prompt": "a b c", "max_tokens": 4, "temperature": 0, **body}
    url = f"{server.address.url}/v1/completions"
    answer = httpx2.post(url, json=asked, headers=server.headers, trust_env=False, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["text"])


def resident(server: Running) -> list[str]:
    return [one["name"] for one in server.server.host.status()["models"]]


def test_an_unused_model_is_unloaded_and_the_next_request_loads_it_again(tmp_path: Path) -> None:
    name = str(tiny.save("gpt2", tmp_path / "tiny-gpt2"))
    with running(tmp_path, {}, idle=0.05, default=name) as server:
        text = complete(server, model=name)
        until(lambda: resident(server) == [])
        assert list(server.server.host.session.models) == []
        assert complete(server, model=name) == text


def test_a_model_that_writes_is_not_idle_however_long_it_takes(tmp_path: Path) -> None:
    with running(tmp_path, {"tiny": echoes.make()}, idle=1e-9) as server:
        host, ended = server.server.host, list[Any]()
        request = host.session.request("a b c", model="tiny", max_new_tokens=50, temperature=0)

        def look(item: Any) -> None:
            if isinstance(item, Token):
                host.sweep()
            if isinstance(item, Finish):
                ended.append(item)

        host.model("tiny").add(Job("a", request, look))
        until(lambda: bool(ended))
        assert ended[0].reasons == ("length",)


def test_without_idle_a_model_stays(tmp_path: Path) -> None:
    with running(tmp_path, {"tiny": echoes.make()}) as server:
        complete(server)
        server.server.host.model("tiny").used -= 10**9
        server.server.host.sweep()
        assert resident(server) == ["tiny"]


def test_minutes_on_the_command_line_are_seconds_of_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    seen: list[Any] = []

    async def note(settings: Any) -> None:
        seen.append(settings)

    monkeypatch.setattr("jupyter_complete.serve.server.serve", note)
    main(["serve", "--idle", "1.5", "--model", "tiny"])
    assert [(one.idle, one.leave, one.models) for one in seen] == [(90.0, False, ("tiny",))]


@pytest.mark.kernel
def test_a_server_that_a_kernel_started_ends_when_nobody_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    server = subprocess.Popen([sys.executable, "-m", "jupyter_complete.serve", "--idle", "0.02"])
    try:
        until(lambda: address.read() is not None or server.poll() is not None)
        assert server.wait(SECONDS) == 0
        assert start.find() is None
        assert list(tmp_path.glob("*.sock")) == []
    finally:
        server.kill()
        server.wait()
