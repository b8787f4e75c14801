"""Whether a model goes on from its cache as if the text had been read in one pass.

Some forward passes begin anew when they are given several tokens behind a recurrent state, and some models keep the
state in their own modules, where another text overwrites it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from .transformers_cache import CROPPED, SLIDING, TransformersCache
from .transformers_pass import CausalRunner, RereadingRunner, new_cache, parameters

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel

Reading = Literal["chunks", "whole", "again"]  # in chunks, the prompt in one pass, or all of the text for each token

CHUNKS = (19, 11, 7, 1, 1)  # lengths of the passes of the check
WHOLE = (37, 1, 1)
TOLERANCE = 0.02  # of the largest logit; 16-bit passes that add in another order differ by about so much


def reading(model: PreTrainedModel) -> Reading:
    """Return how a model can be read: by its kinds of layers where these are plain, else by two passes of it."""
    taken = parameters(model)
    if not {"past_key_values", "cache_params"} & set(taken):
        return "again"
    try:
        kinds = {type(layer).__name__ for layer in new_cache(model).layers}
        plain = bool(kinds) and kinds <= {*CROPPED, SLIDING} and not getattr(model, "_is_stateful", False)
        if plain or chunk_difference(model, CHUNKS) <= TOLERANCE:
            return "chunks"
        return "whole" if chunk_difference(model, WHOLE) <= TOLERANCE else "again"
    except Exception:  # a model's own code may raise anything when it is given a cache that it does not know
        return "again"


def chunk_difference(model: PreTrainedModel, chunks: Sequence[int] = CHUNKS) -> float:
    """Return the largest difference of a logit, by the largest logit, between two readings of one text.

    One reading is a pass without a cache. The other has passes of `chunks` tokens with a cache, and a pass of another
    text before each. NaN counts as infinite.
    """
    size = model.get_input_embeddings().num_embeddings
    drawn = torch.randint(0, size, (2, sum(chunks)), generator=torch.Generator().manual_seed(3)).tolist()
    expected = RereadingRunner(model).forward(drawn[:1], every=True)[0]
    mine, other = (CausalRunner(model, TransformersCache(new_cache(model))) for _ in range(2))
    found, done = [], 0
    for length in chunks:
        other.forward([drawn[1][done : done + length]])
        found.append(mine.forward([drawn[0][done : done + length]], every=True)[0].clone())
        done += length
    off = (torch.cat(found).float() - expected.float()).abs().max() / expected.float().abs().max()
    return float("inf") if off.isnan() else float(off)
