"""A GGUF file and the model that it was made from give the same logits, for each family."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import gguf_families
import pytest
import steps
import torch

from jupyter_complete.engine.weights import load
from jupyter_complete.engine.weights.gguf.convert import convert

CLOSE = 2e-4
DIFFERENCES: dict[str, float] = {}


@pytest.fixture(scope="module", autouse=True)
def printed() -> Iterator[None]:
    """Print the largest difference of each family in the end."""
    yield
    for name, difference in DIFFERENCES.items():
        print(f"\n{name:20} {difference:.1e}", end="")


def logits(model: Any, length: int) -> Any:
    draw = random.Random(length)
    with torch.inference_mode():
        return model(torch.tensor([[draw.randrange(3, 400) for _ in range(length)]])).logits


@pytest.mark.parametrize("name", gguf_families.CASES)
def test_the_file_has_the_logits_of_the_model_it_was_made_from(name: str, tmp_path: Path, empty_cache: Path) -> None:
    case = gguf_families.CASES[name]
    made = gguf_families.model(case)
    path = gguf_families.write(tmp_path / "model.gguf", case, made)
    folder = steps.result(convert(path, path.name, StopEvent()))
    read = load.read(folder, name, torch.float32, "cpu").model
    for length in case.lengths:
        wanted, found = logits(made, length), logits(read, length)
        assert wanted.std() > 0.05
        difference = float((wanted - found).abs().max())
        DIFFERENCES[name] = max(difference, DIFFERENCES.get(name, 0.0))
        assert difference < CLOSE, f"{name}: {difference:.1e} of logits that spread by {float(wanted.std()):.2f}"
