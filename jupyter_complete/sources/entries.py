"""The models of the catalogue, one entry a model. All that is said of them elsewhere is derived from this table.

Parameters are the numbers that the models' publishers state, so they are rounded, and what is derived from them is
"about". A revision stands here only where it was compared with the hub's own answer. Without it, the first fetch
resolves the branch main to a commit and keeps it (pins.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Use = Literal["base", "instruct", "instruct, thinking"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue.

    `gguf` is a repository with GGUF files, and `kind` the one to take from it. `bits` is the size of a weight as the
    repository `hub_id` stores it. `active` is the number of parameters that a token reads, where it is not all of them.
    `family` is transformers' model type of the text model, and `compiled` says that the compiled int8 step runs it.
    `gated` says that the hub asks for a login.
    """

    name: str
    title: str
    hub_id: str
    family: str
    parameters: int
    licence: str
    use: Use
    languages: str
    gguf: str = ""
    kind: str = "Q4_K_M"
    revision: str | None = None
    gguf_revision: str | None = None
    bits: int = 16
    active: int | None = None
    compiled: bool = False
    gated: bool = False


ENTRIES = (
    Entry(
        name="smollm2",
        title="SmolLM2 135M Instruct, the default",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        family="llama",
        parameters=134_515_008,
        licence="Apache-2.0",
        use="instruct",
        languages="English",
        compiled=True,
    ),
    Entry(
        name="smollm2-360m",
        title="SmolLM2 360M Instruct",
        hub_id="HuggingFaceTB/SmolLM2-360M-Instruct",
        family="llama",
        parameters=360_000_000,
        licence="Apache-2.0",
        use="instruct",
        languages="English",
        gguf="HuggingFaceTB/SmolLM2-360M-Instruct-GGUF",
        kind="Q8_0",
        compiled=True,
    ),
    Entry(
        name="smollm2-1.7b",
        title="SmolLM2 1.7B Instruct",
        hub_id="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        family="llama",
        parameters=1_700_000_000,
        licence="Apache-2.0",
        use="instruct",
        languages="English",
        gguf="HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
        compiled=True,
    ),
    Entry(
        name="smollm3",
        title="SmolLM3 3B",
        hub_id="HuggingFaceTB/SmolLM3-3B",
        family="smollm3",
        parameters=3_080_000_000,
        licence="Apache-2.0",
        use="instruct, thinking",
        languages="6 European",
        gguf="ggml-org/SmolLM3-3B-GGUF",
        compiled=True,
    ),
    Entry(
        name="qwen3-0.6b",
        title="Qwen3 0.6B",
        hub_id="Qwen/Qwen3-0.6B",
        family="qwen3",
        parameters=600_000_000,
        licence="Apache-2.0",
        use="instruct, thinking",
        languages="119",
        gguf="Qwen/Qwen3-0.6B-GGUF",
        kind="Q8_0",
        compiled=True,
    ),
    Entry(
        name="qwen3-0.6b-base",
        title="Qwen3 0.6B Base",
        hub_id="Qwen/Qwen3-0.6B-Base",
        family="qwen3",
        parameters=600_000_000,
        licence="Apache-2.0",
        use="base",
        languages="119",
        compiled=True,
    ),
    Entry(
        name="qwen3-4b",
        title="Qwen3 4B Instruct 2507",
        hub_id="Qwen/Qwen3-4B-Instruct-2507",
        family="qwen3",
        parameters=4_020_000_000,
        licence="Apache-2.0",
        use="instruct",
        languages="119",
        gguf="unsloth/Qwen3-4B-Instruct-2507-GGUF",
        compiled=True,
    ),
    Entry(
        name="qwen3.5-2b",
        title="Qwen3.5 2B",
        hub_id="Qwen/Qwen3.5-2B",
        family="qwen3_5_text",
        parameters=2_000_000_000,
        licence="Apache-2.0",
        use="instruct, thinking",
        languages="201",
        gguf="unsloth/Qwen3.5-2B-GGUF",
    ),
    Entry(
        name="gemma3-1b",
        title="Gemma 3 1B",
        hub_id="google/gemma-3-1b-it",
        family="gemma3_text",
        parameters=1_000_000_000,
        licence="Gemma",
        use="instruct",
        languages="many",
        gguf="ggml-org/gemma-3-1b-it-GGUF",
        compiled=True,
        gated=True,
    ),
    Entry(
        name="gemma4-e2b",
        title="Gemma 4 E2B",
        hub_id="google/gemma-4-E2B-it",
        family="gemma4_text",
        parameters=5_100_000_000,
        active=2_300_000_000,
        licence="Apache-2.0",
        use="instruct, thinking",
        languages="over 140",
        gguf="unsloth/gemma-4-E2B-it-GGUF",
    ),
    Entry(
        name="llama3.2-1b",
        title="Llama 3.2 1B Instruct",
        hub_id="meta-llama/Llama-3.2-1B-Instruct",
        family="llama",
        parameters=1_230_000_000,
        licence="Llama 3.2",
        use="instruct",
        languages="8",
        gguf="bartowski/Llama-3.2-1B-Instruct-GGUF",
        compiled=True,
        gated=True,
    ),
    Entry(
        name="granite4-350m",
        title="Granite 4.0 350M",
        hub_id="ibm-granite/granite-4.0-350m",
        family="granitemoehybrid",
        parameters=350_000_000,
        licence="Apache-2.0",
        use="instruct",
        languages="12",
        gguf="ibm-granite/granite-4.0-350m-GGUF",
    ),
    Entry(
        name="lfm2.5-1.2b",
        title="LFM2.5 1.2B Instruct",
        hub_id="LiquidAI/LFM2.5-1.2B-Instruct",
        family="lfm2",
        parameters=1_170_000_000,
        licence="LFM Open 1.0",
        use="instruct",
        languages="8",
        gguf="LiquidAI/LFM2.5-1.2B-Instruct-GGUF",
    ),
    Entry(
        name="phi4-mini",
        title="Phi-4-mini Instruct",
        hub_id="microsoft/Phi-4-mini-instruct",
        family="phi3",
        parameters=3_800_000_000,
        licence="MIT",
        use="instruct",
        languages="23",
        gguf="unsloth/Phi-4-mini-instruct-GGUF",
    ),
    Entry(
        name="ministral3-3b",
        title="Ministral 3 3B Instruct",
        hub_id="mistralai/Ministral-3-3B-Instruct-2512",
        family="ministral3",
        parameters=3_400_000_000,
        licence="Apache-2.0",
        use="instruct",
        languages="over 11",
        gguf="mistralai/Ministral-3-3B-Instruct-2512-GGUF",
        bits=8,
        compiled=True,
    ),
    Entry(
        name="gpt2",
        title="GPT-2 124M, for teaching",
        hub_id="openai-community/gpt2",
        family="gpt2",
        parameters=124_000_000,
        licence="MIT",
        use="base",
        languages="English",
        bits=32,
        compiled=True,
    ),
)
