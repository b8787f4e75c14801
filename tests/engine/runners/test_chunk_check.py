"""How a model has to be read is found by two passes of it."""

from __future__ import annotations

import pytest
import tiny

from jupyter_complete.engine.runners.chunk_check import TOLERANCE, WHOLE, chunk_difference, reading


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("llama", "chunks"),
        ("mistral", "chunks"),
        ("gpt2", "chunks"),
        ("qwen3_5", "chunks"),
        ("lfm2", "chunks"),
        ("falcon_h1", "chunks"),
        ("bamba", "chunks"),
        ("jamba", "whole"),  # its pass of several tokens begins anew
        ("mamba", "whole"),
        ("minimax", "whole"),  # its first layer, of which the mask is made, has no length
        ("recurrent_gemma", "again"),  # the state in its modules is overwritten by another text
    ],
)
def test_each_is_read_as_its_pass_allows(name: str, way: str) -> None:
    assert reading(tiny.make(name)[0]) == way


@pytest.mark.parametrize("name", ["llama", "gemma3", "granite_h"])
def test_pieces_are_the_whole_in_a_model_that_goes_on(name: str) -> None:
    assert chunk_difference(tiny.make(name)[0]) < 1e-5


def test_the_difference_tells_a_pass_that_begins_anew() -> None:
    model = tiny.make("jamba")[0]
    assert chunk_difference(model) > 10 * TOLERANCE
    assert chunk_difference(model, WHOLE) < 1e-5
