"""Caches of every kind: rows, rewinding and copies of attention, windows, recurrent states and convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tiny
import torch
from engine_calls import ask, chosen, engine, everyone
from greedy import generated
from torch import Tensor

from jupyter_complete.engine.runners.transformers_cache import MOST, TransformersCache
from jupyter_complete.engine.runners.transformers_pass import CausalRunner, new_cache
from jupyter_complete.protocol.structure import Choices

KINDS = [*tiny.HYBRID, "llama", "mistral", "gemma3", "gemma3n"]  # states, keys, windows that are full, shared layers
WHOLE = ("jamba", "mamba", "minimax")  # whose prompts are read in one pass
IDS = [(7 * n * n + 3 * n) % 290 + 3 for n in range(40)]
GREEDY = {"temperature": 0, "max_new_tokens": 8}


def read(name: str, *parts: Sequence[int]) -> CausalRunner:
    """A runner that has read some ids, with a snapshot after each part."""
    runner = CausalRunner(tiny.make(name)[0], whole=name in WHOLE)
    for part in parts:
        runner.forward([part])
        runner.snapshot()
    return runner


def after(runner: CausalRunner, token: int) -> Tensor:
    """The logits of every row after one more token."""
    return runner.forward([[token]] * len(runner.cache.rows)).clone()


@pytest.mark.parametrize("name", KINDS)
class TestRows:
    def test_a_repeated_row_goes_on_as_the_one(self, name: str) -> None:
        expected, runner = after(read(name, IDS), 5), read(name, IDS)
        runner.repeat(3)
        torch.testing.assert_close(after(runner, 5), expected.expand(3, -1), atol=1e-4, rtol=1e-4)

    def test_selected_rows_keep_their_own_text(self, name: str) -> None:
        runner = read(name, IDS)
        runner.repeat(3)
        runner.forward([[5], [9], [12]])
        runner.select([2, 0, 2])
        assert [row[-1] for row in runner.cache.rows] == [12, 5, 12]
        expected = [after(read(name, [*IDS, token]), 7)[0] for token in (12, 5, 12)]
        torch.testing.assert_close(after(runner, 7), torch.stack(expected), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", KINDS)
class TestRewinding:
    def test_a_text_put_back_to_a_snapshot_goes_on_to_the_bit(self, name: str) -> None:
        runner = read(name, IDS[:30])
        expected = after(read(name, IDS[:30]), 5)
        for token in IDS[30:]:
            after(runner, token)
        assert runner.cache.reach(30) == 30
        runner.cache.rewind(30)
        assert runner.cache.get_seq_length() == 30
        assert torch.equal(after(runner, 5), expected)

    def test_a_snapshot_serves_any_number_of_times(self, name: str) -> None:
        runner = read(name, IDS[:30])
        first = after(runner, 5)
        for _ in range(2):
            runner.cache.rewind(30)
            assert torch.equal(after(runner, 5), first)

    def test_a_copy_is_independent_of_the_original(self, name: str) -> None:
        runner = read(name, IDS[:30])
        after(runner, 9)
        copied = runner.cache.fork(30)
        after(runner, 10)
        other = CausalRunner(tiny.make(name)[0], copied)
        assert torch.equal(after(other, 5), after(read(name, IDS[:30]), 5))
        assert runner.cache.get_seq_length() == 32


class TestReach:
    @pytest.mark.parametrize("name", [*tiny.HYBRID, "mistral"])
    def test_what_cannot_be_cropped_reaches_its_snapshots_alone(self, name: str) -> None:
        runner = read(name, IDS[:30])
        after(runner, 9)
        assert [runner.cache.reach(tokens) for tokens in (29, 30, 31, 99)] == [0, 30, 31, 31]

    def test_a_plain_cache_reaches_every_place_and_takes_no_snapshot(self) -> None:
        runner = read("llama", IDS)
        assert (runner.cache.reach(17), runner.cache.snapshots) == (17, [])

    def test_a_window_that_is_not_full_is_cropped_and_needs_no_memory_until_it_is(self) -> None:
        runner = read("mistral", IDS[:10])  # of 15 positions
        assert (runner.cache.reach(7), runner.cache.snapshot_bytes) == (7, 0)
        for token in IDS[10:20]:
            after(runner, token)
        assert runner.cache.reach(15) == 10
        runner.cache.rewind(10)
        torch.testing.assert_close(after(runner, 5), after(read("mistral", IDS[:10]), 5))

    def test_a_window_that_fills_in_several_rows_is_put_back_in_one(self) -> None:
        runner = read("mistral", IDS[:10])
        runner.repeat(3)
        for token in IDS[10:20]:
            after(runner, token)
        runner.select([1])
        runner.cache.rewind(runner.cache.reach(10))
        torch.testing.assert_close(after(runner, 5), after(read("mistral", IDS[:10]), 5))

    def test_the_convolution_that_says_it_can_be_cropped_is_not(self) -> None:
        runner = read("lfm2", IDS)
        runner.cache._snapshots.clear()
        assert runner.cache.cache.layers[0].is_croppable
        assert runner.cache.reach(20) == 0


class TestMemory:
    def test_a_text_has_few_snapshots_and_they_are_nearer_to_each_other_at_its_end(self) -> None:
        runner = read("qwen3_5", *([token] for token in IDS))
        places = runner.cache.snapshots
        assert len(places) == MOST
        assert places[-1] == len(IDS)
        gaps = [after - before for before, after in zip([0, *places], places, strict=False)]
        assert gaps[-1] == 1 < max(gaps[:3])

    def test_snapshots_are_counted_and_thinned_to_the_last(self) -> None:
        runner = read("qwen3_5", IDS[:10], IDS[10:20], IDS[20:])
        whole, three = runner.cache.nbytes, runner.cache.snapshot_bytes
        runner.cache.thin(0)
        assert runner.cache.snapshots == [40]
        assert runner.cache.snapshot_bytes * 3 == three
        assert runner.cache.nbytes < whole

    def test_an_empty_cache_has_no_bytes(self) -> None:
        assert TransformersCache(new_cache(tiny.make("llama")[0])).nbytes == 0


@pytest.mark.parametrize("name", tiny.HYBRID)
class TestCompletions:
    PROMPT = (" ".join(tiny.TEXTS[:3]) * 2)[:380]  # more tokens than a chunk

    def test_greedy_is_that_of_transformers(self, name: str) -> None:
        model = engine(name)
        mine = ask(model, self.PROMPT, **GREEDY)
        assert len(mine.prompt_ids) > CausalRunner.chunk
        assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=8)

    def test_the_same_prompt_is_read_but_for_its_last_token(self, name: str) -> None:
        model = engine(name)
        first, again = (ask(model, self.PROMPT, **GREEDY) for _ in range(2))
        assert again.usage.cached_tokens == len(first.prompt_ids) - 1
        assert [step.logprob for step in again.tokens] == [step.logprob for step in first.tokens]

    def test_going_on_reads_nothing_again(self, name: str) -> None:
        model = engine(name)
        first = ask(model, self.PROMPT, **GREEDY)
        more = ask(model, self.PROMPT, prefix=tuple(chosen(first)), **GREEDY)
        assert more.usage.cached_tokens == len(first.prompt_ids) + len(chosen(first)) - 1
        assert chosen(first) + chosen(more) == generated(model, first.prompt_ids, max_new_tokens=16)

    def test_another_end_is_read_from_a_snapshot(self, name: str) -> None:
        model = engine(name)
        ask(model, self.PROMPT, **GREEDY)
        edited = ask(model, self.PROMPT[:-4] + " mode", **GREEDY)
        assert chosen(edited) == chosen(ask(engine(name), self.PROMPT[:-4] + " mode", **GREEDY))
        if name not in WHOLE:
            assert edited.usage.cached_tokens >= CausalRunner.chunk

    def test_where_a_text_parted_from_another_it_is_resumed_the_next_time(self, name: str) -> None:
        model, head = engine(name), self.PROMPT[:90]
        texts = [head + end for end in (" one and so on", " two and so on", " three and so on")]
        found = [ask(model, text, **GREEDY) for text in texts]
        assert [chosen(one) for one in found] == [chosen(ask(engine(name), text, **GREEDY)) for text in texts]
        if name not in WHOLE:
            assert found[2].usage.cached_tokens > 20

    def test_several_continuations_are_those_of_single_requests(self, name: str) -> None:
        options = {"temperature": 1.0, "max_new_tokens": 6, "seed": 1}
        rows = everyone(ask(engine(name), "The mean of", num=3, **options))
        alone = [ask(engine(name), "The mean of", **{**options, "seed": seed}) for seed in (1, 2, 3)]
        assert [chosen(row) for row in rows] == [chosen(one) for one in alone]

    def test_choices_have_the_probability_of_a_plain_pass(self, name: str) -> None:
        model, texts = engine(name), ("yes it is", "yes it was", "no")
        mine = ask(model, "The mean is", structure=Choices(texts), temperature=0)
        step = mine.tokens[-1]
        ids = [*mine.prompt_ids, *chosen(mine)]
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -2]
        assert torch.log_softmax(logits, -1)[step.id].item() == pytest.approx(step.logprob, abs=1e-3)


@pytest.mark.parametrize(
    "name", sorted(set(tiny.HYBRID) - {"minimax"})
)  # whose linear states transformers does not reorder
def test_beams_are_those_of_transformers(name: str) -> None:
    model = engine(name)
    mine = ask(model, "The mean of", beams=2, **GREEDY)
    assert chosen(mine) == generated(model, mine.prompt_ids, max_new_tokens=8, num_beams=2)
