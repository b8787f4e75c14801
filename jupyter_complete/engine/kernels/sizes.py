"""Sizes that the packed weights, the kernels and their callers agree on. This module imports nothing heavy."""

from __future__ import annotations

ROWS = 16  # rows of a tile, and lanes of a vector
GROUP = 32  # columns that share a scale
MAX_VECTORS = 8  # vectors that one pass over the weights multiplies, and tokens of a decoding step
MAX_ENDS = 16  # end-of-text ids that the compiled step compares a token with
