"""The decoding loop: equal to model.generate, every step's numbers true, runs that repeat, stops that stop."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import pytest
import tiny
import torch
from engine_calls import PROMPT, ask, chosen, engine, everyone, sampling
from greedy import ARCHITECTURES, generated

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.transformers_pass import CausalRunner
from jupyter_complete.protocol.events import Event, Finish, Prefill, Token
from jupyter_complete.protocol.request import Request
from jupyter_complete.session.session import Session

SLIDING = ["mistral", "gemma2", "gemma3"]
LONG = " ".join(tiny.TEXTS[:3]) * 2
SEEDED = {"temperature": 1.0, "top_p": 1.0}


class TestGreedy:
    @pytest.mark.parametrize("prompt", [PROMPT, "x", "  leading\tspace", "我想了解一下GPT-3的工作原理"])
    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_equals_generate(self, name: str, prompt: str) -> None:
        model = engine(name)
        mine = ask(model, prompt, temperature=0, max_new_tokens=24)
        assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=24)

    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_equals_generate_with_a_repetition_penalty(self, name: str) -> None:
        model = engine(name)
        mine = ask(model, temperature=0, repetition_penalty=1.3)
        assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=20, repetition_penalty=1.3)

    def test_a_repetition_penalty_makes_a_difference(self) -> None:
        assert ask(engine("t5"), temperature=0, repetition_penalty=1.3).text != ask(engine("t5"), temperature=0).text

    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_equals_generate_after_a_prompt_of_more_than_one_chunk(self, name: str) -> None:
        model = engine(name)
        mine = ask(model, LONG, temperature=0)
        assert len(mine.prompt_ids) > CausalRunner.chunk
        assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=20)

    @pytest.mark.parametrize("name", SLIDING)
    def test_equals_generate_while_the_text_grows_past_the_sliding_window(self, name: str) -> None:
        model = engine(name)
        mine = ask(model, "The mean", temperature=0, max_new_tokens=60)
        window = model.model.config.sliding_window
        assert len(mine.prompt_ids) < window < len(mine.tokens)
        assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=60)

    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_the_models_that_this_is_shown_on_say_more_than_one_thing(self, name: str) -> None:
        assert len(set(chosen(ask(engine(name), temperature=0, repetition_penalty=1.3)))) > 6

    def test_an_end_token_ends_the_text_and_is_none_of_its_tokens(self) -> None:
        model = engine("llama")
        tokens = ask(model, temperature=0).tokens
        model = ending_with(model, tokens[7].id)
        mine = ask(model, temperature=0)
        assert mine.end is not None
        assert mine.end.id == tokens[7].id
        assert mine.finish_reason == "stop"
        assert chosen(mine) == [step.id for step in tokens[:8]]
        assert mine.text == model.decode([step.id for step in mine.tokens], mine.prompt_ids)


def ending_with(model: LocalEngine, *ends: int) -> LocalEngine:
    """The same model with other end-of-text tokens."""
    import copy

    other = copy.deepcopy(model.model)
    other.generation_config.eos_token_id = list(ends)
    return LocalEngine(other, model.tokenizer, "ending", "made in the tests")


class TestSteps:
    @pytest.mark.parametrize("options", [{"temperature": 0}, {**SEEDED, "seed": 3}, {**SEEDED, "num": 3, "seed": 3}])
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_logprob_and_rank_are_those_of_one_full_forward_pass(self, name: str, options: dict[str, Any]) -> None:
        model = engine(name)
        for mine in everyone(ask(model, **options)):
            ids = chosen(mine)
            with torch.inference_mode():
                logits = model.model(input_ids=torch.tensor([[*mine.prompt_ids, *ids]])).logits[0].float()
            raw = torch.log_softmax(logits, dim=-1)[len(mine.prompt_ids) - 1 : -1]
            steps = [*mine.tokens, *([mine.end] if mine.end else [])]
            for step, row in zip(steps, raw, strict=True):
                assert step.logprob == pytest.approx(float(row[step.id]), abs=1e-4)
                surely_above, perhaps_above = (
                    int((row > row[step.id] + 1e-4).sum()),
                    int((row >= row[step.id] - 1e-4).sum()),
                )
                assert surely_above + 1 <= step.rank <= max(1, perhaps_above)
                best = torch.topk(row, len(step.top)).values.tolist()
                assert [candidate.logprob for candidate in step.top] == pytest.approx(best, abs=1e-4)

    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_their_texts_join_to_the_text_and_to_what_decoding_gives(self, name: str) -> None:
        model = engine(name)
        mine = ask(model, max_new_tokens=40, seed=4, **SEEDED)
        told = "".join(step.text for step in mine.tokens) + (mine.end.text if mine.end else "")
        assert told == mine.text
        whole = model.decode([step.id for step in mine.tokens], mine.prompt_ids)
        assert whole in (told, f"{told}\ufffd")  # it ends between characters

    def test_as_many_candidates_are_told_as_were_asked(self) -> None:
        assert {len(step.top) for step in ask(engine("llama"), candidates=5, seed=1).tokens} == {5}

    def test_none_are_told_where_none_were_asked(self) -> None:
        assert {step.top for step in ask(engine("llama"), candidates=0, seed=1).tokens} == {()}

    @pytest.mark.parametrize(
        "options",
        [{"top_k": 3}, {"top_p": 0.4}, {"min_p": 0.3}, {"temperature": 0.3, "top_k": 5, "top_p": 0.9, "min_p": 0.05}],
    )
    def test_what_was_chosen_was_never_cut(self, options: dict[str, Any]) -> None:
        cuts = set()
        for mine in everyone(ask(engine("llama"), candidates=100, num=6, seed=2, **{**SEEDED, **options})):
            for step in mine.tokens:
                own = next(candidate for candidate in step.top if candidate.id == step.id)
                assert own.cut is None
                assert own.prob > 0
                cuts |= {candidate.cut for candidate in step.top}
        assert len(cuts) > 1


class TestSeeds:
    def test_the_same_seed_repeats_to_the_bit(self) -> None:
        one, two = (ask(engine("llama"), seed=7, **SEEDED) for _ in range(2))
        assert one.tokens == two.tokens

    @pytest.mark.parametrize("prompt", [PROMPT, LONG])
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_it_repeats_to_the_bit_where_the_prompt_comes_from_the_cache(self, name: str, prompt: str) -> None:
        model = engine(name)
        one, two = (ask(model, prompt, seed=7, max_new_tokens=5, **SEEDED) for _ in range(2))
        assert one.tokens == two.tokens

    def test_another_seed_gives_another_text(self) -> None:
        assert len({ask(engine("llama"), seed=seed, **SEEDED).text for seed in range(5)}) == 5

    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_a_continuation_is_that_of_the_seed_moved_by_its_number(self, name: str) -> None:
        together = everyone(ask(engine(name), seed=5, num=3, **SEEDED))
        alone = [ask(engine(name), seed=5 + index, **SEEDED) for index in range(3)]
        assert [chosen(c) for c in together] == [chosen(c) for c in alone]
        assert [c.seed for c in together] == [5, 6, 7]
        assert len({c.text for c in together}) > 1

    def test_the_model_is_none_the_wiser_when_the_kernels_own_generator_is_used(self) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        ask(engine("llama"), seed=5, **SEEDED)
        assert torch.equal(torch.get_rng_state(), before)


class TestStops:
    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_the_text_ends_before_a_stop_that_spans_tokens(self, name: str) -> None:
        options = {"seed": 6, "max_new_tokens": 30, **SEEDED}
        steps = ask(engine(name), **options).tokens
        text = "".join(step.text for step in steps)
        middle = next(n for n in range(8, len(steps)) if len(steps[n].text) and len(steps[n - 1].text))
        border = sum(len(step.text) for step in steps[:middle])
        stop = text[border - 2 : border + 1]
        mine = ask(engine(name), stop=[stop], **options)
        assert mine.text == text[: text.index(stop)]
        assert mine.finish_reason == "stop"
        assert mine.end is None
        assert len(mine.tokens) <= middle + 1

    def test_a_stop_that_never_comes_loses_no_text(self) -> None:
        text = ask(engine("llama"), seed=6, **SEEDED).text
        assert ask(engine("llama"), seed=6, stop=[text[-2:] + "never"], **SEEDED).text == text

    def test_each_continuation_stops_for_itself(self) -> None:
        options = {"seed": 5, "num": 4, "max_new_tokens": 30, **SEEDED}
        free = everyone(ask(engine("llama"), **options))
        stop = free[1].text[10:12]
        stopped = everyone(ask(engine("llama"), stop=[stop], **options))
        assert [c.text for c in stopped] == [c.text.partition(stop)[0] for c in free]
        assert [c.finish_reason for c in stopped] == ["stop" if stop in c.text else c.finish_reason for c in free]
        assert len({len(c.tokens) for c in stopped}) > 1


def events_until(model: LocalEngine, request: Request, stop_at: type[Event], count: int) -> list[Event]:
    """All events of a request that is stopped at the `count`th of a kind."""
    stop, events, seen = StopEvent(), [], 0
    for event in model.stream(request, stop):
        events.append(event)
        seen += isinstance(event, stop_at)
        if seen == count:
            stop.set()
    return events


class TestInterrupt:
    @pytest.mark.parametrize("num", [1, 3])
    @pytest.mark.parametrize("name", ["llama", "t5"])
    def test_in_decode_it_ends_with_the_step_and_keeps_the_text(self, name: str, num: int) -> None:
        request = Request(prompt=PROMPT, sampling=sampling(num=num, seed=1, **SEEDED))
        *events, finish = events_until(engine(name), request, Token, 4 * num)
        assert isinstance(finish, Finish)
        assert finish.reasons == ("interrupted",) * num
        assert finish.usage.completion_tokens == 4 * num
        assert len([event for event in events if isinstance(event, Token)]) == 4 * num

    def test_in_prefill_it_ends_with_the_chunk(self) -> None:
        request = Request(prompt=LONG, sampling=sampling(temperature=0))
        first, second, finish = events_until(engine("llama"), request, Prefill, 2)
        assert isinstance(first, Prefill)
        assert isinstance(second, Prefill)
        assert isinstance(finish, Finish)
        assert (first.done, second.done) == (0, CausalRunner.chunk)
        assert finish.reasons == ("interrupted",)
        assert finish.usage.completion_tokens == 0

    def test_before_anything_was_read_it_reads_nothing(self) -> None:
        stop = StopEvent()
        stop.set()
        mine = ask(engine("llama"), LONG, stop_event=stop, temperature=0)
        assert (mine.finish_reason, mine.text) == ("interrupted", "")

    @pytest.mark.parametrize("kind", [Prefill, Token])
    def test_the_next_request_is_answered_as_by_a_fresh_model(self, kind: type[Event]) -> None:
        model = engine("llama")
        events_until(model, Request(prompt=LONG, sampling=sampling(temperature=0)), kind, 2)
        assert ask(model, LONG, temperature=0).text == ask(engine("llama"), LONG, temperature=0).text

    def test_text_held_for_a_stop_is_shown(self) -> None:
        model = engine("llama")
        text = ask(model, temperature=0).tokens
        before = "".join(step.text for step in text[:4])
        request = Request(prompt=PROMPT, sampling=sampling(temperature=0, stop=[before + "never"]))
        *_, finish = events_until(model, request, Token, 4)
        assert isinstance(finish, Finish)
        assert finish.tails == (before,)


class TestMore:
    """Complete N tokens, then M more: the same as N + M at once."""

    def only(self, name: str, kept: list[int]) -> Any:
        """A tiny model that says nothing but these ids."""
        tokenizer = tiny.TOKENIZERS[name]()
        torch.manual_seed(5)
        model = tiny._decoder_only("LlamaConfig", vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id).eval()
        model.generation_config.suppress_tokens = [id for id in range(len(tokenizer)) if id not in kept]
        return model, tokenizer

    @pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 3, **SEEDED}])
    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_wherever_the_border_falls(self, session: Session, name: str, options: dict[str, Any]) -> None:
        session.models.register(name, *tiny.make(name))
        at_once = session.complete(PROMPT, model=name, max_new_tokens=12, **options)
        for first in (1, 5, 11):
            mine = session.complete(PROMPT, model=name, max_new_tokens=first, **options).more(12 - first)
            assert mine.text == at_once.text
            assert [(step.id, step.text) for step in mine.tokens] == [(step.id, step.text) for step in at_once.tokens]

    @pytest.mark.parametrize("name", ["byte-level", "metaspace"])
    def test_also_inside_a_character(self, session: Session, name: str) -> None:
        tokenizer = tiny.TOKENIZERS[name]()
        spelled = [*"Ã©a"] if name == "byte-level" else ["<0xC3>", "<0xA9>", "a"]
        ids = tokenizer.convert_tokens_to_ids(spelled)
        session.models.register(name, *self.only(name, ids))
        halves = 0
        for seed in range(3):
            options = {"model": name, "seed": seed, **SEEDED}
            at_once = session.complete(PROMPT, max_new_tokens=16, **options)
            for first in range(1, 16):
                begun = session.complete(PROMPT, max_new_tokens=first, **options)
                mine = begun.more(16 - first)
                assert mine.text == at_once.text
                assert [(s.id, s.text) for s in mine.tokens] == [(s.id, s.text) for s in at_once.tokens]
                halves += begun.tokens[-1].id == ids[0] and at_once.text[len(begun.text) :].startswith("é")
        assert halves > 2

    def test_a_stop_string_over_the_border_is_met(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        options = {"model": "llama", "seed": 3, **SEEDED}
        whole, compared = session.complete(PROMPT, max_new_tokens=12, **options), 0
        for first in range(1, 11):
            left, right = whole.tokens[first - 1].text, whole.tokens[first].text
            if not left or not right:
                continue
            stop = left[-1] + right[0]
            at_once = session.complete(PROMPT, max_new_tokens=12, stop=stop, **options)
            begun = session.complete(PROMPT, max_new_tokens=first, stop=stop, **options)
            if begun.finish_reason == "length":
                assert begun.more(12 - first).text == at_once.text
                compared += 1
        assert compared > 2

    def test_a_stop_string_that_ended_it_is_gone_past(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        options = {"model": "llama", "seed": 3, **SEEDED}
        whole = session.complete(PROMPT, max_new_tokens=12, **options)
        stop = next(step.text for step in whole.tokens[3:] if step.text.strip())
        begun = session.complete(PROMPT, max_new_tokens=12, stop=stop, **options)
        assert begun.finish_reason == "stop"
        assert begun.more(2).text.startswith(begun.text + stop)

    def test_what_was_read_comes_from_the_cache(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        begun = session.complete(PROMPT, model="llama", max_new_tokens=5, temperature=0)
        assert begun.more(5).usage.cached_tokens == len(begun.prompt_ids) + 4

    def test_after_an_end_token_there_is_no_more(self, session: Session) -> None:
        model = engine("llama")
        end = ask(model, temperature=0).tokens[4].id
        ending = ending_with(model, end)
        session.models.register("ending", ending.model, ending.tokenizer)
        done = session.complete(PROMPT, model="ending", temperature=0)
        assert done.finish_reason == "stop"
        assert done.more(5).text == done.text
