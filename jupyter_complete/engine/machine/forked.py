"""What libraries need in a process that was forked from one in which they had threads."""

from __future__ import annotations

import os

import torch


def compute_alone() -> None:
    """Have torch and tokenizers compute in the thread that calls them: their helpers are in the other process."""
    torch.set_num_threads(1)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
