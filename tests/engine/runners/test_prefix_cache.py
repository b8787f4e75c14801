"""What of a prompt comes from the KV cache, and that nothing is different for it."""

from __future__ import annotations

import pytest
import tiny
from engine_calls import PROMPT, ask, chosen, engine, everyone

from jupyter_complete.engine.runners.prefix_cache import PrefixCache, common
from jupyter_complete.engine.runners.transformers_cache import TransformersCache
from jupyter_complete.engine.runners.transformers_pass import CausalRunner

LONG = " ".join(tiny.TEXTS[:3]) * 2
GREEDY = {"temperature": 0, "max_new_tokens": 8}


def filled(name: str, ids: list[int]) -> TransformersCache:
    """A cache that has read `ids`."""
    runner = CausalRunner(tiny.make(name)[0])
    runner.forward([ids])
    return runner.cache


class TestReuse:
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_the_same_prompt_is_read_but_for_its_last_token(self, name: str) -> None:
        model = engine(name)
        first = ask(model, "The mean", max_new_tokens=2, temperature=0)
        again = ask(model, "The mean", max_new_tokens=2, temperature=0)
        assert (first.usage.cached_tokens, again.usage.cached_tokens) == (0, len(first.prompt_ids) - 1)

    @pytest.mark.parametrize("other", [" and the median", ", he said", "\n\n数据"])
    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_another_prompt_with_the_same_beginning_gives_the_text_of_a_fresh_model(
        self, name: str, other: str
    ) -> None:
        model = engine(name)
        ask(model, PROMPT, **GREEDY)
        warm, cold = ask(model, PROMPT + other, **GREEDY), ask(engine(name), PROMPT + other, **GREEDY)
        assert chosen(warm) == chosen(cold)
        assert warm.usage.cached_tokens <= common(warm.prompt_ids, model._vocabulary.encode(PROMPT))

    @pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2", "qwen3"])
    def test_what_both_share_is_told(self, name: str) -> None:
        model = engine(name)
        shared = len(ask(model, "One.\nTwo.", **GREEDY).prompt_ids)
        assert ask(model, "One.\nTwo.\nThree.", **GREEDY).usage.cached_tokens == shared
        assert ask(model, "One.\nTwo.", **GREEDY).usage.cached_tokens == shared - 1

    def test_a_shorter_prompt_is_served_from_a_longer_one(self) -> None:
        model = engine("llama")
        ask(model, LONG, **GREEDY)
        short = ask(model, PROMPT[:20], **GREEDY)
        assert short.usage.cached_tokens > 0
        assert chosen(short) == chosen(ask(engine("llama"), PROMPT[:20], **GREEDY))

    def test_two_prompts_in_turn_are_both_kept(self) -> None:
        model = engine("llama")
        prompts = ("The mean of the sample", "Once upon a time")
        first = [ask(model, prompt, **GREEDY) for prompt in prompts]
        again = [ask(model, prompt, **GREEDY) for prompt in prompts]
        assert [one.usage.cached_tokens for one in again] == [len(one.prompt_ids) - 1 for one in first]

    def test_a_prompt_that_begins_otherwise_shares_nothing(self) -> None:
        model = engine("llama")
        ask(model, "The mean", **GREEDY)
        assert ask(model, "Once upon", **GREEDY).usage.cached_tokens == 0

    @pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3"])
    def test_a_sliding_window_that_is_full_is_put_back_to_the_end_of_the_prompt(self, name: str) -> None:
        model = engine(name)
        first = ask(model, LONG, **GREEDY)
        again = ask(model, LONG, **GREEDY)
        assert again.usage.cached_tokens == len(first.prompt_ids) - 1
        assert chosen(again) == chosen(first)

    @pytest.mark.parametrize("name", ["mistral", "gemma2", "gemma3"])
    def test_a_text_that_only_goes_on_needs_no_rewinding(self, name: str) -> None:
        model = engine(name)
        begun = ask(model, LONG, **GREEDY)
        prefix = tuple(step.id for step in begun.tokens)
        going_on = ask(model, LONG, prefix=prefix, **GREEDY)
        assert going_on.usage.cached_tokens == len(begun.prompt_ids) + len(prefix) - 1
        assert chosen(going_on) == chosen(ask(engine(name), LONG, prefix=prefix, **GREEDY))

    @pytest.mark.parametrize("name", tiny.CAUSAL)
    def test_several_continuations_leave_their_prompt(self, name: str) -> None:
        model = engine(name)
        options = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8, "seed": 1}
        together = everyone(ask(model, "The mean", num=3, **options))
        again = ask(model, "The mean", **options)
        assert again.usage.cached_tokens == len(again.prompt_ids) - 1
        assert chosen(again) == chosen(together[0])

    def test_an_encoder_decoder_keeps_none(self) -> None:
        model = engine("t5")
        ask(model, **GREEDY)
        assert ask(model, **GREEDY).usage.cached_tokens == 0
        assert model.footprint().cache_bytes == 0


class TestFootprint:
    def test_tells_the_bytes_and_tokens_kept(self) -> None:
        model = engine("llama")
        mine = ask(model, **GREEDY)
        config, footprint = model.model.config, model.footprint()
        kept = len(mine.prompt_ids) + len(mine.tokens) - 1
        a_token = 2 * config.num_hidden_layers * config.num_key_value_heads * (config.hidden_size // 4) * 4
        assert footprint.cache_tokens == kept
        assert footprint.cache_bytes >= kept * a_token

    def test_counts_every_weight_once(self) -> None:
        model = engine("gpt2")  # its embedding is tied to its output
        assert model.footprint().weight_bytes >= model.info.parameters * 4
        assert model.footprint().weight_bytes < model.info.parameters * 4 * 1.5


class TestPrefixCache:
    def test_the_cache_is_the_takers(self) -> None:
        kept = PrefixCache()
        kept.keep([1, 2, 3], filled("llama", [1, 2, 3]))
        assert kept.pop([1, 2, 3, 4])[1] == 3
        assert kept.pop([1, 2, 3, 4]) == (None, 0)
        assert (kept.tokens, kept.bytes) == (0, 0)

    def test_at_least_the_last_token_is_left_to_read(self) -> None:
        kept = PrefixCache()
        kept.keep([1, 2, 3], filled("llama", [1, 2, 3]))
        cache, shared = kept.pop([1, 2, 3])
        assert (shared, cache.get_seq_length()) == (2, 2)

    @pytest.mark.parametrize("ids", [[9], [9, 2, 3], [1]])
    def test_nothing_shared_serves_nothing(self, ids: list[int]) -> None:
        kept = PrefixCache()
        kept.keep([1, 2, 3], filled("llama", [1, 2, 3]))
        assert kept.pop(ids) == (None, 0)

    @pytest.mark.parametrize("shared", [1, 20, 70])
    def test_a_long_text_stays_when_another_shares_its_beginning(self, shared: int) -> None:
        ids = [n % 300 for n in range(150)]
        kept = PrefixCache()
        kept.keep(ids, filled("llama", ids))
        cache, length = kept.pop([*ids[:shared], 301, 302])
        assert (length, cache.get_seq_length()) == (shared, shared)
        assert kept.pop(ids)[1] == len(ids) - 1

    def test_a_text_takes_the_place_of_its_own_beginning(self) -> None:
        kept = PrefixCache()
        for length in (3, 5):
            kept.keep(list(range(length)), filled("llama", list(range(length))))
        assert kept.tokens == 5

    def test_what_was_used_longest_ago_makes_room_first(self) -> None:
        caches = [filled("llama", [first, 2, 3]) for first in (1, 7, 9)]
        kept = PrefixCache(budget=2 * caches[0].nbytes)
        kept.keep([1, 2, 3], caches[0])
        kept.keep([7, 2, 3], caches[1])
        kept.keep([1, 2, 3], kept.pop([1, 2, 3, 4])[0])
        kept.keep([9, 2, 3], caches[2])
        assert [kept.pop([first, 2, 3, 4])[1] for first in (1, 7, 9)] == [3, 0, 3]

    def test_the_newest_stays_however_small_the_budget(self) -> None:
        kept = PrefixCache(budget=1)
        for first in (1, 7):
            kept.keep([first, 2], filled("llama", [first, 2]))
        assert kept.pop([7, 2, 3])[1] == 2

    @pytest.mark.parametrize(
        ("one", "other", "length"), [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 2, 3], [1, 5, 3], 1), ([1], [1], 1)]
    )
    def test_common_is_the_longest_shared_beginning(self, one: list[int], other: list[int], length: int) -> None:
        assert common(one, other) == length
