"""A short run of make torture: random acts, and the text compared after each."""

from __future__ import annotations

from typing import Any

import pytest
import torture
from lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.heavy, pytest.mark.timeout(900)]


@pytest.mark.parametrize("front", ["lab", "notebook"])
def test_nothing_that_was_typed_or_written_is_lost(lab: Lab, browser: Any, front: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    begun = torture.Torture(lab, torture.window_of(context), 1, front)
    for _ in range(30):
        begun.step()
    context.close()
    lab.stop_kernels()
