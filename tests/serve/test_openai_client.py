"""OpenAI's own client gets from `jupyter complete serve` what the session completes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import echoes
import pytest
from shared_servers import Running, running

from jupyter_complete.session.session import Session

openai = pytest.importorskip("openai", reason="it comes with pip install -e '.[dev]'")

PROMPT = "one two three"
MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runtime"), {"tiny": echoes.make(kind="instruct")}) as one:
        yield one


@pytest.fixture
def client(server: Running) -> Any:
    return client_of(server.address.url, server.address.token)


def client_of(url: str, token: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0, timeout=120)


@pytest.fixture
def own(session: Session) -> Session:
    session.models.register("tiny", *echoes.make(kind="instruct"))
    session.config.model = "tiny"
    return session


def test_it_lists_the_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]


def test_a_completion_and_its_stream_are_the_sessions(client: Any, own: Session) -> None:
    mine = own.complete(PROMPT, temperature=0, max_new_tokens=9)
    asked = {"model": "tiny", "prompt": PROMPT, "temperature": 0, "max_tokens": 9}
    whole = client.completions.create(**asked)
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (mine.text, mine.finish_reason)
    assert whole.usage.completion_tokens == len(mine.tokens)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == mine.text
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_logprobs_are_the_sessions(client: Any, own: Session) -> None:
    mine = own.complete(PROMPT, temperature=0, max_new_tokens=5, candidates=2)
    told = client.completions.create(model="tiny", prompt=PROMPT, temperature=0, max_tokens=5, logprobs=2)
    assert told.choices[0].logprobs.tokens == [step.text for step in mine.tokens]
    assert told.choices[0].logprobs.token_logprobs == pytest.approx([step.logprob for step in mine.tokens])


def test_a_chat_and_its_stream_say_the_same(client: Any) -> None:
    asked = {"model": "tiny", "messages": MESSAGES, "temperature": 0, "max_completion_tokens": 7}
    whole = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
    chunks = list(client.chat.completions.create(**asked, stream=True))
    text = whole.choices[0].message.content
    assert text
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert [len(one.top_logprobs) for one in whole.choices[0].logprobs.content] == [2] * 7


def test_what_is_refused_is_an_error_of_the_client_with_our_sentence(client: Any, server: Running) -> None:
    with pytest.raises(openai.AuthenticationError, match="The token is not this server's"):
        client_of(server.address.url, "sk-wrong").models.list()
    with pytest.raises(openai.BadRequestError, match="presence_penalty is not offered"):
        client.completions.create(model="tiny", prompt=PROMPT, presence_penalty=1)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        client.completions.create(model="tiny", prompt=PROMPT, temperature=-3)


def test_a_stream_that_the_client_closes_frees_the_place(client: Any, server: Running) -> None:
    shared = server.server.host.model("tiny")
    with client.completions.create(model="tiny", prompt=PROMPT, max_tokens=10**6, temperature=1, stream=True) as one:
        next(iter(one))
        assert shared.held().total() == 1
    for _ in range(600):
        if shared.idle:
            break
        client.completions.create(model="tiny", prompt=PROMPT, max_tokens=1)
    assert shared.held().total() == 0


@pytest.mark.heavy
@pytest.mark.model
def test_the_command_serves_the_client_the_text_that_the_kernel_has(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_COMPLETE_SHARE_TOKEN", "of-a-test")
    command = [sys.executable, "-m", "jupyter_complete.cli.main", "serve", "--model", "smollm2", "--idle", "30"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith("Sharing smollm2 at http://127.0.0.1:")
        client = client_of(said.split()[-1].rstrip("."), "of-a-test")
        prompts = ["The mean of a sample is", "Größe und Maß 😀", "x = [1, 2, 3]\n"]
        for prompt in prompts:
            mine = session.complete(prompt, model="smollm2", temperature=0, max_new_tokens=8)
            found = client.completions.create(model="smollm2", prompt=prompt, temperature=0, max_tokens=8, logprobs=1)
            assert found.choices[0].text == mine.text
            assert found.choices[0].logprobs.token_logprobs == pytest.approx(
                [step.logprob for step in mine.tokens], abs=1e-4
            )
    finally:
        server.terminate()
        assert server.wait(60) == 0
