"""The remote engine on llama.cpp's own server with the embedded model: its text and logprobs, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pandas
import pytest
from llama_server import llama_server

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption, PromptTooLong
from jupyter_complete.protocol.events import Token
from jupyter_complete.session.session import Session
from jupyter_complete.sources.catalog import CATALOG
from jupyter_complete.sources.wheel import in_cache

pytest.importorskip("xllamacpp", reason="llama.cpp's server comes with pip install -e '.[dev]'")
pytestmark = [pytest.mark.model, pytest.mark.timeout(240)]

PROMPTS = ["The mean of a sample is", "Dear all,\n\n  ", "x = [1, 2, 3]\n", "Größe und Maß 😀"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    wheel = CATALOG["smollm2"].wheel
    assert wheel is not None
    path = in_cache(wheel)
    assert isinstance(path, Path), "make setup fetches the embedded model"
    with llama_server(path) as found:
        yield found


@pytest.fixture
def llama(session: Session, address: str) -> jc.Model:
    return jc.remote(address, name="llama")


def own_answer(address: str, path: str, **body: Any) -> dict[str, Any]:
    """The server's answer without streaming, asked by a bare client."""
    reply = httpx2.post(f"{address}/v1/{path}", json={**body, "temperature": 0}, timeout=200)
    assert reply.status_code == 200, reply.text
    choice: dict[str, Any] = reply.json()["choices"][0]
    return choice


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text_and_logprobs_equal_the_server_s_own(llama: jc.Model, address: str, prompt: str) -> None:
    done = llama.complete(prompt, temperature=0, max_new_tokens=8)
    own = own_answer(address, "completions", prompt=prompt, max_tokens=8, logprobs=8)
    assert done.text == own["text"].rstrip("\N{REPLACEMENT CHARACTER}")  # half a character, which is not streamed
    told = [(one["id"], one["token"], one["logprob"]) for one in own["logprobs"]["content"]][: len(done.tokens)]
    assert [(step.id, step.text) for step in done.tokens] == [one[:2] for one in told]
    assert [step.logprob for step in done.tokens] == pytest.approx([one[2] for one in told], abs=1e-3)
    assert (done.usage.completion_tokens, done.finish_reason) == (8, "length")


def test_a_message_is_answered_as_by_the_server(llama: jc.Model, address: str) -> None:
    done = llama.complete("Name a colour.", chat=True, temperature=0, max_new_tokens=8)
    messages = [{"role": "user", "content": "Name a colour."}]
    assert done.text == own_answer(address, "chat/completions", messages=messages, max_tokens=8)["message"]["content"]


def test_a_task_goes_by_the_model_s_own_template(llama: jc.Model) -> None:
    done = llama.complete("Sales rose by 4 percent.", task="summarize", temperature=0, max_new_tokens=8)
    assert done.text
    assert done.turns[-1].role == "user"


def test_more_is_what_one_longer_answer_has(llama: jc.Model) -> None:
    whole = llama.complete(PROMPTS[0], temperature=0, max_new_tokens=8)
    assert llama.complete(PROMPTS[0], temperature=0, max_new_tokens=4).more(4).text == whole.text


def test_a_seed_repeats_a_text(llama: jc.Model) -> None:
    texts = {llama.complete(PROMPTS[0], seed=3, max_new_tokens=8).text for _ in range(2)}
    assert len(texts) == 1


def test_choices_a_regex_and_a_schema_hold(llama: jc.Model) -> None:
    picked = llama.complete("Is water wet? Answer:", choices=[" yes", " no"], max_new_tokens=8)
    assert picked.value in (" yes", " no")
    number = llama.complete("Phone:", regex=r" \d{3}-[a-f]{2}", max_new_tokens=16, temperature=0)
    assert number.met
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    assert llama.complete("JSON:", json=schema, max_new_tokens=40, temperature=0).value["a"] in ("x", "y")


def test_rows_equal_single_completions(llama: jc.Model) -> None:
    frame = pandas.DataFrame({"t": ["mean", "median"]})
    made = jc.complete_frame(frame, "The {{ t }} is", model="llama", temperature=0, max_new_tokens=4)
    alone = [llama.complete(f"The {word} is", temperature=0, max_new_tokens=4).text for word in frame["t"]]
    assert list(made["completion"]) == alone


def test_a_stop_frees_the_server(session: Session, llama: jc.Model) -> None:
    stream = session.stream(PROMPTS[0], model="llama", temperature=0, max_new_tokens=900)
    for event in stream.ticks():
        if isinstance(event, Token):
            stream.stop()
    done = stream.completion()
    assert done.finish_reason == "interrupted"
    assert done.text
    assert llama.complete(PROMPTS[0], temperature=0, max_new_tokens=2).text


def test_what_the_server_knows_of_the_model(llama: jc.Model) -> None:
    info = llama.info
    assert info is not None
    assert (info.architecture, info.window, info.parameters) == ("llama.cpp", 1024, 134_515_008)


def test_a_prompt_over_the_window_is_refused(llama: jc.Model) -> None:
    with pytest.raises(PromptTooLong, match="longer than"):
        llama.complete("The mean " * 2000, max_new_tokens=1)


def test_the_server_measures_no_given_text(llama: jc.Model) -> None:
    with pytest.raises(BadOption, match="no echo"):
        llama.score("The mean is")


def test_what_is_sent_can_be_written_as_json(llama: jc.Model) -> None:
    done = llama.complete(PROMPTS[3], temperature=0, max_new_tokens=2)
    assert json.dumps([step.id for step in done.tokens])
