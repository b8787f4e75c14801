"""A kernel on a shared model gets what a model of its own gives: the same tokens, traces, answers and errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from shared_servers import Running, running, sharing

from jupyter_complete.frames.complete_frame import complete_frame
from jupyter_complete.protocol.errors import BadOption, CompleteError, PromptTooLong
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.results.completion import Completion
from jupyter_complete.serve.client import SharedEngine
from jupyter_complete.session import inside
from jupyter_complete.session import session as session_module
from jupyter_complete.session.session import Session
from jupyter_complete.sources.catalog import Source

PROMPT = "The mean of a sample estimates the 数据 of"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("runtime"), {"llama": tiny.make("llama")}) as one:
        yield one


@pytest.fixture
def shared(server: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session on the shared model."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(Path(server.address.socket).parent))
    with sharing("llama") as session:
        monkeypatch.setattr(session.models, "find", lambda name: Source(name=name, kind="directory", path=None))
        yield session


def told(one: Completion) -> Any:
    each = [one, *one.alternatives]
    return [(c.text, c.tokens, c.finish_reason, c.prompt_ids, c.prompt_tokens, c.met, c.choices, c.seed) for c in each]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 0.9, "seed": 3, "top_p": 0.8},
        {"temperature": 0.9, "seed": 3, "repetition_penalty": 1.3, "stop": ["e"]},
        {"temperature": 0.9, "seed": 3, "num": 3},
        {"temperature": 0, "beams": 3, "num": 2},
        {"temperature": 0, "inspect": True},
        {"choices": ["yes", "no"]},
        {"regex": "[ab]{3,9}", "temperature": 0.9, "seed": 1},
        {"mode": "score", "seed": 1},
        {"mode": "preview", "seed": 1},
    ],
    ids=str,
)
def test_a_completion_is_that_of_a_model_of_its_own(shared: Session, own: Session, options: dict[str, Any]) -> None:
    settings = {"max_new_tokens": 12, **options}
    assert told(shared.complete(PROMPT, **settings)) == told(own.complete(PROMPT, **settings))


def test_it_goes_on_and_branches_by_ids(shared: Session, own: Session) -> None:
    def grown(session: Session) -> list[Any]:
        first = session.complete(PROMPT, temperature=0.8, seed=1, max_new_tokens=8)
        return [told(first.more(5)), told(first.branch(at=3, token=first.tokens[3].top[1].id))]

    assert grown(shared) == grown(own)


def test_the_second_prompt_begins_from_what_is_kept_of_the_first(shared: Session) -> None:
    first = shared.complete("Once upon a time there was", max_new_tokens=4, temperature=0)
    assert first.more(4).usage.cached_tokens >= first.usage.prompt_tokens


def test_a_trace_and_its_questions_are_those_of_a_model_of_its_own(shared: Session, own: Session) -> None:
    settings = {"temperature": 0.8, "seed": 2, "max_new_tokens": 6, "trace": True}
    mine, theirs = own.complete(PROMPT, **settings), shared.complete(PROMPT, **settings)
    assert mine.trace is not None
    assert theirs.trace is not None
    assert np.array_equal(theirs.trace.logits, mine.trace.logits)
    assert list(theirs.trace.replay(seed=9)) == list(mine.trace.replay(seed=9))
    question = AskLens(inside.of(mine, own).text, 5, 0, None)
    mine_found, theirs_found = inside.of(mine, own).ask(question), inside.of(theirs, shared).ask(question)
    assert theirs_found.tokens == mine_found.tokens
    assert np.allclose(theirs_found.probs, mine_found.probs)


def test_an_error_of_the_model_has_its_type_and_its_sentence(shared: Session, own: Session) -> None:
    def said(session: Session) -> tuple[type[CompleteError], str]:
        with pytest.raises(CompleteError) as caught:
            session.complete("word " * 5000)
        return type(caught.value), str(caught.value)

    assert said(shared) == said(own)
    assert said(own)[0] is PromptTooLong


def test_a_frame_is_that_of_a_model_of_its_own(shared: Session, own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [f"{PROMPT} {number}" for number in range(11)]})
    found = []
    for session in (shared, own):
        monkeypatch.setattr(session_module, "_current", session)
        done = complete_frame(frame, "{{ x }}", into="y", temperature=0.9, seed=4, max_new_tokens=6)
        found.append(done["y"].tolist())
    assert found[0] == found[1]


def test_a_stop_keeps_the_text_and_the_model(shared: Session) -> None:
    stream = shared.stream(PROMPT, temperature=0.9, seed=8, max_new_tokens=100_000, regex="(a|b)*c{900}")
    for event in stream:
        if stream.draft.decoded >= 3:
            stream.stop()
        assert event is not None
    done = stream.completion()
    assert done.finish_reason == "interrupted"
    assert len(done.tokens) >= 3
    assert shared.complete(PROMPT, max_new_tokens=2, temperature=0).text


def test_a_kernel_holds_no_torch_and_no_weights(shared: Session) -> None:
    shared.complete(PROMPT, max_new_tokens=1)
    resident = shared.models.get("llama")
    assert resident is not None
    assert isinstance(resident.engine, SharedEngine)
    assert resident.engine.footprint().weight_bytes == 0
    assert shared.models.unload("llama").weight_bytes == 0


def test_another_dtype_than_the_shared_one_is_refused(shared: Session) -> None:
    shared.complete(PROMPT, max_new_tokens=1)
    shared.models.unload("llama")
    with pytest.raises(BadOption, match="is shared as float32"):
        shared.models.load("llama", "bfloat16", "auto").wait()
