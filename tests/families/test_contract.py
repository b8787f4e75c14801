"""What every model type of transformers is held to: the text is that of transformers, whatever is asked and kept.

A prompt has 340 tokens: more than a chunk of a prompt, and more than a sliding window, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from family_tables import contract
from opened_family import SHORT, Opened, chosen, opened

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption, CompleteError
from jupyter_complete.protocol.questions.futures import Futures

Fact = Callable[[str, object], None]
NEAR = 2e-3  # between two logprobs that are the same but for the order of sums
ROUNDED = 0.02  # between two logprobs, on average, of the same rounded weights
LATER = " And then somebody counted again, and it was wrong."
SPECIAL = range(3)  # ids of tiny.byte_level that have no text
CHOICES = ["yes", "no", "never again", "sometimes"]
REGEX = " [a-z]{2,6} [0-9]{2}"
ROWS = ["The mean", "The median of a sample of several numbers is", "def mode(values):", "A range of 12 numbers and"]


@pytest.fixture(scope="module", params=contract(), ids=lambda family: family.name)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with opened(request.param, tmp_path_factory.mktemp(request.param.name)) as one:
        yield one


@pytest.fixture
def fact(record_property: Callable[[str, object], None]) -> Fact:
    """Note what docs/supported-models.md says of the family."""
    return record_property


def is_generated(family: Opened, made: Any, **options: Any) -> None:
    """A greedy completion is what transformers' `generate` writes."""
    assert chosen(made) == family.generated(made.prompt_ids, new=made.params.max_new_tokens, **options)


class TestText:
    """In float32 the text is that of `generate`, and every probability that of one pass over the whole text."""

    def test_greedy(self, family: Opened) -> None:
        made = family.complete()
        is_generated(family, made)
        assert len(chosen(made)) == 12
        own = family.logprobs(made.prompt_ids, chosen(made))
        assert [step.logprob for step in made.tokens] == pytest.approx(
            [float(row[step.id]) for step, row in zip(made.tokens, own, strict=False)], abs=NEAR
        )

    def test_score(self, family: Opened) -> None:
        family.forget()
        if family.encodes:
            with pytest.raises(BadOption, match="encoder-decoder"):
                jc.score(family.prompt, model=family.name)
            return
        scored = jc.score(family.prompt, model=family.name)
        own = family.logprobs(scored.prompt_ids)
        assert [step.logprob for step in scored.prompt_tokens[1:]] == pytest.approx(
            [float(row[id]) for id, row in zip(scored.prompt_ids[1:], own, strict=True)], abs=NEAR
        )

    def test_chat(self, family: Opened, fact: Fact) -> None:
        if family.encodes:
            with pytest.raises(BadOption, match="no chat template"):
                family.complete(chat=True)
            return
        made = family.complete("Is the mean robust?", chat=True)
        assert family.decode(made.prompt_ids, special=True).endswith("<|im_start|>assistant")
        is_generated(family, made, eos_token_id=family.turn_ends)
        fact("chat", True)

    def test_stream(self, family: Opened) -> None:
        pieces = list(jc.stream(family.prompt, model=family.name, temperature=0, max_new_tokens=12))
        made = jc.last()
        assert made is not None
        decoded = family.decode(chosen(made))
        assert "".join(pieces) == made.text
        assert decoded.startswith(made.text)
        assert not decoded[len(made.text) :].strip("\N{REPLACEMENT CHARACTER}"), "half a character is left out"

    def test_beyond_the_window(self, family: Opened) -> None:
        try:
            made = family.complete(family.prompt * 2)
        except CompleteError as error:
            check_sentence(error)
        else:
            is_generated(family, made)


class TestReuse:
    """What was kept of an earlier request changes nothing."""

    def test_the_same_prompt_again(self, family: Opened, fact: Fact) -> None:
        first = family.complete()
        is_generated(family, first)
        again = family.again()
        assert chosen(family.again()) == chosen(again) == chosen(first)
        fact("again", again.usage.cached_tokens / again.usage.prompt_tokens)

    def test_extended(self, family: Opened) -> None:
        first = family.complete()
        is_generated(family, family.again(family.prompt + first.text + LATER))

    def test_edited(self, family: Opened) -> None:
        family.complete()
        is_generated(family, family.again(family.prompt[:-60] + LATER))
        is_generated(family, family.again())

    def test_more(self, family: Opened, fact: Fact) -> None:
        made = family.complete().more(8)
        assert chosen(made) == family.generated(made.prompt_ids, new=20)
        fact("more", made.usage.cached_tokens / made.usage.prompt_tokens)

    def test_branch(self, family: Opened) -> None:
        made = family.complete()
        other = next(one.id for one in made.tokens[4].top if one.id not in (made.tokens[4].id, *SPECIAL))
        begun = [*chosen(made)[:4], other]
        assert chosen(made.branch(4, other, max_new_tokens=8)) == begun + family.generated(made.prompt_ids, begun, 7)
        is_generated(family, family.again())


class TestRows:
    """Several continuations of a prompt, or of several prompts, are those of each alone."""

    def test_several(self, family: Opened) -> None:
        options = {"temperature": 0.8, "max_new_tokens": 8}
        made = family.complete(num=3, seed=5, **options)
        alone = [family.complete(seed=5 + number, **options) for number in range(3)]
        assert [chosen(one) for one in (made, *made.alternatives)] == [chosen(one) for one in alone]
        is_generated(family, family.again())

    def test_beams(self, family: Opened) -> None:
        made = family.complete(beams=2)
        assert chosen(made) == family.generated(made.prompt_ids, num_beams=2)

    def test_choices(self, family: Opened) -> None:
        made = family.complete(choices=CHOICES)
        ids = [family.ids_of(text) for text in CHOICES]
        own = [family.logprobs(made.prompt_ids, one).gather(1, torch.tensor([one]).T).sum() for one in ids]
        assert [choice.logprob for choice in made.choices] == pytest.approx(
            [float(one) for one in own], abs=NEAR, rel=2e-4
        )
        is_generated(family, family.again())

    def test_regex(self, family: Opened) -> None:
        made = family.complete(regex=REGEX, max_new_tokens=20)
        assert made.met
        assert re.fullmatch(REGEX, made.text)
        own = family.logprobs(made.prompt_ids, chosen(made))
        assert [step.logprob for step in made.tokens] == pytest.approx(
            [float(row[step.id]) for step, row in zip(made.tokens, own, strict=False)], abs=NEAR
        )

    def test_frame(self, family: Opened) -> None:
        options = {"temperature": 0, "max_new_tokens": 8, "model": family.name}
        made = jc.complete_frame(pd.DataFrame({"text": ROWS}), "{{ text }}", into="out", **options)
        assert made["out"].tolist() == [family.complete(row, max_new_tokens=8).text for row in ROWS]


class TestDefault:
    """What a CPU does by default: int8 where there is such a form, else float32 for a reason that is told."""

    def test_weights(self, family: Opened, fact: Fact) -> None:
        info = family.info(rounded=True)
        assert info.dtype == "int8" or info.note
        fact("dtype", info.dtype)
        fact("note", info.note)
        own = family.emulated if info.dtype == "int8" else family.reference
        made = family.complete(rounded=True)
        given = [step.logprob for step in made.tokens]
        wanted = family.logprobs(made.prompt_ids, chosen(made), own)
        theirs = [float(row[step.id]) for step, row in zip(made.tokens, wanted, strict=False)]
        if not family.encodes:
            family.forget(rounded=True)
            scored = jc.score(family.prompt, model=family.default)
            given += [step.logprob for step in scored.prompt_tokens[1:]]
            wanted = family.logprobs(scored.prompt_ids, model=own)
            theirs += [float(row[id]) for id, row in zip(scored.prompt_ids[1:], wanted, strict=True)]
        assert np.abs(np.array(given) - theirs).mean() < ROUNDED

    def test_several(self, family: Opened) -> None:
        made = family.complete(SHORT, rounded=True, num=3, temperature=0.8, seed=5)
        assert len(made.alternatives) == 2

    def test_beams(self, family: Opened) -> None:
        assert len(chosen(family.complete(SHORT, rounded=True, beams=2))) == 12

    def test_choices(self, family: Opened) -> None:
        assert family.complete(SHORT, rounded=True, choices=CHOICES).value in CHOICES

    def test_regex(self, family: Opened) -> None:
        assert family.complete(SHORT, rounded=True, regex=REGEX, max_new_tokens=20).met

    def test_reuse(self, family: Opened) -> None:
        made = family.complete(SHORT, rounded=True)
        assert chosen(family.again(SHORT, rounded=True)) == chosen(made)
        assert chosen(made.more(4))[:12] == chosen(made)
        other = next(one.id for one in made.tokens[4].top if one.id not in (made.tokens[4].id, *SPECIAL))
        assert chosen(made.branch(4, other))[:5] == [*chosen(made)[:4], other]

    def test_frame(self, family: Opened) -> None:
        options = {"temperature": 0, "max_new_tokens": 8, "model": family.default}
        made = jc.complete_frame(pd.DataFrame({"text": ROWS}), "{{ text }}", into="out", **options)
        assert "out_error" not in made
        assert made["out"].tolist()[0]


class TestInside:
    """What is seen of the inside is what transformers' own pass says, or there is a sentence that says why not."""

    def test_lens(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        lens = answered(lambda: seen.lens(4))
        if lens is not None:
            fact("inside", "lens")
            own = torch.softmax(family.logits, -1).topk(4).values
            np.testing.assert_allclose(lens.probs[-1], own.numpy(), atol=NEAR)

    def test_path(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        path = answered(lambda: seen.path([5, 40]))
        if path is not None:
            fact("inside", "path")
            own = torch.softmax(family.logits[-1], -1)[[5, 40]]
            np.testing.assert_allclose(path.probs[:, -1], own.numpy(), atol=NEAR)

    def test_state(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        state = answered(lambda: seen.state([5, 40]))
        if state is not None:
            fact("inside", "state")
            np.testing.assert_allclose(state.logits, family.logits[-1, [5, 40]].numpy(), atol=NEAR)

    def test_attention(self, family: Opened, fact: Fact) -> None:
        asked = [answered(lambda layer=layer: family.seen.attention(layer)) for layer in range(family.layers)]
        ours = [one for one in asked if one is not None]
        if ours:
            fact("inside", "attention")
            assert len(ours) == len(family.attentions)
        for one, theirs in zip(ours, family.attentions, strict=False):
            np.testing.assert_allclose(one.weights, theirs[0].numpy(), atol=NEAR)

    def test_head(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        head, whole = answered(lambda: seen.head_steps(-1, 0)), answered(lambda: seen.attention(-1))
        if head is not None:
            fact("inside", "head")
            assert whole is not None
            np.testing.assert_allclose(head.weights, whole.weights[0], atol=NEAR)

    def test_added(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        added = answered(seen.added)
        if added is not None:
            fact("inside", "added")
            assert np.isfinite(added.states).all()

    def test_occlusion(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        hidden = answered(lambda: seen.occlusion(2))
        if hidden is not None:
            fact("inside", "occlusion")
            own = family.seen_logprobs
            np.testing.assert_allclose(hidden.before, own, atol=NEAR)

    def test_futures(self, family: Opened, fact: Fact) -> None:
        seen = family.seen
        found = answered(lambda: seen.futures(depth=3, cutoff=0.0, most=4))
        if found is not None:
            fact("inside", "futures")
            for node in np.flatnonzero(found.depths == 3)[:2]:
                ids = path_to(found, node)
                own = family.logprobs(seen.completion.prompt_ids, ids)
                joint = own.gather(1, torch.tensor([ids]).T).sum().exp()
                assert found.joints[node] == pytest.approx(float(joint), rel=0.05)

    def test_static_view(self, family: Opened) -> None:
        drawn = family.seen.view().bundle()
        assert "<" in drawn["text/html"]

    def test_static_view_by_default(self, family: Opened) -> None:
        made = family.complete(SHORT, rounded=True, max_new_tokens=4, trace=True)
        assert "<" in jc.inside(made).view().bundle()["text/html"]


def path_to(tree: Futures, node: int) -> list[int]:
    """The ids from the root of a tree to a node."""
    return [*(path_to(tree, tree.parents[node]) if tree.parents[node] >= 0 else []), int(tree.ids[node])]


def answered(ask: Callable[[], Any]) -> Any:
    """The answer to a question, or None where there is one sentence that says why there is none."""
    try:
        return ask()
    except CompleteError as error:
        check_sentence(error)
        return None


def check_sentence(error: CompleteError) -> None:
    """A refusal is one sentence that a person can read."""
    assert re.fullmatch(r"[^\n]{10,300}\.", error.message)
    assert "Traceback" not in str(error)
