"""Two texts with a gap between them, as models that can fill one read them: by real tokenizers and a real model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny

from jupyter_complete.engine.text.gap import MARKS, find_gap
from jupyter_complete.engine.text.tokenizer import Vocabulary
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.session.session import Session

STAR = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")


def with_marks(tokenizer: Any, *names: str) -> Any:
    """The same tokenizer with further control tokens."""
    own = copy.deepcopy(tokenizer)
    own.add_special_tokens({"additional_special_tokens": list(names)})
    return own


def id_of(tokenizer: Any, name: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(name))


@pytest.fixture
def star() -> Vocabulary:
    return Vocabulary(with_marks(tiny.byte_level(), *STAR), trailing_end=False)


def test_each_text_stands_behind_its_mark(star: Vocabulary) -> None:
    first, second, middle = (id_of(star.tokenizer, name) for name in STAR)
    ids = star.encode_gap("The mean", " of it")
    assert ids == [first, *star.encode("The mean"), second, *star.encode(" of it"), middle]


def test_the_names_of_marks_in_a_text_are_characters(star: Vocabulary) -> None:
    ids = star.encode_gap("a <fim_middle> b", "c <fim_suffix>")
    assert sum(ids.count(id_of(star.tokenizer, name)) for name in STAR) == len(STAR)


def test_a_text_begins_with_the_token_that_begins_every_text() -> None:
    vocabulary = Vocabulary(with_marks(tiny.metaspace(), "▁<PRE>", "▁<SUF>", "▁<MID>"), trailing_end=False, begins=True)
    begin, first = vocabulary.encode_gap("The mean", " of it")[:2]
    assert (begin, first) == (vocabulary.tokenizer.bos_token_id, id_of(vocabulary.tokenizer, "▁<PRE>"))


@pytest.mark.parametrize("after", ["of it", " of it"])
def test_what_follows_has_a_blank_only_where_it_was_typed(after: str) -> None:
    vocabulary = Vocabulary(with_marks(tiny.metaspace(), "▁<PRE>", "▁<SUF>", "▁<MID>"), trailing_end=False)
    ids = vocabulary.encode_gap("The mean", after)
    place = ids.index(id_of(vocabulary.tokenizer, "▁<SUF>"))
    assert vocabulary.decode(ids[place + 1 : -1], [ids[place]]).lstrip("\n") == after


def test_a_model_may_read_what_follows_first() -> None:
    vocabulary = Vocabulary(with_marks(tiny.byte_level(), "[PREFIX]", "[SUFFIX]"), trailing_end=False)
    ids = vocabulary.encode_gap("ab", "cd")
    first, second = (id_of(vocabulary.tokenizer, name) for name in ("[PREFIX]", "[SUFFIX]"))
    assert ids == [second, *vocabulary.encode("cd"), first, *vocabulary.encode("ab")]


def test_a_vocabulary_without_marks_fills_no_gap() -> None:
    assert Vocabulary(tiny.byte_level(), trailing_end=False).gap_ends is None
    assert find_gap({"<fim_prefix>": 1, "<fim_suffix>": 2}) is None


@pytest.mark.parametrize("line", MARKS, ids=lambda line: line.prefix)
def test_each_line_of_the_table_is_found_by_its_own_names(line: Any) -> None:
    names = [name for name in (line.prefix, line.suffix, line.middle, *line.ends) if name]
    found = find_gap({name: number for number, name in enumerate(names)})
    assert found is not None
    assert (found.prefix, found.suffix, len(found.ends)) == (0, 1, len(line.ends))


@pytest.fixture
def filler(session: Session) -> Session:
    """A session whose model has the marks."""
    model = copy.deepcopy(tiny.make("llama")[0])  # which other tests have too
    tokenizer = with_marks(tiny.byte_level(), *STAR)
    model.resize_token_embeddings(len(tokenizer))
    session.models.register("filler", model, tokenizer)
    session.config.model = "filler"
    return session


def test_a_completion_reads_what_follows_it(filler: Session) -> None:
    done = filler.complete("The mean", suffix=" of it", max_new_tokens=4, temperature=0)
    tokenizer = Vocabulary(with_marks(tiny.byte_level(), *STAR), trailing_end=False)
    assert done.prompt_ids == tuple(tokenizer.encode_gap("The mean", " of it"))
    assert done.prompt == "The mean"
    assert "not read" not in done.footer()


def test_it_goes_on_as_if_it_had_never_paused(filler: Session) -> None:
    whole = filler.complete("The mean", suffix=" of it", max_new_tokens=8, temperature=0)
    half = filler.complete("The mean", suffix=" of it", max_new_tokens=4, temperature=0).more(4)
    assert [step.id for step in half.tokens] == [step.id for step in whole.tokens]


def test_a_message_is_followed_by_no_text(filler: Session) -> None:
    with pytest.raises(BadOption, match="followed by no text"):
        filler.complete("The mean", suffix=" of it", task="summarize")
