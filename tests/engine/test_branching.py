"""Branching at a token by its id: what the model would have said, the cache up to there, and nothing lost."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from engine_calls import PROMPT, engine
from greedy import ARCHITECTURES, generated
from int8_models import int8_model

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.events import Token
from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session

GREEDY = {"temperature": 0, "max_new_tokens": 12}
SEEDED = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 12, "seed": 3}


def ids(completion: Completion) -> list[int]:
    return [step.id for step in completion.tokens]


def begun(session: Session, name: str = "llama", **options: Any) -> Completion:
    """A completion of a tiny model that the session knows by its name."""
    session.models.register(name, *tiny.make(name))
    return session.complete(PROMPT, model=name, **{**GREEDY, **options})


def second(completion: Completion, at: int) -> int:
    """The likeliest token at a place that was not taken there."""
    return next(c.id for c in completion.tokens[at].top if c.id != completion.tokens[at].id)


def after(name: str, done: Completion, head: list[int], new: int) -> list[int]:
    """What transformers adds greedily to the ids `head` of a text."""
    model = engine(name)
    if not model.model.config.is_encoder_decoder:
        return generated(model, (*done.prompt_ids, *head), max_new_tokens=new)
    start = model.model.generation_config.decoder_start_token_id
    given = torch.tensor([[model.model.config.decoder_start_token_id if start is None else start, *head]])
    prompt = torch.tensor([done.prompt_ids])
    rows = model.model.generate(prompt, decoder_input_ids=given, max_new_tokens=new, do_sample=False, num_beams=1)
    return list(rows[0, 1 + len(head) :].tolist())


class TestText:
    @pytest.mark.parametrize("at", [0, 1, 7, 12])
    @pytest.mark.parametrize("name", ARCHITECTURES)
    def test_goes_on_as_transformers_does_after_those_ids(self, session: Session, name: str, at: int) -> None:
        done = begun(session, name)
        at = min(at, len(done.tokens))
        token = second(done, at) if at < len(done.tokens) else 7
        branch = done.branch(at=at, token=token, max_new_tokens=8)
        head = [*ids(done)[:at], token]
        ended = [branch.end.id] if branch.end else []
        assert [*ids(branch), *ended] == [*head, *after(name, done, head, 7)]

    @pytest.mark.parametrize("options", [GREEDY, SEEDED, {**SEEDED, "beams": 3}])
    @pytest.mark.parametrize("name", ["llama", "t5"])
    def test_with_the_token_that_stood_there_it_is_the_same_text(
        self, session: Session, name: str, options: dict[str, Any]
    ) -> None:
        done = begun(session, name, **options)
        for at in range(0 if options.get("beams", 1) == 1 else 12, len(done.tokens)):
            branch = done.branch(at=at, token=done.tokens[at].id, max_new_tokens=12 - at)
            assert [(s.id, s.text) for s in branch.tokens] == [(s.id, s.text) for s in done.tokens]
            assert (branch.text, branch.finish_reason) == (done.text, done.finish_reason)

    def test_is_what_decoding_its_ids_gives(self, session: Session) -> None:
        done = begun(session, **SEEDED)
        model = engine("llama")
        for at in range(len(done.tokens)):
            branch = done.branch(at=at, token=second(done, at))
            assert branch.text == "".join(step.text for step in branch.tokens)
            decoded = model.decode(ids(branch), branch.prompt_ids)
            assert decoded.startswith(branch.text)
            assert not decoded[len(branch.text) :].strip("\N{REPLACEMENT CHARACTER}"), "half a character is left out"

    def test_repeats_with_the_seed_of_the_completion(self, session: Session) -> None:
        done = begun(session, **SEEDED)
        branches = [done.branch(at=3, token=9) for _ in range(2)]
        assert (branches[0].seed, branches[0].text) == (done.seed, branches[1].text)
        assert done.branch(at=3, token=9, seed=branches[0].seed + 1).text != branches[0].text

    def test_without_a_token_is_drawn_anew_with_another_seed(self, session: Session) -> None:
        done = begun(session, **SEEDED)
        branches = [done.branch(at=3) for _ in range(4)]
        assert {tuple(ids(branch)[:3]) for branch in branches} == {tuple(ids(done)[:3])}
        assert len({done.seed, *(branch.seed for branch in branches)}) == 5
        assert len({done.text, *(branch.text for branch in branches)}) > 1
        assert done.branch(at=3, seed=branches[0].seed).text == branches[0].text

    def test_counts_from_the_end_where_the_place_is_negative(self, session: Session) -> None:
        done = begun(session)
        assert done.branch(at=-2, token=9).at == len(done.tokens) - 2

    def test_takes_other_settings_for_itself(self, session: Session) -> None:
        done = begun(session)
        branch = done.branch(at=2, token=9, temperature=1.2, max_new_tokens=3)
        assert (branch.params.temperature, len(branch.tokens) - 2) == (1.2, 3)
        assert done.params.temperature == 0

    def test_measures_the_prompt_where_that_is_asked_for_and_not_known(self, session: Session) -> None:
        done, measured = begun(session), begun(session, inspect=True).prompt_tokens
        for one in (done.branch(3, inspect=True), done.more(2, inspect=True)):
            assert one.prompt_tokens == measured
            assert one.parent is done
        assert one.more(2, inspect=True).usage.cached_tokens > 0

    @pytest.mark.parametrize("options", [{"num": 3, "seed": 1, "temperature": 1.0}, {"num": 2, "beams": 4}])
    def test_may_go_on_in_several_ways(self, session: Session, options: dict[str, Any]) -> None:
        done = begun(session)
        first, *others = branches = [(b := done.branch(at=4, token=9, max_new_tokens=6, **options)), *b.alternatives]
        assert len(branches) == options["num"]
        assert {tuple(ids(one)[:5]) for one in branches} == {(*ids(done)[:4], 9)}
        assert len({tuple(ids(one)) for one in branches}) == len(branches)
        assert done.branches == tuple(branches)
        assert {one.parent for one in others} == {first.parent} == {done}

    @pytest.mark.parametrize("options", [{}, {"beams": 3}])
    def test_of_one_token_is_that_token(self, session: Session, options: dict[str, Any]) -> None:
        branch = begun(session).branch(at=2, token=9, max_new_tokens=1, **options)
        assert (ids(branch)[2:], branch.finish_reason) == ([9], "length")

    @pytest.mark.parametrize("options", [{}, {"beams": 3}])
    def test_ends_where_the_token_is_an_end(self, session: Session, options: dict[str, Any]) -> None:
        done = begun(session)
        end = engine("llama").tokenizer.eos_token_id
        branch = done.branch(at=4, token=end, **options)
        assert (branch.finish_reason, ids(branch)) == ("stop", ids(done)[:4])
        assert branch.end is not None
        assert branch.end.id == end

    def test_goes_on_after_an_end(self, session: Session) -> None:
        ended = begun(session).branch(at=4, token=engine("llama").tokenizer.eos_token_id)
        branch = ended.branch(at=4, token=9)
        assert ids(branch)[:5] == [*ids(ended), 9]
        assert len(branch.tokens) > 5


class TestBorders:
    @pytest.mark.parametrize("name", ["byte-level", "metaspace"])
    def test_inside_a_character_leaves_it_to_be_ended_otherwise(self, session: Session, name: str) -> None:
        tokenizer = tiny.TOKENIZERS[name]()
        spelled = [*"Ã©¨a"] if name == "byte-level" else ["<0xC3>", "<0xA9>", "<0xA8>", "a"]
        first, acute, grave, letter = tokenizer.convert_tokens_to_ids(spelled)
        torch.manual_seed(5)
        sizes = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
        session.models.register(name, tiny._decoder_only("LlamaConfig", **sizes).eval(), tokenizer)
        done = session.complete(PROMPT, model=name, temperature=0, max_new_tokens=1)
        for at, token in enumerate((first, acute, letter)):
            done = done.branch(at=at, token=token, max_new_tokens=1)
        assert done.text == "éa"
        assert done.branch(at=1, token=grave, max_new_tokens=1).text == "è"
        broken = done.branch(at=1, token=letter, max_new_tokens=1)
        assert broken.text == "\ufffda"
        assert [step.text for step in done.branch(at=1, token=grave, max_new_tokens=1).tokens] == ["", "è"]

    def test_inside_a_stop_string_leaves_it_to_be_met_or_not(self, session: Session) -> None:
        whole = begun(session, **SEEDED)
        at = next(n for n in range(2, 11) if whole.tokens[n - 1].text.strip() and whole.tokens[n].text.strip())
        stop = whole.tokens[at - 1].text[-1] + whole.tokens[at].text[0]
        done = begun(session, **SEEDED, stop=[stop])
        if done.finish_reason != "stop" or len(done.tokens) != at + 1:
            pytest.fail("the text has that stop string earlier")
        assert done.branch(at=at, token=whole.tokens[at].id).text == done.text
        other = done.branch(at=at, token=second(whole, at), max_new_tokens=1)
        assert other.text == "".join(step.text for step in whole.tokens[:at]) + other.tokens[at].text

    def test_a_token_that_completes_a_stop_string_ends_it(self, session: Session) -> None:
        done = begun(session)
        token = next(n for n in range(300, 400) if engine("llama").decode([n]).strip())
        branch = done.branch(at=3, token=token, stop=engine("llama").decode([token]))
        assert (branch.finish_reason, len(branch.tokens)) == ("stop", 4)


class TestSteps:
    @pytest.mark.parametrize("name", ["llama", "t5"])
    @pytest.mark.parametrize("options", [GREEDY, {**SEEDED, "top_k": 5, "top_p": 0.9}])
    def test_what_was_kept_stays_and_the_token_has_what_was_known_there(
        self, session: Session, name: str, options: dict[str, Any]
    ) -> None:
        done = begun(session, name, **options)
        at = len(done.tokens) // 2
        token = second(done, at)
        step = done.branch(at=at, token=token).tokens[at]
        assert done.branches[0].tokens[:at] == done.tokens[:at]
        place = [one.id for one in done.tokens[at].top].index(token)
        assert step.logprob == pytest.approx(done.tokens[at].top[place].logprob, abs=1e-5)
        assert step.rank == place + 1
        assert [(c.id, c.text, c.cut) for c in step.top] == [(c.id, c.text, c.cut) for c in done.tokens[at].top]
        assert [c.prob for c in step.top] == pytest.approx([c.prob for c in done.tokens[at].top], abs=1e-5)

    def test_a_token_that_was_no_candidate_is_measured(self, session: Session) -> None:
        done = begun(session)
        known = {candidate.id for candidate in done.tokens[5].top}
        token = next(id for id in range(20, 400) if id not in known)
        step = done.branch(at=5, token=token).tokens[5]
        with torch.inference_mode():
            given = torch.tensor([[*done.prompt_ids, *ids(done)[:5]]])
            raw = torch.log_softmax(engine("llama").model(input_ids=given).logits[0, -1], dim=-1)
        assert step.logprob == pytest.approx(float(raw[token]), abs=1e-4)
        assert step.rank == 1 + int((raw > raw[token]).sum())

    def test_the_cache_is_read_up_to_the_fork(self, session: Session) -> None:
        done = begun(session)
        branch = done.branch(at=7, token=second(done, 7))
        assert branch.usage.cached_tokens == len(done.prompt_ids) + 7 - 1
        assert branch.usage.prompt_tokens == len(done.prompt_ids) + 7

    def test_the_compiled_step_says_the_same(self) -> None:
        pytest.importorskip("numba")
        model, tokenizer = tiny.make("llama")
        own = Session()
        own.models.register("int8", model, tokenizer)
        resident = own.models.resident("int8", "auto", "auto")
        resident.engine = LocalEngine(model, tokenizer, "int8", "made in the tests", int8=int8_model("llama"))
        done = own.complete(PROMPT, model="int8", **{**SEEDED, "top_k": 5})
        token = second(done, 6)
        branch = done.branch(at=6, token=token)
        step = branch.tokens[6]
        assert (step.id, step.top) == (token, done.tokens[6].top)
        assert step.logprob == pytest.approx(step.top[step.rank - 1].logprob, abs=1e-5)
        assert done.branch(at=6, token=done.tokens[6].id, max_new_tokens=6).text == done.text
        own.close()


class TestTree:
    def test_nothing_is_destroyed(self, session: Session) -> None:
        done = begun(session, **SEEDED)
        before = (done.text, done.tokens)
        one, other = done.branch(at=4, token=9), done.branch(at=7)
        assert (done.text, done.tokens) == before
        assert done.branches == (one, other)
        assert ((one.parent, one.at), (other.parent, other.at)) == ((done, 4), (done, 7))
        assert list(session.history) == [done, one, other]

    def test_a_branch_branches(self, session: Session) -> None:
        done = begun(session)
        first = done.branch(at=4, token=9)
        inner = first.branch(at=6, token=11)
        assert ids(inner)[:7] == [*ids(first)[:6], 11]
        assert (inner.parent, first.branches, done.branches) == (first, (inner,), (first,))

    @pytest.mark.parametrize("options", [GREEDY, SEEDED])
    def test_a_branch_is_continued_as_if_it_had_never_paused(self, session: Session, options: dict[str, Any]) -> None:
        done = begun(session, **options)
        whole = done.branch(at=4, token=9, max_new_tokens=12)
        paused = done.branch(at=4, token=9, max_new_tokens=5)
        longer = paused.more(7)
        assert (longer.text, ids(longer)) == (whole.text, ids(whole))
        assert (longer.parent, longer.at) == (paused, len(paused.tokens))

    def test_another_continuation_branches_for_itself(self, session: Session) -> None:
        done = begun(session, **{**SEEDED, "num": 2})
        other = done.alternatives[0]
        branch = other.branch(at=3, token=9)
        assert ids(branch)[:4] == [*ids(other)[:3], 9]
        assert (branch.parent, branch.seed, branch.alternatives) == (other, other.seed, ())
        assert (other.branches, done.branches) == ((branch,), ())

    def test_one_that_is_stopped_is_in_it_with_what_there_is(self, session: Session) -> None:
        done = begun(session)
        stream = session.branch(done, 4, 9, max_new_tokens=200)
        for event in stream:
            if isinstance(event, Token):
                break
        (branch,) = done.branches
        assert (branch.finish_reason, ids(branch)[:5]) == ("interrupted", [*ids(done)[:4], 9])
        assert branch is stream.completion()

    def test_one_that_failed_is_not_in_it(self, session: Session) -> None:
        done = begun(session)
        with pytest.raises(BadOption):
            done.branch(at=4, token="no such token")
        assert done.branches == ()
        assert list(session.history) == [done]


class TestAsking:
    def test_a_text_means_the_candidate_that_reads_so(self, session: Session) -> None:
        done = begun(session)
        texts = [candidate.text for candidate in done.tokens[6].top]
        (wanted, *_) = (c for c in done.tokens[6].top if texts.count(c.text) == 1 and c.id != done.tokens[6].id)
        assert done.branch(at=6, token=wanted.text).tokens[6].id == wanted.id

    @pytest.mark.parametrize("name", ["llama", "t5"])
    def test_a_text_that_is_no_candidate_is_encoded(self, session: Session, name: str) -> None:
        done = begun(session, name)
        tokenizer = engine(name).tokenizer
        text = " mean" if name == "llama" else " sample"
        assert text not in {candidate.text for candidate in done.tokens[3].top}
        step = done.branch(at=3, token=text).tokens[3]
        assert tokenizer.convert_ids_to_tokens(step.id) == text.replace(" ", "Ġ" if name == "llama" else "▁")

    @pytest.mark.parametrize("name", list(tiny.TOKENIZERS))
    def test_every_token_with_a_text_of_its_own_is_found_by_it(self, name: str) -> None:
        from jupyter_complete.engine.text.tokenizer import Vocabulary

        vocabulary = Vocabulary(tiny.TOKENIZERS[name](), trailing_end=False)
        texts = [vocabulary.token_text(id) for id in range(len(vocabulary.tokenizer))]
        found = 0
        for text in {text for text in texts if text.strip().isalpha()}:
            try:
                assert vocabulary.token_text(vocabulary.only_token(text)) == text
                found += 1
            except BadOption:
                continue
        assert found > 40

    def test_a_text_of_several_tokens_is_told_with_what_it_encodes_to(self, session: Session) -> None:
        with pytest.raises(BadOption, match=r"' mean mean' is not one token: it encodes to ' mean' \(\d+\), ' mean'"):
            begun(session).branch(at=3, token=" mean mean")

    def test_the_name_of_a_control_token_is_text(self, session: Session) -> None:
        done = begun(session)
        assert "<|im_start|>" not in {candidate.text for candidate in done.tokens[3].top}
        with pytest.raises(BadOption, match="not one token"):
            done.branch(at=3, token="<|im_start|>")

    @pytest.mark.parametrize("at", [13, -13, 99])
    def test_a_place_that_there_is_not_is_told(self, session: Session, at: int) -> None:
        with pytest.raises(BadOption, match=rf"at is {at}, and the completion has 12 tokens\. Give 0 to 12 or -1 to"):
            begun(session).branch(at=at, token=9)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"at": 1.5}, "at must be a whole number"),
            ({"at": 1, "token": 4000}, r"has no token 4,000\. Give an id from 0 to 399"),
            ({"at": 1, "token": -1}, "has no token -1"),
            ({"at": 1, "token": 1.5}, "an id or a text, not float"),
            ({"at": 1, "model": "other"}, "model cannot change in a continuation"),
            ({"at": 1, "temperature": -1}, "temperature"),
        ],
    )
    def test_bad_asking_is_told_in_a_sentence(self, session: Session, options: dict[str, Any], told: str) -> None:
        with pytest.raises(BadOption, match=told):
            begun(session).branch(**options)

    def test_ids_of_a_frame_are_ids(self, session: Session) -> None:
        numpy = pytest.importorskip("numpy")
        assert begun(session).branch(at=numpy.int64(2), token=numpy.int64(9)).tokens[2].id == 9
