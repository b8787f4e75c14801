"""Each promise of docs/promises.md names a test that exists, and its figures are written by the run itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import page
import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+) \| `(tests/\S+\.py)::(\w+)` \|$", re.MULTILINE)
ROWS = ROW.findall(page.PAGE.read_text(encoding="utf-8"))


def test_promises_are_numbered_from_1() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) > 10


@pytest.mark.parametrize(("file", "name"), [(file, name) for _, _, file, name in ROWS])
def test_the_test_of_each_promise_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


def test_figures_are_put_between_the_markers(tmp_path: Path) -> None:
    copy = tmp_path / "promises.md"
    copy.write_text(page.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    for figure in (7, 8):
        page.write({"interrupts": {"sent": figure}}, copy)
    text = copy.read_text(encoding="utf-8")
    assert text.count("| interrupts | sent | 8 |") == 1
    assert "| interrupts | sent | 7 |" not in text
    assert ROW.findall(text) == ROWS
