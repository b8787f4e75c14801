"""What is left out of the contract, what is refused, and what is known to fail: each with its reason.

A test checks that every line is still true, so that no line outlives its reason.
"""

from __future__ import annotations

from tiny_family import ENCODERS, Family, families

# Types of which transformers itself makes no tiny model here, and a part of what it says.
UNBUILT: dict[str, str] = {
    "gemma3n": "requires the timm library",
    "gemma4_assistant": "layer types producing a cache",
    "gemma4_unified_assistant": "layer types producing a cache",
    "musicgen": "has no attribute 'dropout'",
    "musicgen_melody": "has no attribute 'dropout'",
    "nemo_speechlm-seq2seq": "must match `audio_config.hidden_size`",
}

NO_NEXT_TOKEN = ("blt", "cpmant", "moshi", "reformer", "xlm", "xlnet")

# Types whose directory is refused when it is loaded, and a part of the sentence.
REFUSED: dict[str, str] = {
    **{kind: f"is an encoder \\({kind}\\), which reads a text in both directions" for kind in ENCODERS},
    **dict.fromkeys(("emu3", "mllama", "voxtral_realtime-seq2seq"), "Unrecognized configuration class"),
    **{kind: f"\\({kind}\\) cannot continue a text here" for kind in NO_NEXT_TOKEN},
}

_PASS = ("text greedy", "text score", "reuse the_same_prompt_again", "reuse edited", "reuse more", "reuse branch")
_PASS += ("rows several", "rows choices", "rows regex", "default weights")
_GENERATE = ("text greedy", "text chat", "text beyond_the_window", "reuse the_same_prompt_again", "reuse extended")
_GENERATE += ("reuse edited", "reuse more", "reuse branch", "rows several", "rows beams", "rows choices")
_GENERATE += ("inside attention", "inside occlusion")
_INDEX = "beyond index_topk tokens, transformers attends to others with a cache than without"
_CRASH = "transformers' own generate fails"

# What fails: {type: {check: reason}}. A check is the name of a test class and of a test.
KNOWN: dict[str, dict[str, str]] = {
    **{
        kind: dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX)
        for kind in ("deepseek_v32", "glm_moe_dsa")
    },
    "hy_v4": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "dots3_note_text": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "axk2": dict.fromkeys(_PASS, _INDEX),
    "deepseek_v4": dict.fromkeys(("text greedy", "text score", "reuse more", "rows choices", "rows regex"), _INDEX),
    "recurrent_gemma": dict.fromkeys(_GENERATE, _CRASH),
    "xlstm": dict.fromkeys(_GENERATE, _CRASH),
    "rwkv": {"rows beams": "transformers' own generate refuses beams of a state"},
}

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
