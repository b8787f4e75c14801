"""What users have: every public name, magic, option, command and entry point, written out here.

A line that changes here changes somebody's notebook.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete
from jupyter_complete.cli.main import main
from jupyter_complete.notebook import arguments
from jupyter_complete.prompt.tasks import registry
from jupyter_complete.protocol.config import COMPLETE, MODEL, THREAD, Complete

NAMES = [
    "Complete",
    "CompleteError",
    "Completion",
    "Model",
    "Request",
    "Sampling",
    "Session",
    "Trace",
    "__version__",
    "compare",
    "complete",
    "complete_frame",
    "current",
    "inside",
    "last",
    "last_frame",
    "load",
    "load_ipython_extension",
    "open_trace",
    "panel",
    "register",
    "remote",
    "score",
    "stream",
    "task",
    "tokens",
    "unload_ipython_extension",
]

CELL_MAGICS = ["complete", "complete_inside", "complete_panel"]
LINE_MAGICS = [
    "complete",
    "complete_inside",
    "complete_model",
    "complete_more",
    "complete_panel",
    "complete_tasks",
    "complete_thread",
]

OPTIONS = {
    COMPLETE: """
        model -m --model, out -o --out, num -n --num, max_new_tokens -N --max-new-tokens, end --end,
        temperature -t --temperature, top_p --top-p, top_k --top-k, min_p --min-p,
        repetition_penalty --repetition-penalty, stop --stop, suffix --suffix, seed --seed,
        sampling --sampling, beams --beams, echo --echo, chat --chat, thread --thread, think --think,
        think_tokens --think-tokens, task --task, to --to, from_ --from,
        question --question, length --length, context --context, raw --raw, error --error, format --format,
        dry_run --dry-run, score --score, inspect --inspect, trace --trace, choices --choices, regex --regex,
        json --json, cell --cell, background --background
    """,
    MODEL: "dtype --dtype, device --device, key_env --key-env",
    THREAD: "drop --drop",
}
MODEL_WORDS = {"use", "load", "plan", "list", "status", "unload", "connect"}
COMMANDS = {"demo", "fetch", "models", "plan", "doctor", "serve"}


def declared(options: str) -> dict[str, tuple[str, ...]]:
    """The flags of each option."""
    words = [option.split() for option in options.split(",")]
    return {name: tuple(flags) for name, *flags in words}


def test_the_public_names_are_these() -> None:
    assert len(NAMES) == 27
    assert sorted(jupyter_complete.__all__) == NAMES


def test_the_magics_are_these(shell: InteractiveShell) -> None:
    magics = shell.magics_manager.magics
    assert sorted(name for name in magics["cell"] if name.startswith("complete")) == CELL_MAGICS
    assert sorted(name for name in magics["line"] if name.startswith("complete")) == LINE_MAGICS


@pytest.mark.parametrize("of", OPTIONS)
def test_the_options_have_these_flags(of: str) -> None:
    assert {name: trait.metadata["flag"] for name, trait in Complete.flagged(of)} == declared(OPTIONS[of])


def test_complete_model_takes_these_words() -> None:
    assert set(arguments.WORDS) == MODEL_WORDS


def test_the_commands_are_these(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("{")[2].partition("}")[0]
    assert set(listed.split(",")) == COMMANDS


def test_the_entry_points_are_these() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"jupyter-complete": "jupyter_complete.cli.main:main"}
    assert registry.GROUP == "jupyter_complete.tasks"
