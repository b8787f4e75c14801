"""Expressions that try to act, to change a value, or never to end, are refused or harmless, in bounded time and memory.

They are evaluated in a process of their own, which they may try to end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401
from escapes import ESCAPES
from examples import SOAK

pytestmark = pytest.mark.soak

HARMLESS = frozenset(
    (
        '"{0}".format(exit)',
        "smf",
        "sm.stats",
        "[hostile]",
        "0.5 in long_range",
        '"a" not in long_range',
    )
)
"""Those that come to a text, which changes nothing."""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """What became of each expression, by its source."""
    seconds = "2" if os.environ.get(SOAK) else "0.3"
    program = Path(__file__).with_name("escapes.py")
    folder = tmp_path_factory.mktemp("escapes")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), str(folder), seconds],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return {row["source"]: row for row in map(json.loads, ran.stdout.splitlines())}


def test_the_process_outlives_all_of_them(rows: dict[str, Row]) -> None:
    assert rows.keys() == set(ESCAPES)
    assert len(rows) >= 600


def test_none_changes_anything(rows: dict[str, Row]) -> None:
    assert [row for row in rows.values() if row["changed"]] == []


def test_each_is_refused_in_a_sentence_with_what_to_do_or_is_harmless(rows: dict[str, Row]) -> None:
    assert {row["source"] for row in rows.values() if row["what"] != "refused"} == HARMLESS
    refused = [row["said"] for row in rows.values() if row["what"] == "refused"]
    assert [said for said in refused if "\n" in said or not said.endswith((".", "?", ")")) or len(said) > 800] == []


def test_none_is_refused_for_a_name_that_is_missing(rows: dict[str, Row]) -> None:
    missing = {row["source"] for row in rows.values() if "is not defined" in row["said"]}
    assert missing == {"lipsum.__globals__"}


def test_memory_stays_bounded(rows: dict[str, Row]) -> None:
    sizes = [row["largest"] for row in rows.values()]
    assert sizes[-1] - sizes[0] < 2**30, "the bound of the run is half a GiB, looked at every tenth of a second"
