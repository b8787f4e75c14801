"""What is left out of the contract, what is refused, and what is known to fail: each with its reason.

A test checks that every line is still true, so that no line outlives its reason.
"""

from __future__ import annotations

from tiny_family import ENCODERS, Family, families

# Types of which transformers itself makes no tiny model here, and a part of what it says.
UNBUILT: dict[str, str] = {
    "dots3_note": "SWA head_dim must equal",
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
_INDEXED = ("deepseek_v32", "dots3_note_text", "glm_moe_dsa", "hy_v4")
_CRASH = "transformers' own generate fails"

# What fails: {type: {check: reason}}. A check is the name of a test class and of a test.
KNOWN: dict[str, dict[str, str]] = {
    "deepseek_v32": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "glm_moe_dsa": dict.fromkeys((*_PASS, "rows beams"), _INDEX),
    "hy_v4": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "dots3_note_text": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "axk2": dict.fromkeys((*_PASS, "reuse extended", "rows beams"), _INDEX),
    "deepseek_v4": dict.fromkeys(("text greedy", "text score", "reuse more", "rows choices", "rows regex"), _INDEX),
    "recurrent_gemma": dict.fromkeys(_GENERATE, _CRASH),
    "xlstm": dict.fromkeys(_GENERATE, _CRASH),
    "longcat_flash": {"inside attention": "a layer has two attentions, and one of them is shown"},
    "minimax": {"inside attention": "transformers lists the states of linear layers among its attentions"},
    "hrm_text": {"inside attention": "a layer is passed several times, and its last pass is shown"},
    "falcon": {"inside occlusion": "another mask differs from transformers' own, the cause is not found"},
    "git": {"rows frame": "rows of a batch differ from single calls, the cause is not found"},
    "fsmt-seq2seq": dict.fromkeys(
        (
            "text greedy",
            "reuse the_same_prompt_again",
            "reuse edited",
            "reuse more",
            "reuse branch",
            "rows several",
            "rows choices",
            "inside occlusion",
        ),
        "differs from generate, the cause is not found",
    ),
    "prophetnet": dict.fromkeys(
        (
            *_PASS,
            "reuse extended",
            "rows beams",
            "rows frame",
            "text chat",
            "text stream",
            "default frame",
            "inside futures",
        ),
        "its n-gram streams go on from a cache in another way than from the text",
    ),
    "prophetnet-seq2seq": dict.fromkeys(
        ("text greedy", "reuse branch", "rows choices", "rows regex", "default weights", "inside futures"),
        "its n-gram streams go on from a cache in another way than from the text",
    ),
    "t5gemma2-seq2seq": dict.fromkeys(
        ("inside attention", "inside static_view", "inside static_view_by_default"),
        "one attention reads source and text, which has more places than the text has tokens",
    ),
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
