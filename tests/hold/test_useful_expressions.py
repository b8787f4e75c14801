"""What a prompt is written with goes on working: each expression of useful.py has a text."""

from __future__ import annotations

import pytest
import torch  # noqa: F401
from useful import USEFUL, names

from jupyter_complete.prompt.variables.fill import fill
from jupyter_complete.protocol.prompt_parts import plain

pytestmark = pytest.mark.soak


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("source", USEFUL)
def test_a_useful_expression_has_a_text(source: str) -> None:
    assert plain(fill(f"{{{{ {source} }}}}", names())).strip()


def test_there_are_as_many_as_are_promised() -> None:
    assert len(USEFUL) >= 240
