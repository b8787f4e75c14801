"""A trace that is written and read again is the same, whatever is in it, and writes the same file."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import jupyter_complete as jc
from jupyter_complete.results.trace import ARRAYS, PLAIN, Trace

pytestmark = pytest.mark.soak

TRACES = sorted((Path(__file__).parents[2] / "notebooks" / "traces").glob("*.trace"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FILE = "round.trace"


@cache
def recorded(name: str) -> Trace:
    return jc.open_trace(next(path for path in TRACES if path.name == name))


def same_array(one: np.ndarray, other: np.ndarray) -> bool:
    """To the bit: nan, which stands where nothing was drawn, is itself."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def same(one: Trace, other: Trace) -> bool:
    arrays = all(same_array(getattr(one, name), getattr(other, name)) for name in ARRAYS)
    plain = {name: getattr(one, name) for name in PLAIN} == {name: getattr(other, name) for name in PLAIN}
    rest = (one.sampling, one.model, one.pieces.special) == (other.sampling, other.model, other.pieces.special)
    pieces = same_array(one.pieces.blob, other.pieces.blob) and same_array(one.pieces.ends, other.pieces.ends)
    return arrays and plain and rest and pieces and one.tokens == other.tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@examples(8, 1_000)
@given(
    st.sampled_from([path.name for path in TRACES]),
    st.integers(1, 10_000),
    TEXTS,
    st.floats(0, 2),
    st.integers(0, 2**63),
    st.integers(0, 2**32 - 1),
)
def test_a_trace_comes_back_as_it_was_written(
    folder: Path, name: str, steps: int, text: str, temperature: float, seed: int, chance: int
) -> None:
    whole = recorded(name)
    few = whole.cut(1 + steps % min(8, len(whole)))
    changed = dataclasses.replace(few, sampling=dataclasses.replace(few.sampling, temperature=temperature, seed=seed))
    draw = np.random.default_rng(chance)
    falling = -np.sort(-draw.normal(size=few.head_logits.shape))
    numbers: dict[str, Any] = {"head_logits": falling.astype(few.head_logits.dtype)}
    texts = {field: text for field in ("prompt",) if hasattr(few, field)}
    changed = dataclasses.replace(changed, **numbers, **texts)
    changed.save(folder / FILE)
    back = jc.open_trace(folder / FILE)
    assert same(changed, back)
    assert back.found.keys() == changed.found.keys()
    back.save(folder / "again.trace")
    assert same(back, jc.open_trace(folder / "again.trace"))
