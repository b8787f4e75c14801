"""The types of options are written from config.Complete, so that an option is still declared once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import options
import pytest

import jupyter_complete as jc
from jupyter_complete.protocol.options import FrameOptions, Options


def test_the_file_is_what_config_declares() -> None:
    assert options.FILE.read_text(encoding="utf-8") == options.source(), "write it: python tests/options.py"


def test_a_frame_has_all_options_but_those_of_a_single_completion() -> None:
    assert set(get_type_hints(Options)) - set(get_type_hints(FrameOptions)) == set(
        jc.Complete.class_traits(single=True)
    )


@pytest.mark.parametrize("verb", [jc.complete, jc.stream, jc.score, jc.compare, jc.inside, jc.complete_frame])
def test_a_verb_names_its_options_to_a_type_checker(verb: Callable[..., object]) -> None:
    assert verb.__annotations__["options"] in ("Unpack[Options]", "Unpack[FrameOptions]")


LINES = {
    'jc.complete("x", max_new_tokens=3, stop=["."], model=jc.load("smollm2"))': "",
    'jc.complete("x").more(4, temperature=1.0)': "",
    'jc.complete("x", max_new_tokns=3)': "max_new_tokns",
    'jc.score("x", temperature="warm")': "temperature",
    'jc.load("smollm2", dtype="int9")': "dtype",
    'jc.complete_frame(None, "x", num=3)': "num",
    'jc.complete("x").more(temprature=1.0)': "temprature",
}


@pytest.fixture(scope="module")
def remarks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of these lines, one numbered remark each."""
    file = tmp_path_factory.mktemp("typed") / "cell.py"
    file.write_text("\n".join(["import jupyter_complete as jc", *LINES]))
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", str(file)]
    root = Path(jc.__file__).parents[1]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=280).stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(LINES)), ids=list(LINES))
def test_a_type_checker_knows_them(remarks: str, number: int) -> None:
    here = [line for line in remarks.splitlines() if f"cell.py:{number + 2}: error" in line]
    said = list(LINES.values())[number]
    assert said in here[0] if said else not here
