"""A trace replays what was decoded, says what was weighed, and travels in one file without the model."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

import jupyter_complete as jc
from jupyter_complete.engine.inside import recorder
from jupyter_complete.protocol.errors import BadOption, NotATrace
from jupyter_complete.protocol.questions.lens import Lens
from jupyter_complete.results.draft import Draft
from jupyter_complete.results.trace import Trace
from jupyter_complete.session.session import Session

PROMPT = "The mean of a sample estimates the 数据 of"
MODELS = ("llama", "gpt2", "qwen3", "gemma3", "t5", "bart")
SETTINGS = [
    {"temperature": 0.0},
    {"temperature": 1.0, "top_p": 1.0},
    {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.3},
    {"temperature": 1.5, "top_k": 12, "min_p": 0.05},
]


def traced(session: Session, name: str = "llama", **options: object) -> Trace:
    if session.models.get(name) is None:
        session.models.register(name, *tiny.make(name))
    done = session.complete(PROMPT, model=name, trace=True, **{"max_new_tokens": 16, "seed": 5, **options})
    assert done.trace is not None
    return done.trace


@pytest.fixture
def trace(session: Session) -> Trace:
    return traced(session, temperature=1.0, top_p=1.0)


@pytest.mark.parametrize("head", [4, 256], ids="{} exact logits".format)
@pytest.mark.parametrize("name", MODELS)
def test_a_replay_picks_the_tokens_that_were_recorded(
    session: Session, name: str, head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "HEAD", head)
    for seed in range(12):
        found = traced(session, name, seed=seed, **SETTINGS[seed % len(SETTINGS)])
        assert found.replay().tolist() == found.ids.tolist()


def test_the_tokens_of_a_trace_are_those_of_the_completion(session: Session) -> None:
    session.models.register("gpt2", *tiny.make("gpt2"))
    done = session.complete(PROMPT, model="gpt2", trace=True, max_new_tokens=8, seed=1)
    assert done.trace is not None
    assert done.trace.ids.tolist()[: len(done.tokens)] == [step.id for step in done.tokens]
    assert done.trace.text == done.text
    assert done.trace.prompt == PROMPT


def test_recording_changes_no_token(session: Session) -> None:
    session.models.register("llama", *tiny.make("llama"))
    asked = {"model": "llama", "max_new_tokens": 20, "seed": 9, "temperature": 1.0}
    plain, recorded = session.complete(PROMPT, **asked), session.complete(PROMPT, trace=True, **asked)
    assert plain.tokens == recorded.tokens


def test_a_replay_with_another_seed_is_that_seed_s_first_token(session: Session) -> None:
    one, other = (traced(session, seed=seed, temperature=1.5, top_p=1.0) for seed in (5, 6))
    assert one.replay(seed=6)[0] == other.ids[0]


def test_a_greedy_trace_replays_at_a_temperature(session: Session) -> None:
    found = traced(session, temperature=0.0)
    assert np.isnan(found.drawn).all()
    assert found.replay().tolist() == found.ids.tolist()
    assert found.replay(temperature=3.0, top_p=1.0).tolist() != found.ids.tolist()


def test_a_distribution_says_what_was_cut_and_where_the_draw_fell(session: Session) -> None:
    found = traced(session, temperature=0.9, top_k=5, top_p=1.0).distribution(3)
    assert [row.cut for row in found.rows[:6]] == [None] * 5 + ["top_k"]
    assert found.kept == 5
    assert sum(row.prob for row in found.rows) == pytest.approx(1.0)
    picked = next(row for row in found.rows if row.id == found.picked)
    assert found.picked == found.chosen
    assert found.draw is not None
    assert picked.low <= found.draw <= picked.high


def test_the_raw_probability_is_that_of_the_recorded_step(session: Session) -> None:
    session.models.register("llama", *tiny.make("llama"))
    done = session.complete(PROMPT, model="llama", trace=True, max_new_tokens=4, seed=1)
    assert done.trace is not None
    rows = {row.id: row.raw for row in done.trace.distribution(2, top=8).rows}
    for candidate in done.tokens[2].top:
        assert rows[candidate.id] == pytest.approx(np.exp(candidate.logprob), abs=1e-4)


def test_a_distribution_changes_with_the_settings_and_shows_both_picks(trace: Trace) -> None:
    cold = trace.distribution(0, temperature=0.01)
    assert cold.rows[0].prob == pytest.approx(1.0, abs=1e-3)
    assert {cold.picked, cold.chosen} <= {row.id for row in cold.rows}


@pytest.mark.parametrize("knobs", [{"temperature": -1}, {"stop": "x"}, {"top_k": "many"}], ids=str)
def test_what_cannot_be_replayed_is_refused_in_a_sentence(trace: Trace, knobs: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        trace.replay(**knobs)


def test_a_step_that_is_not_there_is_refused(trace: Trace) -> None:
    with pytest.raises(BadOption, match="16 steps"):
        trace.distribution(16)


def test_steps_beyond_the_bytes_allowed_are_decoded_and_not_recorded(session: Session) -> None:
    whole = traced(session, seed=1)
    request = replace(session.history[-1].request, trace=2 * whole.nbytes // 3)  # type: ignore[type-var]
    done = session._submit(request, Draft(request)).result()
    assert done.trace is not None
    assert len(done.tokens) == len(whole)
    assert 0 < len(done.trace) < len(whole)
    assert done.trace.left_out == len(whole) - len(done.trace)
    assert done.trace.replay().tolist() == whole.ids.tolist()[: len(done.trace)]
    assert "over trace_bytes" in done.footer()


def test_a_branch_s_trace_begins_at_the_first_token(session: Session) -> None:
    session.models.register("llama", *tiny.make("llama"))
    done = session.complete(PROMPT, model="llama", trace=True, max_new_tokens=10, seed=2, temperature=1.0)
    branch = done.branch(at=4, token=7)
    assert branch.trace is not None
    assert branch.trace.ids.tolist()[: len(branch.tokens)] == [step.id for step in branch.tokens]
    assert branch.trace.first == 0
    assert branch.trace.forced.tolist().index(True) == 4
    assert branch.trace.replay().tolist() == branch.trace.ids.tolist()


def test_a_branch_with_other_settings_has_a_trace_of_its_own_steps(session: Session) -> None:
    session.models.register("llama", *tiny.make("llama"))
    done = session.complete(PROMPT, model="llama", trace=True, max_new_tokens=10, seed=2, temperature=1.0)
    branch = done.branch(at=4, temperature=2.0)
    assert branch.trace is not None
    assert branch.trace.first == 4
    assert branch.trace.replay().tolist() == branch.trace.ids.tolist()


def test_more_makes_the_trace_longer(session: Session) -> None:
    session.models.register("gpt2", *tiny.make("gpt2"))
    done = session.complete(PROMPT, model="gpt2", trace=True, max_new_tokens=5, seed=2)
    longer = done.more(5)
    assert longer.trace is not None
    assert len(longer.trace) == 10
    assert longer.trace.replay().tolist() == longer.trace.ids.tolist()


@pytest.mark.parametrize("options", [{"num": 2}, {"beams": 3}], ids=str)
def test_a_trace_is_of_one_continuation(session: Session, options: dict[str, object]) -> None:
    with pytest.raises(BadOption, match="one continuation"):
        session.stream(PROMPT, trace=True, **options)


def test_a_text_held_to_a_form_replays(session: Session) -> None:
    found = traced(session, regex="[0-9]{12}", temperature=1.0, top_p=1.0)
    assert found.replay().tolist() == found.ids.tolist()
    assert found.distribution(0).kept <= 400 - 200


def test_the_footer_tells_the_size_of_a_trace(session: Session) -> None:
    session.models.register("llama", *tiny.make("llama"))
    assert "trace " in session.complete(PROMPT, model="llama", trace=True, max_new_tokens=3).footer()


def test_a_saved_trace_opens_the_same(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "one.trace")
    opened = jc.open_trace(tmp_path / "one.trace")
    assert opened.replay(temperature=0.5).tolist() == trace.replay(temperature=0.5).tolist()
    assert (opened.prompt, opened.text, opened.tokens) == (trace.prompt, trace.text, trace.tokens)
    assert (opened.sampling, opened.model) == (trace.sampling, trace.model)
    assert str(opened.view()) == str(trace.view())


def test_a_file_opens_without_torch_or_transformers(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "one.trace")
    code = (
        "import sys, jupyter_complete as jc\n"
        f"trace = jc.open_trace({str(tmp_path / 'one.trace')!r})\n"
        "assert trace.replay().tolist() == trace.ids.tolist()\n"
        "str(trace.view())\n"
        "assert not {'torch', 'transformers', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_file_holds_no_pickle(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "one.trace")
    with zipfile.ZipFile(tmp_path / "one.trace") as file:
        assert {Path(name).suffix for name in file.namelist()} == {".npy", ".json"}


@pytest.mark.parametrize("content", [b"", b"no zip at all", pickle.dumps({"a": 1})], ids=["empty", "text", "pickle"])
def test_another_file_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NotATrace, match="holds no trace"):
        jc.open_trace(tmp_path / "other")


def test_a_zip_with_arrays_that_do_not_belong_together_is_refused(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "one.trace")
    with zipfile.ZipFile(tmp_path / "one.trace") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["ids.npy"] = parts["exact_steps.npy"]
    with zipfile.ZipFile(tmp_path / "two.trace", "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(NotATrace):
        jc.open_trace(tmp_path / "two.trace")


def test_findings_travel_with_the_trace(session: Session, tmp_path: Path) -> None:
    opened = jc.inside(traced(session))
    lens = opened.lens()
    opened.save(tmp_path / "one.trace")
    found = next(iter(jc.open_trace(tmp_path / "one.trace").found.values()))
    assert isinstance(found, Lens)
    assert (found.ids == lens.ids).all()
    assert found.tokens == lens.tokens


def test_a_file_that_is_not_there_is_one_sentence_that_names_one_like_it(tmp_path: Path) -> None:
    (tmp_path / "lesson.trace").write_bytes(b"")
    with pytest.raises(NotATrace, match=r"lessn.trace cannot be opened: No such file.*Did you mean .*lesson.trace\?"):
        jc.open_trace(tmp_path / "lessn.trace")
    with pytest.raises(NotATrace, match="cannot be opened"):
        jc.open_trace(tmp_path)
