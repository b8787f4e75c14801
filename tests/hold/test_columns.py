"""Columns of completions: odd frames, many rows, and a file of rows that was damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import soak

import jupyter_complete as jc
from jupyter_complete.frames import row_cache
from jupyter_complete.frames.accessor import register
from jupyter_complete.frames.complete_frame import complete_frame
from jupyter_complete.frames.fill import Clock, ColumnRun, RowResult
from jupyter_complete.protocol.errors import BadOption, CompleteError
from jupyter_complete.results.draft import Answers

pytestmark = pytest.mark.soak


@pytest.mark.usefixtures("echo")
class TestOddFrames:
    def test_a_lazy_frame_says_how_to_collect_it(self) -> None:
        register(complete_frame)
        lazy = pl.LazyFrame({"text": ["a"]})
        with pytest.raises(BadOption, match=r"LazyFrame.*\.collect\(\)"):
            lazy.complete("{{ text }}")  # type: ignore[attr-defined]

    @pytest.mark.parametrize("library", [pd, pl])
    def test_half_a_character_in_the_column_s_name_is_refused(self, library: Any) -> None:
        with pytest.raises(BadOption, match="half a character"):
            jc.complete_frame(library.DataFrame({"text": ["a"]}), "{{ text }}", into="new\ud83d")

    def test_what_was_noted_of_a_pandas_frame_stays(self) -> None:
        frame = pd.DataFrame({"text": ["a"]})
        frame.attrs["source"] = {"year": 2026}
        made = jc.complete_frame(frame, "{{ text }}")
        assert made.attrs == frame.attrs
        made.attrs["source"]["year"] = 2027
        assert frame.attrs["source"]["year"] == 2026

    @pytest.mark.parametrize("library", [pd, pl])
    def test_a_prompt_with_half_a_character_is_its_row_s_affair(self, library: Any) -> None:
        frame = library.DataFrame({"text": ["a", "b"]})
        made = jc.complete_frame(frame, lambda row: "half \ud83d" if row["text"] == "a" else "whole")
        assert list(made["completion"])[1]


class Uncounted(dict[Any, Any]):
    """A dict that nobody goes through."""

    def __iter__(self) -> Any:
        raise AssertionError("all rows are gone through for one of them")

    keys = values = items = __iter__  # type: ignore[assignment]


def test_what_a_row_costs_does_not_grow_with_the_rows() -> None:
    column = ColumnRun({}, {})
    column.requests, column.results = Uncounted(dict.fromkeys(range(9))), Uncounted()
    clock = Clock.__new__(Clock)
    clock._column, clock._first, clock._limit, clock._decoded, clock.ended_tokens, clock.most = column, 0, 9, 0, 0, 0
    column.add(3, RowResult({"": "text"}))
    column.add(4, RowResult(error="none"))
    assert (column.waiting, column.failed, column.rows) == (7, 1, 9)
    assert clock._progress(Answers({}, lambda key, came: None)).left == 7


def test_a_damaged_file_of_rows_gives_whole_rows_or_one_sentence(tmp_path: Path) -> None:
    path, chance, count = tmp_path / "rows.sqlite", random.Random(5), soak.count(60, 3_000)
    file = row_cache.RowCache(path)
    rows = {f"key {number}": {"": f"text {number} " * 9} for number in range(200)}
    for key, value in rows.items():
        file.keep(key, value)
    file.close()
    whole = path.read_bytes()
    for _ in range(count):
        path.write_bytes(whole)
        way = soak.damage(path, chance)
        try:
            file = row_cache.RowCache(path)
            try:
                found = file.find(rows)
                file.keep("new", {"": "text"})
            finally:
                file.close()
        except CompleteError as error:
            soak.one_sentence(error)
            continue
        assert found.items() <= rows.items(), way
    soak.note("files", **{"a file of rows: damages": count})
