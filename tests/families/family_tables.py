"""What is left out of the contract, what is refused, and what is known to fail: each with its reason.

A test checks that every line is still true, so that no line outlives its reason.
"""

from __future__ import annotations

from tiny_family import ENCODERS, Family, families

# Types of which transformers itself makes no tiny model here, and a part of what it says.
UNBUILT: dict[str, str] = {
    "gemma3n": "requires the timm library",
    "musicgen": "has no attribute 'dropout'",
    "musicgen_melody": "has no attribute 'dropout'",
}

# Types whose directory is refused when it is loaded, and a part of the sentence.
REFUSED: dict[str, str] = {
    **{kind: f"is an encoder \\({kind}\\), which reads a text in both directions" for kind in ENCODERS},
    "voxtral_realtime-seq2seq": "Unrecognized configuration class",
    **{kind: f"\\({kind}\\) cannot continue a text here" for kind in ("blt", "cpmant", "xlm", "xlnet")},
}

# What fails: {type: {check: reason}}. A check is the name of a test class and of a test.
KNOWN: dict[str, dict[str, str]] = {}


# Families that this year's users run, which `make test` checks; `make families` checks all.
OF_THE_YEAR = (
    "llama",
    "qwen3",
    "qwen3_5",
    "gemma3",
    "gemma4",
    "smollm3",
    "granitemoehybrid",
    "lfm2",
    "phi3",
    "gpt_oss",
    "mamba",
    "jamba",
    "t5-seq2seq",
)


def contract() -> tuple[Family, ...]:
    """Every family that is held to the contract."""
    return tuple(one for one in families() if one.name not in UNBUILT and one.name not in REFUSED)
