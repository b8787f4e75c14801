"""How many examples a property is tried with: few in `make test`, many in `make soak`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

SOAK = "JUPYTER_COMPLETE_SOAK"


def examples(quick: int, full: int) -> Callable[[Any], Any]:
    """Settings of hypothesis that try a property `quick` times, and `full` times in `make soak`."""
    most = full if os.environ.get(SOAK) else quick
    return settings(
        max_examples=most,
        deadline=None,
        database=None,
        derandomize=not os.environ.get(SOAK),
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
