"""What libraries need in a process that was forked from one in which they had threads."""

from __future__ import annotations

import os

import torch

from ...protocol.errors import CompleteError


def compute_alone(name: str, device: str) -> None:
    """Have torch and tokenizers compute in the thread that calls them: their helpers are in the other process.

    Raises CompleteError for a model on a graphics card, which a forked process cannot reach.
    """
    if device != "cpu":
        raise CompleteError(
            f"{name} is on {device}, which a forked process cannot use.",
            'Start workers by multiprocessing.set_start_method("spawn").',
        )
    torch.set_num_threads(1)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
