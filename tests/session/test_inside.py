"""A completion opened up answers from the model once, keeps what it found, and goes on without the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.questions.attention import Attention
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.session.inside import Inside
from jupyter_complete.session.session import Session

PROMPT = "The mean of a sample is 数"
NAMES = ("llama", "gpt2", "t5", "bart")
TRACES = Path(__file__).parents[2] / "notebooks" / "traces"


@pytest.fixture(params=NAMES)
def opened(session: Session, request: pytest.FixtureRequest) -> Inside:
    return opening(session, request.param)


@pytest.fixture
def llama(session: Session) -> Inside:
    return opening(session, "llama")


def opening(session: Session, name: str) -> Inside:
    session.models.register(name, *tiny.make(name))
    return jc.inside(PROMPT, model=name, max_new_tokens=8, seed=3, temperature=1.0)


def test_what_is_looked_at_is_prompt_and_completion(opened: Inside) -> None:
    done = opened.completion
    assert done is not None
    ids = [step.id for step in done.tokens] + ([done.end.id] if done.end else [])
    assert list(opened.text.ids[-len(ids) :]) == ids
    assert (opened.text.source or opened.text.ids)[: len(done.prompt_ids)] == done.prompt_ids
    assert len(opened.tokens) == len(opened.text.ids)


def test_every_question_is_answered(opened: Inside) -> None:
    assert opened.attention(0).weights.ndim == 3
    assert opened.head_steps(0, 1).output.ndim == 2
    assert opened.lens(top=2).ids.shape[2] == 2
    assert opened.path([5, 6]).ranks.shape[0] == 2
    assert opened.state([5, 6]).rows.shape == (2, len(opened.state([5, 6]).hidden))
    assert len(opened.embedding().rows) == len(opened.text.ids)
    assert len(opened.occlusion(0).targets) > 0
    assert opened.futures(depth=2).depths.max() == 2
    assert opened.change(1, 40).divergence > 0.0


def test_every_answer_displays_itself_in_html_and_in_plain_text(opened: Inside) -> None:
    answers = [
        opened.distribution(0),
        opened.attention(0),
        opened.attention_row(1),
        opened.head_steps(0, 1),
        opened.lens(top=2),
        opened.path([5, 6]),
        opened.state([5, 6]),
        opened.embedding(),
        opened.occlusion(0),
        opened.futures(depth=2),
        opened.change(1, 40),
    ]
    if opened.completion and opened.completion.model.name != "bart":  # its layers norm what they have added
        answers.append(opened.added())
    for answer in answers:
        bundle = answer._repr_mimebundle_()
        assert bundle["text/html"].startswith("<div")
        assert "[]" not in bundle["text/plain"]
        assert len(bundle["text/plain"].splitlines()) > 3


def test_a_head_says_whether_it_divides_and_adds_a_bias(opened: Inside) -> None:
    text, t5 = opened.head_steps(0, 1)._repr_mimebundle_()["text/plain"], opened.trace.model.name == "t5"
    assert ("× 1 + position bias" in text) is t5
    assert ("softmax(QKᵀ + bias)·V" in text) is t5
    assert ("softmax(QKᵀ/√d_k)·V" in text) is not t5


def test_a_lens_may_end_before_the_text_does(llama: Inside) -> None:
    np.testing.assert_array_equal(llama.lens(2, 1, 4).ids, llama.lens(2).ids[:, 1:4])
    with pytest.raises(BadOption):
        llama.lens(2, 4, 4)


def test_an_attention_row_sums_to_one_and_so_it_does_without_the_first_token(llama: Inside) -> None:
    whole, less = llama.attention_row(5, 1, 2), llama.attention_row(5, 1, 2, hide_first=True)
    assert whole.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert less.weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert less.weights[0] == 0.0
    assert less.hidden == pytest.approx(float(whole.weights[0]))


def test_the_mean_and_the_largest_over_heads(llama: Inside) -> None:
    weights = llama.attention(1).weights[:, 4]
    np.testing.assert_allclose(llama.attention_row(4, 1, "mean").weights, weights.mean(0))
    np.testing.assert_allclose(llama.attention_row(4, 1, "max").weights, weights.max(0))


@pytest.mark.parametrize("head", [4, -5, "median"])
def test_a_head_that_is_not_there_is_refused(llama: Inside, head: object) -> None:
    with pytest.raises(BadOption, match="head"):
        llama.attention_row(4, 1, head)  # type: ignore[arg-type]


def test_a_question_is_asked_of_the_model_once(llama: Inside) -> None:
    assert llama.lens() is llama.lens()


def test_any_question_can_be_asked_by_itself(llama: Inside, tmp_path: Path) -> None:
    asked = AskLens(llama.text, 2, 1)
    assert llama.ask(asked) is llama.lens(2, 1)
    llama.save(tmp_path / "one.trace")
    np.testing.assert_array_equal(Inside(jc.open_trace(tmp_path / "one.trace")).ask(asked).ids, llama.ask(asked).ids)


def test_a_token_is_named_by_its_text(llama: Inside) -> None:
    id = llama.trace.pieces.find(" mean")
    assert llama.path(" mean").ids == (id,)
    with pytest.raises(BadOption, match="not one token"):
        llama.path("no single token")


def test_the_tree_of_futures_begins_where_it_is_asked_to(llama: Inside) -> None:
    best = llama.trace.distribution(2, temperature=1.0, top_p=1.0).rows[0]
    tree = llama.futures(step=2, depth=1)
    assert tree.ids[0] == best.id
    assert tree.probs[0] == pytest.approx(best.raw, abs=1e-4)


def test_a_completion_with_a_trace_and_a_trace_open_the_same(session: Session, llama: Inside) -> None:
    assert llama.completion is not None
    from_completion, from_trace = jc.inside(llama.completion), jc.inside(llama.trace)
    assert (from_completion.lens().ids == from_trace.lens().ids).all()


def test_a_completion_without_a_trace_is_refused(session: Session, llama: Inside) -> None:
    with pytest.raises(BadOption, match="no trace"):
        jc.inside(jc.complete(PROMPT, model="llama", max_new_tokens=2))


def test_a_saved_one_answers_what_was_asked_before_and_refuses_the_rest(llama: Inside, tmp_path: Path) -> None:
    shown = str(llama.view())
    llama.save(tmp_path / "one.trace")
    alone = Inside(jc.open_trace(tmp_path / "one.trace"))
    assert str(alone.view()) == shown
    with pytest.raises(BadOption, match="does not hold this answer"):
        alone.head_steps(0, 0)


def test_the_largest_without_the_first_token_is_of_each_head_s_own_rest(llama: Inside) -> None:
    found = llama.attention(0)
    heads = [found.row(5, head, hide_first=True).weights for head in range(len(found.weights))]
    np.testing.assert_allclose(found.row(5, "max", hide_first=True).weights, np.max(heads, 0), rtol=1e-5)


def test_a_file_answers_what_a_broader_answer_holds(llama: Inside, tmp_path: Path) -> None:
    length = len(llama.text.ids)
    llama.attention(-1), llama.head_steps(-1, 1), llama.lens(), llama.path([5, 6, 7], 3), llama.state([5, 6, 7], 3)
    llama.embedding(), llama.occlusion(1)
    last = llama.attention(-1).layer
    llama.save(tmp_path / "one.trace")
    read = Inside(jc.open_trace(tmp_path / "one.trace"))
    for one in (read, llama):
        assert (one.attention(last).layer, one.attention(last).part) == (last, "decoder")
    np.testing.assert_array_equal(read.head_steps(last, 1).output, llama.head_steps(-1, 1).output)
    np.testing.assert_array_equal(read.lens(2, 3, 6).ids, llama.lens().ids[:, 3:6, :2])
    assert read.lens(2, 3, 6).tokens == llama.tokens[3:6]
    np.testing.assert_array_equal(read.path([7, 5], 3).ranks, llama.path([5, 6, 7], 3).ranks[[2, 0]])
    np.testing.assert_array_equal(read.path(6, 3 - length).probs, llama.path([5, 6, 7], 3).probs[[1]])
    np.testing.assert_array_equal(read.state([6], 3).rows, llama.state([5, 6, 7], 3).rows[[1]])
    np.testing.assert_array_equal(read.embedding(llama.text.ids[2:4]).rows, llama.embedding().rows[2:4])
    second = len(llama.trace.before) + 1
    np.testing.assert_array_equal(read.occlusion(1, [second]).change, llama.occlusion(1).change[[1]])


@pytest.mark.parametrize(
    "asked",
    ["attention(0)", "head_steps(-1, 0)", "lens(6)", "path([5, 8], 3)", "path([5], 4)", "occlusion(2, [4])"],
)
def test_a_narrower_answer_is_none_to_a_broader_question(asked: str, llama: Inside, tmp_path: Path) -> None:
    llama.attention(-1), llama.head_steps(-1, 1), llama.lens(5), llama.path([5, 6], 3), llama.occlusion(1)
    llama.save(tmp_path / "one.trace")
    read = Inside(jc.open_trace(tmp_path / "one.trace"))
    with pytest.raises(BadOption, match="saved trace does not hold this answer"):
        eval(f"read.{asked}", {"read": read})


@pytest.mark.parametrize("asked", ["lens(5, 99)", "path([5], 99)", "state([5], -99)", "occlusion(99, [15])"])
def test_a_position_that_there_is_not_is_no_other_one_s_answer(asked: str, llama: Inside) -> None:
    llama.lens(), llama.occlusion(99 % len(llama.tokens), [len(llama.tokens) - 1])
    for place in range(len(llama.tokens)):
        llama.path([5], place), llama.state([5], place)
    with pytest.raises(BadOption, match="There is no position"):
        eval(f"llama.{asked}", {"llama": llama})


def test_a_file_loads_no_model(session: Session, llama: Inside, tmp_path: Path) -> None:
    told = replace(llama.trace, model=replace(llama.trace.model, name="smollm2"))
    told.save(tmp_path / "one.trace")
    read = jc.inside(jc.open_trace(tmp_path / "one.trace"))
    with pytest.raises(BadOption, match=r"does not hold this answer.*Load its model with jc.load\(\"smollm2\"\)"):
        read.attention()
    assert session.models.get("smollm2") is None
    assert "does not hold this answer" in read.view().bundle()["text/plain"]


@pytest.mark.parametrize("name", ["capital", "characters", "repetition"])
def test_a_shipped_trace_answers_what_its_panel_asks_first(name: str) -> None:
    read = Inside(jc.open_trace(TRACES / f"{name}.trace"))
    begin = len(read.trace.before)
    last = read.attention(-1).layer
    for step in range(len(read.trace)):
        position = begin + step - 1
        assert read.attention(last).row(position).weights.sum() == pytest.approx(1)
        assert read.lens(5, max(0, position + 1 - 8), position + 1).ids.shape[0] == last + 2
    assert read.head_steps(last, 0).head == 0
    assert len(read.added().mlp) == last + 1
    assert "does not hold this answer" not in read.view().bundle()["text/plain"]


def test_a_trace_of_other_weights_is_not_asked_of_these(session: Session, llama: Inside) -> None:
    engine = session.models.resident("llama", "auto", "auto").engine
    assert engine is not None
    engine._info = replace(engine.info, revision="another")  # type: ignore[attr-defined]
    with pytest.raises(BadOption, match="other weights"):
        llama.lens()


def test_a_view_says_what_a_model_has_no_lens_for(opened: Inside) -> None:
    titles = [block.title for block in opened.view().blocks]
    assert [title.partition(":")[0] for title in titles[-2:]] == ["Distribution", "Postprocess"]
    assert len(titles) == 7


def test_two_texts_are_compared_by_their_log_probabilities(session: Session, llama: Inside) -> None:
    session.config.model = "llama"
    both = jc.compare("The mean of a sample", "The mean of the sample")
    one, other = (sum(step.logprob or 0.0 for step in side.prompt_tokens) for side in (both.first, both.second))
    assert both.difference == pytest.approx(one - other)
    assert "times as likely" in str(both)


def test_the_magic_completes_shows_and_binds(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell_magic("complete_inside", "-N 6 --seed 2 -o seen", PROMPT + "\n")
    shown = capsys.readouterr().out
    assert isinstance(shell.user_ns["seen"], Inside)
    for station in ("Preprocess", "Attention", "Layer lens", "Distribution", "Postprocess"):
        assert station in shown


def test_a_line_is_looked_into_as_a_cell_is(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("complete_inside", f"-N 3 --seed 2 -o seen {PROMPT}")
    assert "Distribution" in capsys.readouterr().out
    assert shell.user_ns["seen"].trace.prompt == PROMPT


@pytest.mark.parametrize("line", ["--score", "--background", "-n 2", "--top-p 7"])
def test_a_line_that_the_magic_cannot_take_is_refused(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError):
        shell.run_cell_magic("complete_inside", line, PROMPT + "\n")


@pytest.mark.parametrize("top", [0, -1, 2.5, "5"])
def test_a_lens_of_no_tokens_is_refused_in_a_sentence(top: object, llama: Inside) -> None:
    with pytest.raises(BadOption, match=f"top is {top!r}"):
        llama.lens(top=top)  # type: ignore[arg-type]


def test_a_text_of_several_tokens_names_its_first_piece(llama: Inside) -> None:
    pieces = llama.trace.pieces
    first, second = (pieces.text(id) for id in llama.trace.ids[:2])
    assert first
    assert second
    with pytest.raises(BadOption, match="is not one token of this model"):
        llama.path(first + second + first)
    with pytest.raises(BadOption, match="not a token"):
        llama.path([None])  # type: ignore[list-item]


def test_a_trace_from_a_file_can_neither_be_continued_nor_asked_for_more(llama: Inside, tmp_path: Path) -> None:
    assert llama.can_continue
    assert llama.can_ask
    llama.attention(0)
    llama.save(tmp_path / "one.trace")
    read = Inside(jc.open_trace(tmp_path / "one.trace"))
    assert not read.can_continue
    assert not read.can_ask
    assert [one.layer for one in read.found(Attention)] == [0]


def test_a_preview_under_other_settings_is_kept_nowhere(session: Session, llama: Inside) -> None:
    done = llama.completion
    assert done is not None
    kept = len(session.history)
    same = session.preview(done, 0, max_new_tokens=len(done.tokens)).result()
    assert [one.id for one in same.tokens] == [one.id for one in done.tokens]
    session.preview(done, 0, max_new_tokens=3, temperature=2.0).result()
    assert (len(session.history), list(done.branches)) == (kept, [])
