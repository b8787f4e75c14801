"""What the tests of values share: the forms of a value, and some to tell of."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from sklearn.datasets import load_wine

from jupyter_complete.prompt.values.describe import describe
from jupyter_complete.protocol.prompt_parts import Form

matplotlib.use("agg")

WINE: Any = load_wine(as_frame=True)


def forms(value: object) -> tuple[Form, ...]:
    return describe(value, "{{ x }}")


def fullest(value: object) -> str:
    return forms(value)[0].text


def briefest(value: object) -> str:
    return forms(value)[-1].text


def frame(rows: int) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=rows)
    values = pd.DataFrame({"age": range(20, 20 + rows), "name": [f"n{row % 3}" for row in range(rows)], "day": days})
    return values.assign(score=np.linspace(0, 1, rows)).astype({"score": float})


class Plain:
    def __init__(self) -> None:
        self.size, self._hidden = 3, 4
