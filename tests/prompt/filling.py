"""What the tests of variables share: a text with its values, or why it is refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from jupyter_complete.prompt.variables.fill import fill
from jupyter_complete.protocol.errors import BadPrompt
from jupyter_complete.protocol.prompt_parts import plain


def text(template: str, **names: Any) -> str:
    return plain(fill(template, names))


def refusal(template: str, **names: Any) -> BadPrompt:
    with pytest.raises(BadPrompt) as caught:
        fill(template, names)
    assert caught.value.hint
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    return caught.value


def wine() -> pd.DataFrame:
    return pd.DataFrame({"alcohol": [14.5, 12.5], "hue": [1.0, 0.9]})


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]
