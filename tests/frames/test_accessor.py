"""`df.complete(…)`: frames get it from %load_ext, from the first cell after their library, or from complete_frame."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FRAMES = ["pandas", "polars"]
SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def run(cell):
    shell.run_cell(cell).raise_error()
"""
LOAD = "run('%load_ext jupyter_complete')"


def answer(*lines: str) -> object:
    """What the last line, an expression, comes to in a fresh Python."""
    *before, last = lines
    script = "\n".join([*before, "import json", f"print(json.dumps({last}))"])
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def verb(library: str) -> str:
    return f"type(getattr(__import__({library!r}).DataFrame({{'n': [1]}}), 'complete', None)).__name__"


@pytest.mark.parametrize("library", FRAMES)
class TestRegistration:
    def test_by_load_ext_where_the_library_is_there(self, library: str) -> None:
        assert answer(SHELL, f"import {library}", LOAD, verb(library)) == "Completer"

    def test_before_the_first_cell_after_the_library_comes(self, library: str) -> None:
        run = f"run('kind = ' + {verb(library)!r})"
        assert answer(SHELL, LOAD, f"run('import {library}')", run, "shell.user_ns['kind']") == "Completer"

    def test_not_any_more_once_the_extension_is_unloaded(self, library: str) -> None:
        lines = [SHELL, LOAD, "run('%unload_ext jupyter_complete')", f"run('import {library}')", "run('1')"]
        assert answer(*lines, verb(library)) == "NoneType"

    def test_a_complete_of_somebody_else_stays(self, library: str) -> None:
        own = f"import {library}; {library}.DataFrame.complete = property(lambda frame: 1)"
        assert answer(SHELL, own, LOAD, verb(library)) == "int"


@pytest.mark.parametrize("library", FRAMES)
def test_importing_the_package_changes_neither_frames_nor_the_import_system(library: str) -> None:
    lines = ["import sys; before = list(sys.meta_path)", f"import {library}, jupyter_complete"]
    assert answer(*lines, f"[sys.meta_path == before, {verb(library)}]") == [True, "NoneType"]


@pytest.mark.parametrize("library", FRAMES)
def test_complete_frame_registers_it(library: str) -> None:
    lines = [
        f"import {library}, jupyter_complete as jc",
        f"try: jc.complete_frame({library}.DataFrame({{'n': [1]}}), 'x', num=2)",
        "except jc.CompleteError: pass",
    ]
    assert answer(*lines, verb(library)) == "Completer"
