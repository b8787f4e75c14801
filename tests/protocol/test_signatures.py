"""A call shows its options by name, type and default: what is declared in config, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import options as declared
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete as jc
from jupyter_complete.frames.accessor import _completer
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.options import FrameOptions, Options

ONE = set(Options.__annotations__)
CALLS: list[tuple[Callable[..., Any], set[str], set[str]]] = [
    (jc.complete, {"prompt"}, ONE),
    (jc.stream, {"prompt"}, ONE),
    (jc.score, {"text"}, ONE - {"score"}),
    (jc.compare, {"first", "second"}, ONE - {"score"}),
    (jc.inside, {"what"}, ONE - {"trace"}),
    (jc.Model.complete, {"self", "prompt"}, ONE - {"model"}),
    (jc.complete_frame, {"frame", "template", "into"}, set(FrameOptions.__annotations__)),
    (_completer(jc.complete_frame).__call__, {"self", "template", "into"}, set(FrameOptions.__annotations__)),
]


@pytest.mark.parametrize(("call", "own", "options"), CALLS, ids=[call.__qualname__ for call, *_ in CALLS])
def test_every_option_is_in_the_signature(call: Callable[..., Any], own: set[str], options: set[str]) -> None:
    shown = inspect.signature(call).parameters
    assert own <= set(shown)
    assert options <= set(shown)
    assert not [one for one in shown.values() if one.kind is inspect.Parameter.VAR_KEYWORD]
    traits = Complete.class_traits()
    assert {name: shown[name].default for name in options} == {name: traits[name].default() for name in options}


def test_what_is_shown_is_what_is_declared() -> None:
    names = [name for name, _ in declared.python_options()]
    assert set(names) == ONE


def test_a_continuation_shows_what_it_can_change() -> None:
    shown = set(inspect.signature(jc.Completion.branch).parameters)
    assert {"at", "token", "temperature", "seed", "inspect"} <= shown
    assert not {"model", "task", "choices"} & shown
    assert "temperature" in inspect.signature(jc.Completion.more).parameters


def test_the_question_mark_shows_them(shell: InteractiveShell) -> None:
    shell.user_ns["jc"] = jc
    found = shell.object_inspect("jc.complete")
    assert "max_new_tokens: int = 100" in found["definition"]
    assert "**" not in found["definition"]


@pytest.mark.parametrize("call", ["jc.complete('x', ", "jc.score('x', ", "jc.complete_frame(df, 'x', "])
def test_tab_completes_them(shell: InteractiveShell, call: str) -> None:
    shell.user_ns["jc"] = jc
    line = f"{call}repetition_pen"
    with provisionalcompleter():
        offered = [one.text for one in shell.Completer.completions(line, len(line))]
    assert offered == ["repetition_penalty="]
