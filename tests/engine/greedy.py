"""transformers' own greedy generation, for every tiny architecture."""

from __future__ import annotations

from typing import Any

import tiny
import torch

from jupyter_complete.engine.local import LocalEngine

ARCHITECTURES = [*tiny.CAUSAL, *tiny.ENCODER_DECODER]


def generated(engine: LocalEngine, prompt: tuple[int, ...], **options: Any) -> list[int]:
    """What transformers' own greedy generation adds to `prompt`."""
    ids = torch.tensor([prompt])
    mask = torch.ones_like(ids)
    rows = engine.model.generate(ids, attention_mask=mask, do_sample=False, pad_token_id=0, **options)
    start = 1 if engine.model.config.is_encoder_decoder else len(prompt)
    return list(rows[0, start:].tolist())
