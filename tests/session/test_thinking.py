"""Thinking as the rooms above an engine have it: beside the text, in conversations, columns, screens and code."""

from __future__ import annotations

import re

import echoes
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete as jc
from jupyter_complete.notebook.as_code import as_code
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.session.session import Session

THOUGHT, SAID = "the mean is the sum", " the median"


@pytest.fixture
def thinking(session: Session) -> Session:
    """A session whose default model thinks before it answers a message."""
    session.models.register("thinker", *echoes.make(kind="instruct", thinks=THOUGHT, says=SAID))
    session.config.set_trait("model", "thinker")
    session.config.temperature = 0
    return session


def test_thinking_is_apart_from_the_text(thinking: Session) -> None:
    done = thinking.complete("Hi", chat=True)
    assert (done.thinking, done.text, done.finish_reason) == (THOUGHT, SAID, "stop")
    assert "".join(step.text for step in done.thinking_tokens) == THOUGHT
    assert f"{len(done.thinking_tokens)} tokens of thinking" in done.footer()


def test_a_text_that_is_no_message_is_not_thought_about(thinking: Session) -> None:
    assert thinking.complete("Hi").thinking == ""


def test_it_is_bounded_by_its_own_option(thinking: Session) -> None:
    done = thinking.complete("Hi", chat=True, think_tokens=2, max_new_tokens=1)
    assert (len(done.thinking_tokens), len(done.tokens)) == (2, 1)
    assert done.notes == ("thinking cut at 2 tokens",)


def test_off_has_none(thinking: Session) -> None:
    assert thinking.complete("Hi", chat=True, think="off").thinking == ""


def test_a_setting_counts_as_an_option_does(thinking: Session) -> None:
    thinking.config.think = "off"
    assert thinking.complete("Hi", chat=True).thinking == ""
    assert thinking.complete("Hi", chat=True, think="on").thinking == THOUGHT


def test_it_cannot_be_asked_of_a_text(thinking: Session) -> None:
    with pytest.raises(BadOption) as refused:
        thinking.complete("Hi", think="on")
    assert (
        str(refused.value) == "A model thinks before it answers a message, and this is a text. Add --chat or --thread."
    )


def test_a_conversation_is_sent_without_it(thinking: Session) -> None:
    thinking.complete("Hi", thread="talk")
    second = thinking.complete("And?", thread="talk")
    assert second.turns == (Turn("user", "Hi"), Turn("assistant", SAID), Turn("user", "And?"))
    assert second.thinking == THOUGHT


def test_a_stream_yields_the_answer_alone(thinking: Session) -> None:
    assert "".join(jc.stream("Hi", chat=True)) == SAID
    assert (last := jc.last()) is not None
    assert last.thinking == THOUGHT


def test_a_task_is_thought_about_and_its_column_too(thinking: Session) -> None:
    pandas = pytest.importorskip("pandas")
    assert thinking.complete("Long text.", task="title").thinking == THOUGHT
    frame = pandas.DataFrame({"text": ["one", "two"]})
    done = jc.complete_frame(frame, "{{ text }}", into="answer", chat=True)
    assert list(done.answer) == [SAID, SAID]


def test_choices_follow_the_thinking(thinking: Session) -> None:
    done = thinking.complete("Hi", chat=True, choices=["yes", "no"])
    assert done.thinking == THOUGHT
    assert done.value in ("yes", "no")


def test_a_stop_keeps_it_and_is_remembered(session: Session) -> None:
    model, tokenizer = echoes.make(kind="instruct", thinks=THOUGHT, says=SAID)
    session.models.register("thinker", model, tokenizer)
    session.config.set_trait("model", "thinker")
    stream = session.stream("Hi", chat=True, temperature=0)
    with echoes.before_token(model, lambda number: stream.stop() if number == 3 else None):
        done = stream.completion()
    assert done.text == ""
    assert len(done.thinking_tokens) == 2
    assert done.ending() == "interrupted (while thinking)"
    assert session.last is done
    assert session.threads == {}


def test_an_error_keeps_it(session: Session) -> None:
    model, tokenizer = echoes.make(kind="instruct", thinks=THOUGHT, says=SAID)
    session.models.register("thinker", model, tokenizer)

    def fail(number: int) -> None:
        if number == 3:
            raise BadOption("No more.", "Stop.")

    with echoes.before_token(model, fail):
        stream = session.stream("Hi", chat=True, temperature=0, model="thinker")
        assert len(stream.completion().thinking_tokens) == 2
    assert session.last is stream.completion()


def test_the_tokens_view_has_a_part_of_its_own(thinking: Session) -> None:
    text = str(thinking.complete("Hi", chat=True).view())
    assert re.search(r"^thinking: the mean is the sum$", text, re.MULTILINE)


@pytest.mark.parametrize("options", [{"chat": True, "think": "off"}, {"chat": True, "think_tokens": 2}])
def test_a_cell_that_gives_it_again_has_its_options(thinking: Session, options: dict[str, object]) -> None:
    done = thinking.complete("Hi", **options)
    flags = {"think": "--think off", "think_tokens": "--think-tokens 2"}
    cell = as_code(done, thinking.config)
    assert flags[next(name for name in options if name != "chat")] in cell
    branch = as_code(done.branch(at=1), thinking.config)
    assert f"{list(options)[1]}={list(options.values())[1]!r}" in branch


def test_a_cell_has_the_thinking_folded_above_the_answer(
    shell: InteractiveShell, thinking: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell_magic("complete", "--chat", "Hi\n")
    shown = capsys.readouterr().out
    assert shown.startswith(f"[thought for {len(jc.last().thinking_tokens)} tokens]\n\n[thinker answers]\n\n{SAID}")  # type: ignore[union-attr]


def test_a_bad_value_is_one_sentence(shell: InteractiveShell, thinking: Session) -> None:
    with pytest.raises(UsageError, match=r"think \(--think\) must be one of auto, on, off"):
        shell.run_cell_magic("complete", "--chat --think maybe", "Hi\n")


class TestTheModelsOwnSampling:
    @pytest.fixture
    def advised(self, session: Session) -> Session:
        own = (("temperature", 0.6), ("top_k", 20))
        session.models.register("advised", *echoes.make(recommended=own))
        session.config.set_trait("model", "advised")
        return session

    def test_it_is_used_where_it_was_asked_for(self, advised: Session) -> None:
        params = advised.complete("Hi", sampling="model").params
        assert (params.temperature, params.top_k, params.top_p) == (0.6, 20, 0.95)

    def test_it_is_not_used_otherwise(self, advised: Session) -> None:
        params = advised.complete("Hi").params
        assert (params.temperature, params.top_k) == (0.7, 0)

    def test_a_value_of_the_user_counts_more(self, advised: Session) -> None:
        params = advised.complete("Hi", sampling="model", temperature=0.1).params
        assert (params.temperature, params.top_k) == (0.1, 20)

    def test_a_setting_of_the_session_counts_less(self, advised: Session) -> None:
        advised.config.temperature = 0
        done = advised.complete("Hi", sampling="model")
        assert done.params.temperature == 0.6
        assert done.seed is not None

    def test_a_greedy_recommendation_has_no_seed(self, session: Session) -> None:
        session.models.register("greedy", *echoes.make(recommended=(("temperature", 0.0),)))
        assert session.complete("Hi", sampling="model", model="greedy").seed is None

    def test_the_completion_repeats_with_its_params(self, advised: Session) -> None:
        done = advised.complete("Hi", sampling="model", seed=3)
        again = advised.complete("Hi", seed=3, temperature=0.6, top_k=20)
        assert done.text == again.text
        assert done.more(3).params.temperature == 0.6

    def test_the_status_says_it(
        self, shell: InteractiveShell, advised: Session, capsys: pytest.CaptureFixture[str]
    ) -> None:
        advised.models.load("advised", "auto", "auto").wait()
        shell.run_line_magic("complete_model", "status")
        assert "advised recommends temperature 0.6, top_k 20; --sampling model uses that." in capsys.readouterr().out

    def test_rows_of_a_column_have_it(self, advised: Session) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"text": ["one", "two"]})
        own = jc.complete_frame(frame, "{{ text }}", into="a", sampling="model", seed=1, max_new_tokens=5)
        said = jc.complete_frame(frame, "{{ text }}", into="a", temperature=0.6, top_k=20, seed=1, max_new_tokens=5)
        assert list(own.a) == list(said.a)
