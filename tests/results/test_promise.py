"""A completion that is being written: one object, whose parts are waited for, and which then is a plain Completion."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import OutOfMemory
from jupyter_complete.protocol.events import Finish, Step, Timing, Token, Usage
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft
from jupyter_complete.results.promise import Promise, keep

ENDED = Finish(("length",), ("",), Usage(3), Timing())


class Writing:
    """A promise whose text has begun, and what ends it."""

    def __init__(self, *words: str) -> None:
        config = Complete()
        self.draft = Draft(Request(prompt="Say", sampling=config.to_sampling(config.checked({}))))
        for word in words:
            self.draft.take(Token(0, Step(1, word), word))
        self.waited = 0
        self.promise = Promise(self.draft, self.wait, lambda done, draft, ended: None)

    def wait(self, draft: Draft, ended: threading.Event) -> None:
        """The text ends because it is waited for."""
        self.waited += 1
        self.end()

    def end(self, error: BaseException | None = None) -> Completion:
        self.draft.take(ENDED)
        return keep(self.promise, self.draft.completion(), error)


READS: dict[str, Callable[[Completion], Any]] = {
    "text": lambda one: one.text,
    "str": str,
    "f-string": lambda one: f"{one}",
    "tokens": lambda one: one.tokens,
    "a field with a default": lambda one: one.alternatives,
    "footer": lambda one: one.footer(),
    "what a notebook shows": lambda one: one._repr_mimebundle_(),
    "vars": vars,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "replace": lambda one: replace(one, text="else"),
}


@pytest.mark.parametrize("read", READS)
def test_what_is_read_is_waited_for_and_is_the_completions(read: str) -> None:
    writing = Writing("one ", "two")
    found = READS[read](writing.promise)
    assert writing.waited == 1
    plain = Writing("one ", "two")
    expected = READS[read](plain.end())
    assert str(found) == str(expected)
    assert type(writing.promise) is Completion


FREE: dict[str, Callable[[Completion], Any]] = {
    "isinstance": lambda one: isinstance(one, Completion) and not isinstance(one, str),
    "done": lambda one: not one.done,
    "repr": lambda one: repr(one) == "<Completion 'one ': being written, 1 token so far>",
    "dir": lambda one: {"text", "more", "seed"} <= set(dir(one)),
    "hash": lambda one: one in {one},
}


@pytest.mark.parametrize("look", FREE)
def test_what_needs_no_text_does_not_wait(look: str) -> None:
    writing = Writing("one ")
    assert FREE[look](writing.promise)
    assert writing.waited == 0


def test_when_it_is_whole_it_is_the_completion_and_the_same_object() -> None:
    writing = Writing("one")
    held = [writing.promise]
    done = writing.end()
    assert held[0] is done
    assert type(done) is Completion
    assert (done.text, done.done, repr(done)) == ("one", True, "<Completion 'one': length, 1 token>")
    assert set(vars(done)) == set(vars(Writing("one").end()))


def test_a_pickle_of_it_is_one_of_the_completion() -> None:
    again = pickle.loads(pickle.dumps(Writing("one").promise))
    assert (type(again), again.text) == (Completion, "one")


def test_an_error_without_text_is_raised_by_whatever_is_read() -> None:
    writing = Writing()
    error = OutOfMemory("Memory ran out.", "Use a shorter prompt.")
    writing.end(error)
    for read in (READS["text"], READS["pickle"], READS["footer"]):
        with pytest.raises(OutOfMemory) as raised:
            read(writing.promise)
        assert raised.value is error
    assert writing.promise.done
    assert repr(writing.promise) == "<Completion: Memory ran out. Use a shorter prompt.>"


def test_text_that_came_before_an_error_is_kept() -> None:
    writing = Writing("half")
    writing.end(OutOfMemory("Memory ran out."))
    assert writing.promise.text == "half"
