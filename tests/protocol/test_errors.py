"""Every error is one sentence and what to do about it."""

from __future__ import annotations

import pickle

import pytest

from jupyter_complete.protocol import errors
from jupyter_complete.protocol.errors import BadOption, CompleteError, EmptyPrompt, UnknownModel

ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, CompleteError)]


def test_a_notebook_shows_what_happened_and_what_to_do() -> None:
    error = UnknownModel("There is no model xyz.", "Try smollm2.")
    assert error._render_traceback_() == ["UnknownModel: There is no model xyz.", "  → Try smollm2."]


def test_without_a_hint_there_is_one_line() -> None:
    assert CompleteError("It broke.")._render_traceback_() == ["CompleteError: It broke."]


def test_as_text_it_is_both_sentences() -> None:
    assert str(UnknownModel("There is no model xyz.", "Try smollm2.")) == "There is no model xyz. Try smollm2."
    assert str(CompleteError("It broke.")) == "It broke."


@pytest.mark.parametrize(
    ("error", "builtin"), [(BadOption, ValueError), (EmptyPrompt, ValueError), (UnknownModel, LookupError)]
)
def test_code_that_catches_the_builtin_kind_catches_it(error: type[CompleteError], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


@pytest.mark.parametrize("error", ALL)
def test_it_travels_between_processes(error: type[CompleteError]) -> None:
    again = pickle.loads(pickle.dumps(error("It broke.", "Mend it.")))
    assert (type(again), again.message, again.hint) == (error, "It broke.", "Mend it.")


@pytest.mark.parametrize("code", ["\x1b]52;c;ZXZpbA==\x07", "\x1b[2J", "\x9b31m", "\u202e", "\u2066", "\x00", "\ud83d"])
def test_codes_in_a_name_are_shown_and_not_obeyed(code: str) -> None:
    error = UnknownModel(f"There is no model {code}.", f"Did you mean {code}?")
    for said in (error.message, error.hint, str(error), *error._render_traceback_()):
        assert not set(code) & set(said) & set("\x1b\x07\x9b\u202e\u2066\x00\ud83d")
        assert said.encode()
