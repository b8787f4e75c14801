"""Ghost text with a transformers model: in the middle of a text, models that can fill a gap read what follows."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import tiny

from jupyter_complete.engine.text.tokenizer import Vocabulary
from jupyter_complete.ghost.mirror import Place
from jupyter_complete.ghost.writer import Wish, Writer
from jupyter_complete.session.session import Session

MARKS = {
    "Qwen2.5-Coder": (tiny.byte_level, ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")),
    "StarCoder2": (tiny.byte_level, ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
    "Code Llama": (tiny.metaspace, ("▁<PRE>", "▁<SUF>", "▁<MID>")),
}
BEFORE, AFTER = "The mean of a sample", " estimates the mean of its population."


def with_marks(session: Session, name: str) -> Any:
    """The tokenizer of a tiny model, the session's default and in memory, that has the control tokens of a family."""
    make, marks = MARKS[name]
    tokenizer = copy.deepcopy(make())
    tokenizer.add_special_tokens({"additional_special_tokens": list(marks)})
    model = copy.deepcopy(tiny.make("llama")[0])
    model.resize_token_embeddings(len(tokenizer))
    session.models.register("filler", model, tokenizer)
    session.config.model = "filler"
    session.models.load("filler", "auto", "auto").wait()
    return tokenizer


def written(session: Session, after: str) -> tuple[str, int]:
    """The ghost text between two texts, and the number of tokens that the model read for it."""
    told: list[dict[str, Any]] = []
    done = threading.Event()

    def tell(message: dict[str, Any]) -> None:
        told.append(message)
        if message["kind"] in ("done", "silent"):
            done.set()

    Writer(session).write(Wish(1, Place((), BEFORE, after), 0.0, 6, "filler", others=0), tell)
    assert done.wait(60)
    (end,) = [one for one in told if one["kind"] == "end"]
    return "".join(one["text"] for one in told if one["kind"] == "text"), end["prompt"]


@pytest.mark.parametrize("name", MARKS)
def test_in_the_middle_it_is_what_fills_the_gap(session: Session, name: str) -> None:
    vocabulary = Vocabulary(with_marks(session, name), trailing_end=False)
    text, read = written(session, AFTER)
    asked = session.complete(BEFORE, suffix=AFTER, temperature=0, max_new_tokens=6, stop=["\n"])
    assert asked.prompt_ids[-1] == vocabulary.tokenizer.convert_tokens_to_ids(MARKS[name][1][2])
    assert read == len(asked.prompt_ids) > len(vocabulary.encode(BEFORE)) + 3
    assert asked.text.startswith(text)


@pytest.mark.parametrize("name", MARKS)
def test_at_the_end_it_is_what_goes_on(session: Session, name: str) -> None:
    with_marks(session, name)
    text, read = written(session, "  \n")
    asked = session.complete(BEFORE, temperature=0, max_new_tokens=6, stop=["\n"])
    assert read == len(asked.prompt_ids)
    assert asked.text.startswith(text)
