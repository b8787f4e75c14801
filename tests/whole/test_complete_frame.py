"""Rows in a form that leads the text: a transformers model answers them in a batch as it does alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pandas as pd
import polars as pl
import pytest
import tiny

import jupyter_complete as jc
from jupyter_complete.session.session import Session

ROWS = {"name": ["mean", "median", "{{ n }}", "mode", "range"], "n": [1, 2, 3, 4, 5]}


TEMPLATE = "The {{ name }} of {{ n }} numbers"


OPTIONS = {"max_new_tokens": 6, "seed": 3}


FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": lambda rows: pd.DataFrame(rows),
    "polars": lambda rows: pl.DataFrame(rows, strict=False),
}


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Callable[[dict[str, list[Any]]], Any]:
    """Makes a frame of pandas, or of polars."""
    return FRAMES[request.param]


@pytest.fixture(autouse=True)
def _model(session: Session) -> None:
    """A tiny model, which never ends a text, as the session's default."""
    session.models.register("tiny", *tiny.make("qwen2"))
    session.config.model = "tiny"


def values(frame: Any, column: str) -> list[Any]:
    """A column's values, with None for what is null."""
    return [None if value != value else value for value in frame[column].to_list()]


class TestForms:
    """A row's answer in a form that was asked for: what it means is the value, and what misses it an error."""

    def test_json_gives_what_was_read(self, frame: Any) -> None:
        schema = {
            "type": "object",
            "properties": {"n": {"enum": [1, 22]}},
            "required": ["n"],
            "additionalProperties": False,
        }
        made = jc.complete_frame(frame(ROWS), TEMPLATE, into="read", json=schema, seed=1, max_new_tokens=30)
        assert all(row["n"] in (1, 22) for row in made["read"].to_list())

    def test_every_row_of_a_batch_matches_the_regex_as_it_does_alone(self, frame: Any) -> None:
        made = jc.complete_frame(frame(ROWS), TEMPLATE, into="code", regex="[a-c]{4}", **OPTIONS)
        prompts = [f"The {name} of {n} numbers" for name, n in zip(*ROWS.values(), strict=True)]
        seeds = [3 + crc32(p.encode()) for p in prompts]
        single = [
            jc.complete(p, regex="[a-c]{4}", max_new_tokens=6, seed=seed).text
            for p, seed in zip(prompts, seeds, strict=True)
        ]
        assert values(made, "code") == single
