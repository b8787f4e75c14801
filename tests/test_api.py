"""The Python face: jc.load, jc.register, jc.complete, jc.stream, jc.score, jc.last."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest
import tiny

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption, BadPrompt, EmptyPrompt, UnknownModel
from jupyter_complete.session.session import Session

PROMPT = "The mean of a sample"
GREEDY = {"temperature": 0, "max_new_tokens": 6}


@pytest.fixture
def model(session: Session) -> jc.Model:
    return jc.register("tiny", *tiny.make("qwen2"))


def test_complete_gives_a_completion(model: jc.Model) -> None:
    done = jc.complete(PROMPT, model="tiny", **GREEDY)
    assert isinstance(done, jc.Completion)
    assert (done.prompt, len(done.tokens)) == (PROMPT, 6)
    assert jc.last() is done


def test_stream_gives_the_text_in_pieces(model: jc.Model) -> None:
    pieces = list(jc.stream(PROMPT, model="tiny", **GREEDY))
    assert len(pieces) > 1
    assert "".join(pieces) == jc.complete(PROMPT, model="tiny", **GREEDY).text


def test_leaving_the_stream_stops_the_model_and_keeps_the_text(session: Session) -> None:
    endless, tokenizer = copy.deepcopy(tiny.make("llama"))
    endless.generation_config.eos_token_id = endless.config.eos_token_id = None
    endless.register_forward_pre_hook(lambda *given: time.sleep(0.01))  # else it is done before anybody can leave
    jc.register("endless", endless, tokenizer)
    pieces = jc.stream(PROMPT, model="endless", temperature=0, max_new_tokens=1000)
    begun = next(iter(pieces))
    pieces.close()  # type: ignore[attr-defined]
    done = jc.last()
    assert done is not None
    assert done.finish_reason == "interrupted"
    assert done.text.startswith(begun)


def test_score_measures_the_text_and_generates_nothing(model: jc.Model) -> None:
    done = jc.score(PROMPT, model="tiny")
    assert done.tokens == ()
    assert len(done.prompt_tokens) == done.usage.prompt_tokens
    assert done.perplexity is not None
    assert done.perplexity > 1


def test_a_model_has_the_verbs_of_the_module(model: jc.Model) -> None:
    text = jc.complete(PROMPT, model=model, **GREEDY).text
    assert model.complete(PROMPT, **GREEDY).text == text
    assert "".join(model.stream(PROMPT, **GREEDY)) == text
    assert model.score(PROMPT).perplexity == jc.score(PROMPT, model=model).perplexity


def test_a_model_tells_what_it_is_once_it_is_resident(model: jc.Model) -> None:
    assert (model.info, model.model, model.tokenizer) == (None, None, None)
    model.complete(PROMPT, **GREEDY)
    assert model.info is not None
    assert model.info.name == "tiny"
    assert (model.model, model.tokenizer) == tiny.make("qwen2")


@pytest.mark.parametrize("architecture", ["gpt2", "t5"])
def test_a_directory_is_loaded_by_its_path(session: Session, tmp_path: Path, architecture: str) -> None:
    folder = tiny.save(architecture, tmp_path / "saved")
    loaded = jc.load(str(folder))
    assert loaded.info is not None
    assert loaded.complete(PROMPT, **GREEDY).usage.completion_tokens > 0


def test_the_model_itself_is_there_but_for_int8(session: Session, tmp_path: Path) -> None:
    folder = str(tiny.save("llama", tmp_path / "saved"))
    with pytest.raises(BadOption, match=r'is int8, which transformers cannot run.*dtype="float32"'):
        _ = jc.load(folder).model
    assert jc.load(folder, dtype="float32").model.config.model_type == "llama"


def test_load_without_a_name_loads_the_default(session: Session, tmp_path: Path) -> None:
    session.config.model = str(tiny.save("gpt2", tmp_path / "saved"))
    assert jc.load().name == session.config.model


def test_unload_gives_the_model_back(session: Session, tmp_path: Path) -> None:
    loaded = jc.load(str(tiny.save("llama", tmp_path / "saved")))
    gone = loaded.unload()
    assert gone.held_by == ()
    assert loaded.info is None
    with pytest.raises(UnknownModel):
        loaded.unload()


@pytest.mark.parametrize("ask", [jc.complete, jc.score, jc.stream])
def test_bad_asking_is_told_at_once(model: jc.Model, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(EmptyPrompt):
        ask("", model="tiny")
    with pytest.raises(BadOption, match="top_p"):
        ask(PROMPT, model="tiny", top_p=2)
    with pytest.raises(BadOption, match="Did you mean temperature"):
        ask(PROMPT, model="tiny", temprature=1)
    with pytest.raises(UnknownModel):
        ask(PROMPT, model="smolm2")


def test_a_model_that_cannot_be_had_is_told_by_load(session: Session) -> None:
    with pytest.raises(UnknownModel):
        jc.load("smolm2")


@pytest.mark.parametrize("name", ["out", "echo", "format"])
def test_an_option_that_is_for_cells_is_refused(model: jc.Model, name: str) -> None:
    with pytest.raises(BadOption, match=f"{name} is for cells only"):
        jc.complete(PROMPT, model="tiny", **{name: "text"})


def test_a_dry_run_generates_nothing(model: jc.Model) -> None:
    done = jc.complete(PROMPT, model="tiny", dry_run=True)
    assert done.tokens == ()
    assert len(done.prompt_tokens) == done.usage.prompt_tokens


def test_a_prompt_that_is_no_text_is_told(model: jc.Model) -> None:
    with pytest.raises(BadPrompt, match="of type int"):
        jc.complete(3, model="tiny")  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"model": "gpt2"}, {"chat": True}])
def test_what_cannot_change_in_a_continuation_is_told(model: jc.Model, option: dict[str, object]) -> None:
    done = jc.complete(PROMPT, model="tiny", **GREEDY)
    with pytest.raises(BadOption, match="cannot change in a continuation"):
        done.more(2, **option)


def test_a_path_object_names_a_model(session: Session, tmp_path: Path) -> None:
    folder = tiny.save("llama", tmp_path / "saved")
    assert jc.load(folder).info is not None
    assert jc.complete(PROMPT, model=folder, **GREEDY).usage.completion_tokens > 0
