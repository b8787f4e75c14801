"""The kinds of blocks in GGUF files that can become tiles, and the kind of tile for each. This module imports no numba.

The numbers of the kinds are GGML's.
"""

from __future__ import annotations

from .kinds import EIGHT, FIVE, FIVE_K, FOUR, FOUR_K, SIX_K

F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 = 0, 1, 2, 3, 6, 7, 8
Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, BF16, TQ2_0, MXFP4 = 10, 11, 12, 13, 14, 20, 23, 30, 35, 39
FLOATS = (F32, F16, BF16)
BLOCKS = {  # groups and bytes of a block
    F32: (1, 128),
    F16: (1, 64),
    BF16: (1, 64),
    Q4_0: (1, 18),
    Q4_1: (1, 20),
    Q5_0: (1, 22),
    Q5_1: (1, 24),
    Q8_0: (1, 34),
    IQ4_NL: (1, 18),
    MXFP4: (1, 17),
    Q2_K: (8, 84),
    Q3_K: (8, 110),
    Q4_K: (8, 144),
    Q5_K: (8, 176),
    Q6_K: (8, 210),
    IQ4_XS: (8, 136),
    TQ2_0: (8, 66),
}
KIND_OF = {  # the kind of tile for each kind of block
    Q4_0: FOUR,
    Q4_1: FOUR,
    Q5_0: FIVE,
    Q5_1: FIVE,
    Q3_K: SIX_K,
    Q4_K: FOUR_K,
    Q5_K: FIVE_K,
    Q6_K: SIX_K,
} | dict.fromkeys((F32, F16, BF16, Q8_0, Q2_K, IQ4_NL, IQ4_XS, TQ2_0, MXFP4), EIGHT)
# Kinds whose groups have one scale and whole numbers of 8 bits around 0, from which this is subtracted.
MIDDLE = {Q4_0: 8, Q5_0: 16, Q8_0: 0, IQ4_NL: 0, IQ4_XS: 0, TQ2_0: 1, MXFP4: 0}
EXACT = tuple(sorted(KIND_OF.keys() - {F32, F16, BF16, Q2_K, IQ4_XS}))  # what tiles hold exactly
