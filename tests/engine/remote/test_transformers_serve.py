"""The remote engine on `transformers serve` with the embedded model in float32."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.session.session import Session

for library in ("fastapi", "uvicorn", "openai"):
    pytest.importorskip(library, reason="it comes with pip install -e '.[dev]'")

pytestmark = [pytest.mark.heavy, pytest.mark.model, pytest.mark.timeout(600)]
PROMPT = "The mean of a sample is"
PROMPTS = [PROMPT, "Dear all,\n\n  ", "x = [1, 2, 3]\n", "Größe und Maß 😀"]


@pytest.fixture(scope="module")
def served(real_session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of the server, and the name of its model."""
    folder = tmp_path_factory.mktemp("smollm2")
    engine: Any = next(iter(real_session.models)).engine
    engine.model.save_pretrained(folder)
    engine.tokenizer.save_pretrained(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
    command += ["serve", str(folder), "--port", str(port), "--host", "127.0.0.1", "--device", "cpu"]
    log = Path(folder, "log.txt")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}", str(folder)
    finally:
        process.kill()
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(address, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def own(served: tuple[str, str], path: str, **body: Any) -> dict[str, Any]:
    """The server's answer without streaming, asked by a bare client."""
    address, model = served
    body |= {"model": model, "temperature": 0, "max_tokens": 8}
    reply = httpx2.post(f"{address}/v1/{path}", json=body, timeout=300)
    assert reply.status_code == 200, reply.text
    choice: dict[str, Any] = reply.json()["choices"][0]
    return choice


@pytest.fixture
def far(session: Session, served: tuple[str, str]) -> jc.Model:
    return jc.remote(*served, name="far", wait=300)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_and_logprobs_equal_the_server_s_own(far: jc.Model, served: tuple[str, str], prompt: str) -> None:
    done = far.complete(prompt, temperature=0, max_new_tokens=8)
    answer = own(served, "completions", prompt=prompt, logprobs=3)
    assert done.text == answer["text"].rstrip("\N{REPLACEMENT CHARACTER}")  # half a character, which is not streamed
    assert (done.finish_reason, done.usage.completion_tokens) == ("length", 8)
    told = (answer.get("logprobs") or {}).get(
        "token_logprobs", []
    )  # none, as long as the server ignores what it is asked
    assert [step.logprob for step in done.tokens] == pytest.approx(told, abs=1e-3)


def test_greedy_text_equals_the_kernel_s_own(far: jc.Model, real_session: Session) -> None:
    mine = real_session.complete(PROMPT, model="smollm2", temperature=0, max_new_tokens=8)
    assert far.complete(PROMPT, temperature=0, max_new_tokens=8).text == mine.text


def test_it_reports_no_tokens_and_that_is_said(far: jc.Model) -> None:
    done = far.complete(PROMPT, temperature=0, max_new_tokens=4)
    assert done.tokens == ()
    info = far.info
    assert info is not None
    assert "reports no tokens" in dict(info.lacks)["inspect"]
    with pytest.raises(BadOption):
        far.score("The mean is")


def test_a_message_is_answered_as_by_the_server(far: jc.Model, served: tuple[str, str]) -> None:
    done = far.complete("Name a colour.", chat=True, temperature=0, max_new_tokens=8)
    messages = [{"role": "user", "content": "Name a colour."}]
    assert done.text == own(served, "chat/completions", messages=messages)["message"]["content"]


def test_what_it_does_not_know_is_refused(far: jc.Model) -> None:
    with pytest.raises(BadOption, match="refuses the request"):
        far.complete(PROMPT, top_k=4, max_new_tokens=2)
