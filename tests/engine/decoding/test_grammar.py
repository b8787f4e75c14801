"""Constraints: whatever is asked for in whatever way, a finished text has the form, and nothing else is changed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import model_forms as forms
import pytest
import regex
import tiny
import torch
from engine_calls import PROMPT, ask, chosen, engine, everyone, sampling
from int8_models import engines
from other_tokenizers import mixed

from jupyter_complete.engine.decoding.grammar import Constraints, matches
from jupyter_complete.engine.decoding.sampler import Draws, Sampler
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.structure import JsonSchema, Regex
from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session

EVERY = [*tiny.CAUSAL, *tiny.ENCODER_DECODER]
DATE = r"\d{4}-\d{2}-\d{2}"
WORDS = Regex("(?:mean|median|mode)(?:, (?:mean|median|mode)){0,2}")
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def schema(value: Any) -> JsonSchema:
    return JsonSchema(json.dumps(value))


def check(done: Completion) -> bool:
    """Whether the text is finished; one that is must have the form, as other libraries see it."""
    form = done.request.structure if done.request else None
    if not done.met:
        assert done.value is None
        return False
    if isinstance(form, Regex):
        assert re.fullmatch(form.pattern, done.text)
        assert done.value == done.text
    else:
        assert isinstance(form, JsonSchema)
        assert json.loads(done.text) == done.value
        jsonschema.validate(done.value, json.loads(form.schema))
    return True


@pytest.fixture
def one_thread() -> Iterator[None]:
    """A tiny model is faster on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestWhatIsFinished:
    @pytest.mark.usefixtures("one_thread")
    @pytest.mark.parametrize("seed", range(10))
    def test_has_the_form_whatever_it_is(self, seed: int) -> None:
        """Fifty random forms each: 250 schemas and 250 regexes in all."""
        chance, one, finished = random.Random(seed), engine("llama"), 0
        for number in range(50):
            form = Regex(forms.regex(chance)) if number % 2 else schema(forms.schema(chance))
            finished += check(ask(one, "a", structure=form, temperature=1.0, seed=number, max_new_tokens=60))
        assert finished >= 40

    @pytest.mark.parametrize("name", EVERY)
    def test_has_it_in_every_architecture(self, name: str) -> None:
        for options in ({"temperature": 0}, {"temperature": 1.5, "seed": 2, "num": 3}):
            assert all(map(check, everyone(ask(engine(name), structure=WORDS, max_new_tokens=60, **options))))

    @pytest.mark.parametrize("kind", tiny.TOKENIZERS)
    def test_has_it_with_every_tokenizer(self, kind: str) -> None:
        form = Regex("(?: mean| median| mode)+")
        assert check(ask(mixed(kind), structure=form, temperature=1.0, seed=1, max_new_tokens=100))

    @pytest.mark.parametrize(
        "options",
        [
            {"temperature": 0, "repetition_penalty": 3.0},
            {"temperature": 3.0, "top_k": 1},
            {"temperature": 3.0, "top_p": 0.01},
            {"temperature": 1.0, "min_p": 0.9},
            {"temperature": 1.0, "candidates": 0},
        ],
        ids=str,
    )
    def test_has_it_with_all_settings_of_sampling(self, options: dict[str, Any]) -> None:
        assert check(ask(engine("llama"), structure=schema(PERSON), seed=4, max_new_tokens=90, **options))

    def test_has_it_with_int8(self) -> None:
        mine, _ = engines("llama")
        assert check(ask(mine, structure=schema(PERSON), seed=4, max_new_tokens=90))

    @pytest.mark.model
    def test_is_sensible_from_the_real_model(self, real_session: Session) -> None:
        prompt = "Extract the person as JSON.\n\nText: Maria Rossi, 34, is a nurse in Rome.\nJSON:"
        properties = {"name": {"type": "string"}, "age": {"type": "integer"}, "job": {"enum": ["baker", "nurse"]}}
        asked = {**PERSON, "properties": properties, "required": ["name", "age", "job"]}
        done = real_session.complete(prompt, json=asked, temperature=0, model="smollm2")
        assert done.value == {"name": "Maria Rossi", "age": 34, "job": "nurse"}


class TestEveryToken:
    @pytest.mark.parametrize("pattern", [DATE, "(?:the |mean |of )*end", "[a-c]+|[x-z]{2,4}"])
    def test_is_the_likeliest_of_those_that_can_go_on(self, pattern: str) -> None:
        one = engine("llama")
        done = ask(one, structure=Regex(pattern), temperature=0, max_new_tokens=12)
        ids, text = list(done.prompt_ids), ""
        for token in chosen(done):
            with torch.inference_mode():
                logits = one.model(input_ids=torch.tensor([ids])).logits[0, -1]
            assert token == max(can_follow(one, pattern, text), key=lambda id: float(logits[id]))
            ids.append(token)
            text += one.decode([token])

    def test_keeps_its_raw_probability(self) -> None:
        one = engine("llama")
        done = ask(one, structure=Regex(DATE), temperature=0)
        with torch.inference_mode():
            logits = one.model(input_ids=torch.tensor([[*done.prompt_ids, *chosen(done)]])).logits[0]
        raw = torch.log_softmax(logits[len(done.prompt_ids) - 1 : -1], dim=-1)
        expected = [float(raw[place, token]) for place, token in enumerate(chosen(done))]
        assert [step.logprob for step in done.tokens] == pytest.approx(expected, abs=1e-4)

    def test_says_which_candidates_the_constraint_cut(self) -> None:
        done = ask(engine("llama"), structure=Regex(DATE), temperature=1.0, top_p=1.0, seed=1)
        cuts = {(candidate.cut, candidate.text.isdigit()) for candidate in done.tokens[0].top}
        assert ("constraint", False) in cuts
        assert all(c.prob == 0.0 for step in done.tokens for c in step.top if c.cut == "constraint")

    def test_is_the_same_with_guesses(self) -> None:
        mine, _ = engines("llama")
        form = Regex("(?:the mean ){2,9}")
        runs = [ask(mine, structure=form, seed=3, lookup=lookup, max_new_tokens=60) for lookup in (True, False)]
        assert chosen(runs[0]) == chosen(runs[1])
        assert check(runs[0])

    def test_repeats_with_its_seed(self) -> None:
        runs = [ask(engine("llama"), structure=schema(PERSON), seed=9, max_new_tokens=90) for _ in range(2)]
        assert chosen(runs[0]) == chosen(runs[1])


def can_follow(one: LocalEngine, pattern: str, text: str) -> list[int]:
    """The ids that keep an ASCII text the beginning of a match, and the end where it is one."""
    ids = [
        id for id in range(one._size) if regex.fullmatch(pattern, text + one._vocabulary.token_text(id), partial=True)
    ]
    ids = [id for id in ids if not one._vocabulary.is_special(id) and one.decode([id]).isascii()]
    return ids + (sorted(one._ends) if re.fullmatch(pattern, text) else [])


@pytest.mark.parametrize("few", [1, 3, 200, 399])
@pytest.mark.parametrize(
    "options",
    [{"temperature": 0}, {"temperature": 0.8}, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.2}, {"candidates": 0}],
    ids=str,
)
def test_the_compiled_choice_is_the_one_of_transformers_processors(options: dict[str, Any], few: int) -> None:
    asked = sampling(**{"top_p": 1.0, "candidates": 40, **options})
    torch.manual_seed(few)
    for seed in range(5):
        logits, allowed = 3 * torch.randn(400), torch.zeros(400, dtype=torch.bool)
        allowed[torch.randperm(400)[:few]] = True
        mine, theirs = (
            Sampler(asked, compiled=compiled).choose([1, 2], logits, Draws(seed, 0), allowed)
            for compiled in (True, False)
        )
        assert (mine.id, mine.rank) == (theirs.id, theirs.rank)
        assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-4)
        assert [(one.id, one.cut) for one in mine.top] == [(one.id, one.cut) for one in theirs.top]
        assert [one.prob for one in mine.top] == pytest.approx([one.prob for one in theirs.top], abs=1e-4)


class TestTheEnd:
    def test_comes_with_the_last_token_that_may_follow(self) -> None:
        done = ask(engine("llama"), structure=Regex("yes|no"), temperature=0)
        assert (done.finish_reason, done.end, done.ending()) == ("stop", None, "stop (whole)")

    def test_is_the_models_where_more_may_follow(self) -> None:
        one = engine("llama")
        ended = [ask(one, structure=Regex("[a-z ]+"), temperature=3.0, seed=seed).end for seed in range(20)]
        assert any(ended)

    def test_needs_no_end_of_text_of_the_model(self) -> None:
        one = engine("llama")
        endless = LocalEngine(one.model, one.tokenizer, "endless", "made in the tests")
        endless._ends = endless._constraints._ends = frozenset()
        assert check(ask(endless, structure=Regex("yes|no"), seed=1))

    def test_too_early_is_said_and_keeps_the_text(self) -> None:
        done = ask(engine("llama"), structure=schema(PERSON), temperature=0, max_new_tokens=4)
        assert (done.met, done.value, done.finish_reason) == (False, None, "length")
        assert done.text.lstrip().startswith("{")
        assert "not whole JSON" in done.footer()

    def test_at_the_limit_meets_what_is_whole_by_then(self) -> None:
        done = ask(engine("llama"), structure=Regex("[a-z]+"), temperature=0, max_new_tokens=3)
        assert (done.met, done.finish_reason) == (True, "length")

    def test_by_a_stop_string_counts_by_the_text_that_is_left(self) -> None:
        one = engine("llama")
        cut = ask(one, structure=Regex("a;b"), stop=(";",), temperature=0)
        assert (cut.text, cut.met) == ("a", False)
        whole = ask(one, structure=Regex("a(?:;b)?"), stop=(";",), temperature=0, seed=1)
        assert (whole.text, whole.met) == ("a", True)

    def test_without_a_form_is_not_spoken_of(self) -> None:
        done = ask(engine("llama"), temperature=0, max_new_tokens=3)
        assert (done.met, done.value) == (None, None)

    def test_of_each_continuation_is_told_by_itself(self) -> None:
        done = ask(engine("llama"), structure=Regex("a|b{40}"), temperature=2.0, num=8, seed=1, max_new_tokens=3)
        assert {one.met for one in everyone(done)} == {True, False}
        assert "(1) the text" in done.footer() or "(2) the text" in done.footer()


class TestGoingOn:
    @pytest.mark.parametrize("name", ["llama", "t5"])
    def test_keeps_the_form_and_is_as_in_one_run(self, session: Session, name: str) -> None:
        session.models.register(name, *tiny.make(name))
        asked = {"model": name, "regex": WORDS.pattern, "seed": 5, "temperature": 1.0}
        part = session.complete(PROMPT, max_new_tokens=4, **asked)
        whole = session.complete(PROMPT, max_new_tokens=64, **asked)
        more = part.more(60)
        assert (more.text, more.value, more.met) == (whole.text, whole.text, True)

    def test_of_what_is_whole_adds_nothing(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        done = session.complete(PROMPT, model="llama", regex="yes|no", seed=1)
        more = done.more(9)
        assert (more.text, more.finish_reason, more.value) == (done.text, "stop", done.value)

    def test_with_a_token_that_is_allowed_keeps_the_form(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        done = session.complete(PROMPT, model="llama", regex="yes|no", seed=1)
        other = done.branch(at=0, token="n" if done.text == "yes" else "y")
        assert other.value == ("no" if done.text == "yes" else "yes")

    def test_with_one_that_is_not_is_refused(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        done = session.complete(PROMPT, model="llama", regex="yes|no", seed=1)
        with pytest.raises(BadOption, match="'x' does not fit"):
            done.branch(at=0, token="x")

    def test_after_a_choice_is_free(self, session: Session) -> None:
        session.models.register("llama", *tiny.make("llama"))
        done = session.complete(PROMPT, model="llama", choices=["yes", "no"])
        more = done.more(6)
        assert more.text.startswith(done.text)
        assert (len(more.tokens), more.met) == (len(done.tokens) + 6, None)


class TestRefused:
    @pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "[z-a]", "a{3,1}"])
    def test_a_regex_that_cannot_be_enforced_says_why_in_a_line(self, pattern: str) -> None:
        with pytest.raises(BadOption, match="This regex cannot be enforced: ") as raised:
            ask(engine("llama"), structure=Regex(pattern))
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        "value",
        [
            False,
            {"type": "foo"},
            {"not": {}},
            {"$ref": "#/nope"},
            {"type": "string", "pattern": "("},
            {"minimum": "a"},
            {"x-guidance": 7},
        ],
        ids=str,
    )
    def test_a_schema_that_cannot_be_enforced_says_why_in_a_line(self, value: Any) -> None:
        with pytest.raises(BadOption, match="This schema cannot be enforced: ") as raised:
            ask(engine("llama"), structure=schema(value))
        assert "\n" not in str(raised.value)

    def test_a_form_that_the_tokenizer_has_no_signs_for_is_refused(self) -> None:
        with pytest.raises(BadOption, match="no tokens for the form"):
            ask(engine("t5"), structure=schema(PERSON))


class TestGrammar:
    def test_of_one_row_goes_its_own_way(self) -> None:
        one = engine("llama")
        first = one._constraints.begin(Regex("yes|no"))
        second = first.copy()
        y, n = one._vocabulary.only_token("y"), one._vocabulary.only_token("n")
        assert first.advance(y)
        assert bool(second.allowed[n])
        assert not bool(first.allowed[n])

    def test_lets_every_spelling_through(self) -> None:
        one = mixed("metaspace")
        allowed = one._constraints.begin(Regex("a")).allowed.nonzero().flatten().tolist()
        assert sorted(one.tokenizer.convert_ids_to_tokens(allowed)) == ["<0x61>", "a"]

    def test_allows_the_end_only_where_the_text_is_whole(self) -> None:
        one = engine("llama")
        grammar, end = one._constraints.begin(Regex("(?:ab)*")), next(iter(one._ends))
        seen = []
        for letter in "abab":
            seen.append(bool(grammar.allowed[end]))
            grammar.advance(one._vocabulary.only_token(letter))
        assert seen == [True, False, True, False]

    def test_tells_the_vocabulary_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        one = engine("llama")
        one._constraints.begin(Regex("a"))
        monkeypatch.setattr(one._vocabulary, "bytes_of", lambda token: pytest.fail("told again"))
        one._constraints.begin(Regex("b"))

    def test_knows_no_more_tokens_than_the_logits_have(self) -> None:
        vocabulary = engine("llama")._vocabulary
        assert Constraints(vocabulary, 100, frozenset()).begin(Regex(".*")).allowed.shape == (100,)

    @pytest.mark.parametrize(
        ("form", "text", "expected"),
        [
            (Regex("a+"), "aa", True),
            (Regex("a+"), "", False),
            (Regex("a+"), "aab", False),
            (Regex(r"\d"), "٣", False),
            (Regex("é."), "é数", True),
            (Regex("a/b"), "a/b", True),
            (Regex("a\nb"), "a\nb", True),
            (Regex(r"[\d/-]+"), "1/2-3", True),
            (schema({"x-guidance": {"whitespace_flexible": True, "item_separator": ","}}), "[\n 1,\n 2 ]", True),
            (schema({}), "[\n1]", False),
            (schema({}), " [1, 2]", True),
            (schema({}), '{"a": [1, 2]}', True),
            (schema({"type": "integer"}), "1.5", False),
            (schema(PERSON), '{"name": "x", "age"', False),
        ],
    )
    def test_a_text_matches_from_its_beginning_to_its_end(
        self, form: Regex | JsonSchema, text: str, expected: bool
    ) -> None:
        assert matches(form, text) is expected
