"""A completion as code: run in IPython, it gives the same tokens, whatever was asked and whatever the settings are."""

from __future__ import annotations

from typing import Any

import echoes
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.notebook.as_code import as_code
from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session

PROMPTS = [
    "The mean",
    "trailing blanks  ",
    "a last newline\n",
    "three\n\n\n",
    "\n",
    "\n\n\n",
    "\n  first line empty",
    " ",
    "   indented\n     more",
    "?what",
    "what?",
    "what??",
    "%matplotlib inline",
    "%%complete -N 3\nx",
    "!ls",
    "a = !ls {x} $y",
    ">>> prompt\n... signs",
    "In [1]: x",
    "\ttab\t",
    'quotes " \' \\ \\n """',
    "carriage\rreturn\r\nand form\x0cfeed \x85 \u2028 x",
    "数据科学 👩‍👩‍👧‍👦",
]
STOPS = [
    "\n",
    "\n\n",
    "a b",
    '"',
    "'",
    "\"'",
    "\\",
    "\\n",
    "-x",
    "--",
    "\t",
    " ",
    "é",
    "{x}",
    "$y",
    "#",
    "%",
    "\r",
    "\u2028",
    "\xa0",
]

prompts = st.sampled_from(PROMPTS) | st.text(
    st.characters(codec="utf-8") | st.sampled_from(" \n\t\r?%!\"'\\>"), min_size=1, max_size=12
)
stops = st.lists(st.sampled_from(STOPS) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=3), max_size=2)
options = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.0, 0.3, 1.0, 1.7]),
        "top_p": st.sampled_from([0.5, 0.95, 1.0]),
        "top_k": st.sampled_from([0, 5, 50]),
        "min_p": st.sampled_from([0.0, 0.05, 1e-05]),
        "repetition_penalty": st.sampled_from([1.0, 1.3]),
        "stop": stops,
        "seed": st.integers(0, 2**63 - 9),
        "max_new_tokens": st.integers(1, 6),
    },
)
# how a completion is made of the one before it
ways = st.lists(
    st.tuples(st.sampled_from(["more", "anew", "token", "other"]), st.integers(0, 10), options), min_size=0, max_size=3
)
shared = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def ids(one: Completion | None) -> list[int]:
    assert one is not None
    return [step.id for step in one.tokens]


def run(shell: InteractiveShell, session: Session, code: str) -> Completion:
    """What the code, run as a cell, completes."""
    before = session.last
    shell.run_cell(code).raise_error()
    assert session.last is not None
    assert session.last is not before
    return session.last


def went(session: Session, one: Completion, way: str, number: int, changed: dict[str, Any]) -> Completion:
    """A completion that goes on from `one`."""
    if way == "more":
        return session.more(one, **changed).result()
    at = number % (len(one.tokens) + 1)
    if way == "anew":
        return session.branch(one, at, **changed).result()
    top = one.tokens[at].top if at < len(one.tokens) else ()
    token = top[number % len(top)].id if top and way == "token" else 3 + number
    return session.branch(one, at, token, **changed).result()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_completed_again_as_it_was(shell: InteractiveShell, session: Session, prompt: str) -> None:
    one = session.complete(prompt, max_new_tokens=4)
    again = run(shell, session, as_code(one, session.config))
    assert (again.prompt, ids(again)) == (prompt, ids(one))


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_text_stops_again(shell: InteractiveShell, session: Session, stop: str) -> None:
    one = session.complete("The mean", max_new_tokens=4, stop=[stop])
    assert run(shell, session, as_code(one, session.config)).params.stop == (stop,)


FORMS = [
    {"choices": ["yes", "no, not at all"]},
    {"choices": ["a\nb", 'say "it\'s"']},
    {"regex": r"(?:\\|a| \d)+", "max_new_tokens": 5},
    {"regex": '"[ab]"', "max_new_tokens": 5},
    {"json": {"type": "string", "maxLength": 3}, "max_new_tokens": 5},
    {"json": {"const": "it's"}, "max_new_tokens": 5},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_asked_for_again(shell: InteractiveShell, session: Session, form: dict[str, Any]) -> None:
    one = session.complete("The mean", **form)
    again = run(shell, session, as_code(one, session.config))
    assert (ids(again), again.value, again.choices) == (ids(one), one.value, one.choices)


def test_a_schema_is_asked_for_by_its_name(shell: InteractiveShell, session: Session) -> None:
    shell.user_ns["Size"] = {"enum": ["S", "M"]}
    one = session.complete("The mean", json="Size", seed=1)
    assert as_code(one, session.config) == "%%complete --seed 1 --json Size\nThe mean"


def test_what_goes_on_after_a_choice_is_python(shell: InteractiveShell, session: Session) -> None:
    one = session.more(session.complete("The mean", choices=["yes", "no"]), max_new_tokens=4).result()
    again = run(shell, session, as_code(one, session.config))
    assert ids(session.last) == ids(again) == ids(one)


def test_where_all_is_as_in_the_settings_the_cell_has_the_seed_alone(session: Session) -> None:
    one = _tiny(session).complete("The mean", max_new_tokens=4, seed=3)
    session.config.max_new_tokens = 4
    assert as_code(one, session.config) == "%%complete --seed 3\nThe mean"


def test_a_branch_is_python(session: Session) -> None:
    one = _tiny(session).complete("The mean", max_new_tokens=4, temperature=0)
    branch = session.branch(one, 2, 5).result()
    assert as_code(branch, session.config) == (
        "import jupyter_complete as jc\n"
        "\n"
        "c = jc.complete('The mean', max_new_tokens=4, temperature=0.0)\n"
        "c = c.branch(at=2, token=5)"
    )


def test_a_text_of_several_lines_stands_in_as_many(session: Session) -> None:
    one = _tiny(session).complete("The mean\n\nis", max_new_tokens=4, temperature=0)
    branch = session.branch(one, 2, 5).result()
    assert as_code(branch, session.config).splitlines()[2:6] == [
        "c = jc.complete(",
        "    'The mean\\n'",
        "    '\\n'",
        "    'is', max_new_tokens=4, temperature=0.0)",
    ]


def test_another_model_is_named(session: Session) -> None:
    _tiny(session).models.register('my "own" model', *echoes.make())
    one = session.complete("The mean", max_new_tokens=2, model='my "own" model', seed=3)
    assert as_code(one, session.config).startswith("""%%complete -m 'my "own" model' -N 2""")


def test_settings_that_have_stop_texts_are_put_off(shell: InteractiveShell, session: Session) -> None:
    one = session.complete("The mean", max_new_tokens=4)
    session.config.stop = ["e"]
    assert run(shell, session, as_code(one, session.config)).params.stop == ()


def test_settings_that_ask_for_several_are_put_off(shell: InteractiveShell, session: Session) -> None:
    one = session.complete("The mean", max_new_tokens=4, temperature=0)
    session.config.num = 3
    assert run(shell, session, as_code(one, session.config)).alternatives == ()


def test_one_of_several_is_made_by_itself(shell: InteractiveShell, session: Session) -> None:
    other = session.complete("The mean", max_new_tokens=6, num=3).alternatives[1]
    assert ids(run(shell, session, as_code(other, session.config))) == ids(other)


def test_one_of_several_continuations_is_made_by_itself(shell: InteractiveShell, session: Session) -> None:
    one = session.complete("The mean", max_new_tokens=3)
    other = session.more(one, num=3).result().alternatives[1]
    assert ids(run(shell, session, as_code(other, session.config))) == ids(other)


def test_the_best_of_a_beam_search_is_found_again(shell: InteractiveShell, session: Session) -> None:
    one = session.complete("The mean", max_new_tokens=6, beams=3, num=2)
    assert ids(run(shell, session, as_code(one, session.config))) == ids(one)


def test_one_of_several_beams_is_found_again(shell: InteractiveShell, session: Session) -> None:
    other = session.complete("The mean", max_new_tokens=6, beams=3, num=3).alternatives[1]
    again = session.more(other, num=2, max_new_tokens=3).result().alternatives[0]
    for one in (other, again):
        shell.run_cell(as_code(one, session.config)).raise_error()
        assert ids(shell.user_ns["c"]) == ids(one)


def test_what_was_interrupted_ends_at_the_same_token(
    shell: InteractiveShell, session: Session, echo: EchoModel
) -> None:
    echo.delay = 0.01  # else it is done before it is left
    stream = session.stream("The mean", max_new_tokens=200, seed=3)
    for _ in stream:
        if len(stream.draft.texts[0]) > 5:
            break
    one = stream.completion()
    assert one.finish_reason == "interrupted"
    assert ids(run(shell, session, as_code(one, session.config))) == ids(one)


@shared
@given(prompt=prompts, asked=options, changed=options, way=ways)
def test_the_code_of_a_completion_gives_the_same_tokens(
    shell: InteractiveShell,
    session: Session,
    prompt: str,
    asked: dict[str, Any],
    changed: dict[str, Any],
    way: list[tuple[str, int, dict[str, Any]]],
) -> None:
    defaults = {name: getattr(session.config, name) for name in changed}
    one = session.complete(prompt, **{"max_new_tokens": 5, **asked})
    for step in way:
        one = went(session, one, *step)
    try:
        for name, value in changed.items():
            setattr(session.config, name, value)
        again = run(shell, session, as_code(one, session.config))
    finally:
        for name, value in defaults.items():
            setattr(session.config, name, value)
    assert (again.prompt, ids(again), again.text) == (one.prompt, ids(one), one.text)


def _tiny(session: Session) -> Session:
    session.models.register("tiny", *echoes.make())
    session.config.model = "tiny"
    return session
