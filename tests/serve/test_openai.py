"""The OpenAI protocol: what a client of it gets is what the session completes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import echoes
import httpx2
import pytest
from shared_servers import Running, running

from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session

PROMPT = "one two three"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runtime"), {"tiny": echoes.make(kind="instruct")}) as one:
        yield one


@pytest.fixture
def own(session: Session) -> Session:
    session.models.register("tiny", *echoes.make(kind="instruct"))
    session.config.model = "tiny"
    return session


def post(server: Running, path: str, **body: Any) -> dict[str, Any]:
    answer = httpx2.post(f"{server.address.url}/v1/{path}", json=body, headers=server.headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def chunks(server: Running, path: str, **body: Any) -> list[dict[str, Any]]:
    """What a stream sends before its end."""
    url, body = f"{server.address.url}/v1/{path}", {**body, "stream": True}
    with httpx2.stream("POST", url, json=body, headers=server.headers, trust_env=False) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_completion_is_the_sessions(server: Running, own: Session) -> None:
    mine = own.complete(PROMPT, temperature=0, max_new_tokens=9)
    found = post(server, "completions", prompt=PROMPT, temperature=0, max_tokens=9)
    assert found["object"] == "text_completion"
    assert [(one["text"], one["finish_reason"]) for one in found["choices"]] == [(mine.text, mine.finish_reason)]
    assert found["usage"]["completion_tokens"] == len(mine.tokens)
    assert found["usage"]["total_tokens"] == mine.usage.prompt_tokens + len(mine.tokens)


def test_a_seed_repeats_and_settings_count(server: Running, own: Session) -> None:
    settings = {"temperature": 1.3, "top_p": 0.9, "seed": 5}
    mine = own.complete(PROMPT, max_new_tokens=9, **settings)
    assert post(server, "completions", prompt=PROMPT, max_tokens=9, **settings)["choices"][0]["text"] == mine.text


def test_a_stream_joins_to_the_whole(server: Running) -> None:
    settings: dict[str, Any] = {"prompt": PROMPT, "temperature": 0, "max_tokens": 9}
    whole = post(server, "completions", **settings)
    came = chunks(server, "completions", **settings, stream_options={"include_usage": True})
    assert "".join(one["choices"][0]["text"] for one in came[:-1]) == whole["choices"][0]["text"]
    assert came[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert came[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert len({one["id"] for one in came}) == 1


def test_logprobs_are_those_of_every_token(server: Running, own: Session) -> None:
    mine = own.complete(PROMPT, temperature=0, max_new_tokens=5, candidates=3)
    told = post(server, "completions", prompt=PROMPT, temperature=0, max_tokens=5, logprobs=3)["choices"][0]["logprobs"]
    assert told["tokens"] == [step.text for step in mine.tokens]
    assert told["token_logprobs"] == pytest.approx([step.logprob for step in mine.tokens])
    assert [set(one) for one in told["top_logprobs"]] == [{c.text for c in step.top} for step in mine.tokens]
    assert told["text_offset"] == [sum(len(s.text) for s in mine.tokens[:at]) for at in range(len(mine.tokens))]


def test_an_echo_gives_the_prompt_and_its_probabilities(server: Running, own: Session) -> None:
    mine: Completion = own.complete(PROMPT, mode="score")
    told = post(server, "completions", prompt=PROMPT, echo=True, max_tokens=0, logprobs=1)["choices"][0]
    assert told["text"] == PROMPT
    assert told["logprobs"]["tokens"] == [step.text for step in mine.prompt_tokens]
    assert told["logprobs"]["token_logprobs"][0] is None
    assert told["logprobs"]["token_logprobs"][1:] == pytest.approx([step.logprob for step in mine.prompt_tokens[1:]])


def test_several_prompts_and_several_texts_have_their_places(server: Running) -> None:
    found = post(server, "completions", prompt=["a b", "c d"], n=2, temperature=1.2, seed=1, max_tokens=4)
    assert [one["index"] for one in found["choices"]] == [0, 1, 2, 3]
    came = chunks(server, "completions", prompt=["a b", "c d"], n=2, temperature=1.2, seed=1, max_tokens=4)
    texts = [""] * 4
    for one in (choice for chunk in came for choice in chunk["choices"]):
        texts[one["index"]] += one["text"]
    assert texts == [one["text"] for one in found["choices"]]


def test_a_stop_string_ends_the_text(server: Running, own: Session) -> None:
    mine = own.complete(PROMPT, temperature=0, max_new_tokens=30, stop=["t"])
    found = post(server, "completions", prompt=PROMPT, temperature=0, max_tokens=30, stop="t")["choices"][0]
    assert (found["text"], found["finish_reason"]) == (mine.text, "stop")


def test_a_chat_is_the_sessions_with_its_turns(server: Running, own: Session) -> None:
    from jupyter_complete.protocol.prompt_parts import Turn

    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ]
    turns = (Turn("system", "Be short."), Turn("user", "Hello"), Turn("assistant", "Hi"))
    mine = own.stream("And now?", turns=turns, chat=True, temperature=0, max_new_tokens=7).result()
    found = post(server, "chat/completions", messages=messages, temperature=0, max_completion_tokens=7)
    assert found["choices"][0]["message"] == {"role": "assistant", "content": mine.text}
    came = chunks(server, "chat/completions", messages=messages, temperature=0, max_completion_tokens=7)
    assert came[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in came) == mine.text


def test_the_logprobs_of_a_chat_have_bytes(server: Running) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    told = post(
        server, "chat/completions", messages=messages, temperature=0, max_tokens=3, logprobs=True, top_logprobs=2
    )
    for one in told["choices"][0]["logprobs"]["content"]:
        assert bytes(one["bytes"]).decode() == one["token"]
        assert len(one["top_logprobs"]) == 2


def test_a_client_that_goes_away_stops_its_request(tmp_path: Path) -> None:
    with running(tmp_path, {"tiny": echoes.make(window=None, delay=0.01)}) as server:
        url, shared = f"{server.address.url}/v1/completions", server.server.host.model("tiny")
        body = {"prompt": PROMPT, "max_tokens": 10**6, "stream": True, "temperature": 1.0, "seed": 1}
        with httpx2.stream("POST", url, json=body, headers=server.headers, trust_env=False) as answer:
            next(answer.iter_bytes())
            assert shared.held().total() == 1
        for _ in range(600):
            if shared.idle:
                break
            post(server, "completions", prompt=PROMPT, max_tokens=1)
        assert shared.held().total() == 0


def test_what_is_not_offered_is_refused_by_name(server: Running) -> None:
    answer = httpx2.post(
        f"{server.address.url}/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]},
        headers=server.headers,
        trust_env=False,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "tools is not offered. Leave it out."
