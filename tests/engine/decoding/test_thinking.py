"""Thinking before an answer, with models that say a script: apart, bounded, stopped, and forms only behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import chatty
import numpy as np
import pytest
import tiny
import torch
from engine_calls import sampling

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.prompt.compose import as_message
from jupyter_complete.protocol.events import Event, Thought
from jupyter_complete.protocol.prompt_parts import Composed
from jupyter_complete.protocol.request import Framing, Request
from jupyter_complete.protocol.structure import Choices, JsonSchema, Regex
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft
from jupyter_complete.session.session import Session

ANSWER = ["ĊĊ", "Right", "!", "<|im_end|>"]
OPENS = ["Ċ", "<think>", " hmm", " so", "</think>"]  # what Qwen 3 says after "assistant\n"


def engine(form: str, scripts: Sequence[Sequence[str]], ends: Sequence[str] = ("<|im_end|>",)) -> LocalEngine:
    tokenizer = chatty.tokenizer(getattr(chatty, form), "<bos>" if form in ("R1", "GEMMA4") else None)
    return LocalEngine(chatty.model(tokenizer, scripts, ends), tokenizer, form, "made in the tests")


@pytest.fixture(scope="module")
def qwen() -> LocalEngine:
    return engine("QWEN3", [OPENS, ANSWER])


def request(structure: Any = None, trace: int = 0, inspect: bool = False, **options: Any) -> Request:
    framing = Framing(chat=True, **{name: options.pop(name) for name in ("think", "think_tokens") if name in options})
    return Request(
        prompt="Hi",
        sampling=sampling(**{"temperature": 0, **options}),
        framing=framing,
        composed=Composed(as_message(("Hi",)), what="--chat"),
        structure=structure,
        trace=trace,
        inspect=inspect,
    )


def answered(engine: LocalEngine, asked: Request, stop: StopEvent | None = None, stop_at: int = -1) -> Completion:
    stop, draft, number = stop or StopEvent(), Draft(asked), 0
    for event in engine.stream(asked, stop):
        draft.take(event)
        number += isinstance(event, Thought)
        if number == stop_at:
            stop.set()
    return draft.completion()


@pytest.fixture(scope="module")
def endless() -> LocalEngine:
    """A model whose config does not say that a turn ends."""
    script = ["Ċ", "Right", "!", "<|im_end|>", " no"], [" hmm", "<|im_end|>"]
    return engine("PLAIN", script, ends=["<|endoftext|>"])


class TestApart:
    def test_the_answer_is_the_text_and_the_thinking_stands_beside_it(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request())
        assert (done.thinking, done.text, done.finish_reason) == ("hmm so", "Right!", "stop")
        assert [step.text for step in done.thinking_tokens] == [" hmm", " so"]
        assert [step.text for step in done.tokens] == ["Right", "!"]
        assert all(step.rank == 1 and step.top for step in (*done.thinking_tokens, *done.tokens))

    def test_the_prompts_ids_end_with_the_thinking(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request())
        text = qwen.tokenizer.decode(done.prompt_ids)
        assert text.endswith("assistant\n<think> hmm so</think>\n\n")
        assert done.usage.prompt_tokens + 5 == len(done.prompt_ids)

    def test_thinking_does_not_count_as_new_tokens(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(max_new_tokens=1))
        assert (done.thinking, done.text, done.finish_reason) == ("hmm so", "Right", "length")
        assert (done.usage.thinking_tokens, done.usage.completion_tokens) == (2, 1)

    @pytest.mark.parametrize("form", ["QWEN35", "R1"])
    def test_a_block_that_the_prompt_opens_is_one_from_its_first_token(self, form: str) -> None:
        done = answered(engine(form, [["Ċ", " hmm", "</think>"], ANSWER]), request())
        assert (done.thinking, done.text) == ("hmm", "Right!")

    def test_a_model_that_answers_at_once_has_thought_nothing(self) -> None:
        made = engine("QWEN3", [["Ċ", *ANSWER[1:]]])
        done = answered(made, request())
        assert (done.thinking, done.thinking_tokens, done.text) == ("", (), "Right!")

    def test_gemma_answers_right_behind_its_block(self) -> None:
        made = engine("GEMMA4", [["Ċ", " hmm", "<channel|>", "Right", "<|im_end|>"]])
        done = answered(made, request(think="on"))
        assert (done.thinking, done.text) == ("hmm", "Right")

    def test_an_answer_between_marks_ends_at_its_mark(self) -> None:
        tokenizer = chatty.tokenizer(chatty.GRANITE)
        tokenizer.add_tokens(["<response>", "</response>"])
        script = ["<think>", " hmm", "</think>"], ["<response>", "Right", "</response>", "!"]
        made = LocalEngine(chatty.model(tokenizer, script), tokenizer, "granite", "made in the tests")
        done = answered(made, request(think="on"))
        assert (done.thinking, done.text, done.finish_reason) == ("hmm", "Right", "stop")


class TestChannels:
    def test_analysis_is_the_thinking_and_final_the_text(self) -> None:
        made = engine("GPT_OSS", [["<|message|>", " hmm", " so", "<|end|>", "<|start|>", " no"]], ["<|return|>"])
        done = answered(made, request(think="on", max_new_tokens=2))
        assert done.thinking == "hmm so"
        assert text_before(made, done).endswith(
            "<|channel|>analysis<|message|> hmm so<|end|><|start|>assistant<|channel|>final<|message|>"
        )

    def test_a_model_that_names_its_channel_itself_is_read(self) -> None:
        script = [["assistant", "<|channel|>", "analysis", "<|message|>", " hmm", "<|end|>"]]
        done = answered(engine("GPT_OSS", script, ["<|return|>"]), request(max_new_tokens=1))
        assert done.thinking == "hmm"
        assert done.text == " hmm"  # after the same token the script says the same

    def test_a_model_that_answers_in_the_final_channel_at_once_has_thought_nothing(self) -> None:
        script = [["assistant", "<|channel|>", "final", "<|message|>", "Right", "<|return|>"]]
        done = answered(engine("GPT_OSS", script, ["<|return|>"]), request())
        assert (done.thinking, done.text, done.finish_reason) == ("", "Right", "stop")

    def test_off_begins_with_the_final_channel(self) -> None:
        script = [["<|message|>", "Right", "<|return|>"]]
        done = answered(engine("GPT_OSS", script, ["<|return|>"]), request(think="off"))
        assert (done.thinking, done.text) == ("", "Right")


def text_before(engine: LocalEngine, done: Completion) -> str:
    """What the answer follows."""
    return str(engine.tokenizer.decode(done.prompt_ids))


class TestBound:
    def test_at_the_limit_the_block_is_closed_and_the_answer_begins(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(think_tokens=1))
        assert (done.thinking, done.text) == ("hmm", "Right!")
        assert text_before(qwen, done).endswith("<think> hmm</think>\n\n")
        assert done.notes == ("thinking cut at 1 token",)

    def test_thinking_that_never_ends_leaves_the_answer_its_room(self) -> None:
        made = engine("QWEN35", [["Ċ", " hmm", " so", " hmm"], ANSWER])
        done = answered(made, request(think_tokens=10_000))
        assert done.text == "Right!"
        assert made.info.window is not None
        assert 400 < done.usage.thinking_tokens < made.info.window

    def test_an_end_of_text_inside_the_block_ends_the_thinking_alone(self) -> None:
        made = engine("QWEN35", [["Ċ", " hmm", "<|im_end|>"], ["ĊĊ", "Right", "!"], ["!", "<|im_end|>"]])
        done = answered(made, request())
        assert (done.thinking, done.text, done.notes) == ("hmm", "Right!", ())

    def test_off_has_none(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(think="off"))
        assert (done.thinking, done.text, done.usage.thinking_tokens) == ("", "Right!", 0)


class TestForms:
    """They hold for the answer, and nothing of them for the thinking."""

    @pytest.mark.parametrize("think", ["auto", "off"])
    def test_choices_are_weighed_behind_the_thinking(self, qwen: LocalEngine, think: str) -> None:
        done = answered(qwen, request(Choices(("Right", "no")), think=think))
        assert done.value == "Right"
        assert bool(done.thinking) == (think == "auto")
        assert done.prompt_ids[-1] == qwen.tokenizer.convert_tokens_to_ids("ĊĊ")

    def test_a_regex_holds_for_the_answer(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(Regex("[a-z]{3}")))
        assert done.thinking == "hmm so"
        assert done.met
        assert len(done.text) == 3

    def test_json_holds_for_the_answer(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(JsonSchema('{"type": "boolean"}')))
        assert done.thinking == "hmm so"
        assert done.value in (True, False)

    @pytest.mark.parametrize("options", [{"num": 3, "temperature": 0.5, "seed": 1}, {"num": 2, "beams": 2}])
    def test_several_answers_follow_one_thinking(self, qwen: LocalEngine, options: dict[str, int]) -> None:
        done = answered(qwen, request(**options))
        assert {one.thinking for one in (done, *done.alternatives)} == {"hmm so"}
        assert done.text == "Right!"

    def test_rows_of_a_column_think_each(self, qwen: LocalEngine) -> None:
        rows = {0: request(Choices(("Right", "no"))), 1: request(), 2: request(think="off")}
        found: dict[int, Completion] = {}
        for event in qwen.stream_many(rows.items(), StopEvent()):
            for key, asked in rows.items():
                if getattr(event, "key", None) == key:
                    draft = Draft(asked)
                    for part in event.events:  # type: ignore[union-attr]
                        draft.take(part)
                    found[key] = draft.completion()
        assert [found[key].thinking for key in rows] == ["hmm so", "hmm so", ""]
        assert found[0].value == "Right"
        assert found[2].text == "Right!"


class TestStops:
    def test_a_stop_keeps_what_was_thought(self, qwen: LocalEngine) -> None:
        done = answered(qwen, request(), stop_at=1)
        assert (done.thinking, done.text, done.finish_reason) == ("hmm", "", "interrupted")
        assert done.unfinished

    def test_a_stop_keeps_what_might_have_been_the_beginning_of_the_end_mark(self) -> None:
        made = engine("QWEN3", [["Ċ", "<think>", " hmm", "<", " so", "</think>"], ANSWER])
        done = answered(made, request(), stop_at=2)
        assert (done.thinking, done.finish_reason, done.unfinished) == ("hmm<", "interrupted", True)

    def test_more_thinks_what_would_have_been_thought_without_the_stop(self) -> None:
        made = engine("R1", [OPENS, ANSWER])  # which thinks from the first token
        asked = request(temperature=60.0, seed=3, think_tokens=12, max_new_tokens=4)
        whole = answered(made, asked)
        first = answered(made, asked, stop_at=5)
        assert first.unfinished
        assert len(first.thinking_tokens) == 5
        again = replace(asked, prompt_ids=first.prompt_ids, unfinished=True, thought=5)
        rest = answered(made, again)
        ids = [step.id for step in (*first.thinking_tokens, *rest.thinking_tokens)]
        assert ids == [step.id for step in whole.thinking_tokens]

    def test_more_goes_on_with_the_thinking(self, session: Session) -> None:
        tokenizer = chatty.tokenizer(chatty.QWEN3)
        session.models.register("q", chatty.model(tokenizer, [OPENS, ANSWER]), tokenizer)
        stream = session.stream("Hi", model="q", chat=True, temperature=0)
        for event in stream.ticks():
            if isinstance(event, Thought):
                stream.stop()
        first = stream.completion()
        assert first.thinking in ("hmm", "hmm so")
        longer = first.more()
        assert (longer.thinking, longer.text) == ("hmm so", "Right!")

    def test_a_stop_before_the_first_token_is_no_thinking(self, qwen: LocalEngine) -> None:
        stop = StopEvent()
        stop.set()
        done = answered(qwen, request(), stop)
        assert (done.thinking, done.text, done.finish_reason) == ("", "", "interrupted")


class TestBehindIt:
    """The tokens of an answer work as those of any completion."""

    @pytest.fixture
    def done(self, session: Session) -> Completion:
        tokenizer = chatty.tokenizer(chatty.QWEN3)
        session.models.register("q", chatty.model(tokenizer, [OPENS, ANSWER]), tokenizer)
        return session.complete("Hi", model="q", chat=True, temperature=0, trace=True)

    def test_a_branch_keeps_the_thinking(self, done: Completion) -> None:
        branch = done.branch(at=1, token="!")
        assert (branch.thinking, branch.text, branch.prompt_ids) == (done.thinking, "Right!", done.prompt_ids)

    def test_a_trace_is_of_the_answer_and_replays(self, done: Completion) -> None:
        assert done.trace is not None
        assert done.trace.tokens == ("Right", "!", "<|im_end|>")
        assert np.array_equal(done.trace.replay(), done.trace.ids)

    def test_the_prompt_alone_is_measured(self, session: Session, done: Completion) -> None:
        seen = session.complete("Hi", model="q", chat=True, temperature=0, inspect=True)
        assert len(seen.prompt_tokens) == seen.usage.prompt_tokens
        assert seen.thinking == "hmm so"

    def test_a_seed_repeats_thinking_and_answer(self, session: Session, done: Completion) -> None:
        said = [session.complete("Hi", model="q", chat=True, temperature=30.0, seed=5) for _ in range(2)]
        assert said[0].thinking == said[1].thinking
        assert said[0].text == said[1].text

    def test_a_frame_says_which_tokens_were_thought(self, done: Completion) -> None:
        assert list(done.to_frame().part) == ["thinking", "thinking", "completion", "completion"]

    def test_a_conversation_keeps_the_answers_alone(self, session: Session, done: Completion) -> None:
        session.complete("Hi", model="q", thread="talk", temperature=0)
        second = session.complete("And?", model="q", thread="talk", temperature=0)
        assert [turn.text for turn in second.turns] == ["Hi", "Right!", "And?"]


def test_no_event_shows_a_mark(qwen: LocalEngine) -> None:
    events: list[Event] = list(qwen.stream(request(), StopEvent()))
    shown = [event.shown for event in events if isinstance(event, Thought)]
    assert "".join(shown) == " hmm so"
    assert [event.end for event in events if isinstance(event, Thought)] == [False, False, True]


class TestEndOfATurn:
    """The token that the chat template puts after an answer ends it, where the model's own config does not say so."""

    def test_it_ends_an_answer(self, endless: LocalEngine) -> None:
        done = answered(endless, request(think="off"))
        assert (done.text, done.finish_reason) == ("Right!", "stop")

    def test_a_raw_text_goes_on(self, endless: LocalEngine) -> None:
        plain = Request(prompt="\n", sampling=sampling(temperature=0, max_new_tokens=4))
        assert answered(endless, plain).text == "Right! no"


class TestTheSameModel:
    """The thinking and the answer are what the model says to the ids before them."""

    @pytest.mark.parametrize("penalty", [1.0, 1.4], ids=["no penalty", "a penalty of its own"])
    def test_the_answer_is_transformers_own_after_the_thinking(self, penalty: float) -> None:
        tokenizer = chatty.tokenizer(chatty.QWEN35)
        torch.manual_seed(5)
        model = tiny._decoder_only("Qwen3Config", head_dim=12, vocab_size=len(tokenizer)).eval()
        model.generation_config.repetition_penalty = penalty
        made = LocalEngine(model, tokenizer, "random", "made in the tests")
        done = answered(made, request(think_tokens=12, max_new_tokens=8))
        assert done.usage.thinking_tokens == 12
        own = model.generate(torch.tensor([done.prompt_ids]), max_new_tokens=8, do_sample=False)[0]
        assert [step.id for step in done.tokens] == own[len(done.prompt_ids) :].tolist()[: len(done.tokens)]
        begin = done.usage.prompt_tokens
        own = model.generate(torch.tensor([done.prompt_ids[:begin]]), max_new_tokens=12, do_sample=False)[0]
        assert [step.id for step in done.thinking_tokens] == own[begin:].tolist()

    def test_the_compiled_step_thinks_too(self, session: Session, tmp_path: Path) -> None:
        tokenizer = chatty.tokenizer(chatty.QWEN3)
        chatty.model(tokenizer, [OPENS, ANSWER]).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        done = session.complete("Hi", model=str(tmp_path), chat=True, temperature=0)
        assert done.model is not None
        assert done.model.dtype == "int8"
        assert (done.thinking, done.text) == ("hmm so", "Right!")
