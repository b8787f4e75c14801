"""A process may be killed while it packs, converts or compiles, meet another one, or a full disk: the next start works.

killed.py does it, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soak
import torch  # noqa: F401

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each kind of work."""
    folder, count = tmp_path_factory.mktemp("killed"), soak.count(1, 50)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("killed.py")), str(folder), str(count)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=1_200,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    kinds: dict[str, dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    for name, one in kinds.items():
        soak.note("kills", **{f"{name}: kills": one["killed"]})
    return kinds


def test_after_a_kill_beside_another_or_on_a_full_disk_the_next_start_works(found: dict[str, dict[str, Any]]) -> None:
    assert {name: one["wrong"] for name, one in found.items() if one["wrong"]} == {}
    assert all(not one["wanted"].startswith(("raw", "refused", "nothing")) for one in found.values())
    assert sum(one["killed"] for one in found.values())


def test_a_full_disk_is_told_in_a_sentence_or_does_without_the_cache(found: dict[str, dict[str, Any]]) -> None:
    assert sum(one["refused"] for one in found.values())
