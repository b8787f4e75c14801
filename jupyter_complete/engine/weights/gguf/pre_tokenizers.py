"""How a vocabulary of byte-level BPE cuts a text into words, by the name that a GGUF header gives its pre-tokenizer."""

from __future__ import annotations

from typing import Any, NamedTuple

from tokenizers import Regex, pre_tokenizers

_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"|\s+(?!\S)|\s+"
_LINES = r"|\s*[\r\n]+" + _SPACES
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_MARKED = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"
_SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _cased(suffix: str) -> str:
    """Words that begin with capital letters or end in small ones, with a suffix."""
    before = r"[^\r\n\p{L}\p{N}]?"
    return f"{before}{_UPPER}*{_LOWER}+{suffix}|{before}{_UPPER}+{_LOWER}*{suffix}"


_LLAMA3 = f"{_SUFFIX}|{_LETTERS}|" + r"\p{N}{1,3}" + _SIGNS + _LINES
_QWEN2 = f"{_SUFFIX}|{_LETTERS}|" + r"\p{N}" + _SIGNS + _LINES
_QWEN35 = f"{_SUFFIX}|{_MARKED}|" + r"\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + _LINES
_TEKKEN = _cased("") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _LINES
_GPT4O = _cased(_SUFFIX + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _LINES
_CJK = r"[一-龥\u3040-ゟ゠-ヿ]+"
_DEEPSEEK3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"| ?[\p{P}\p{S}]+[\r\n]*" + _LINES
)
_BAILING = r"'(?i:[sdmt]|ll|ve|re)|" + _LETTERS + r"|\p{N}" + _SIGNS + r"|\s*[\r\n]" + _SPACES
_WORDS = r" ?[^(\s|.,!?…。，、।۔،)]+"
_GROUPS_OF_THREE = r"\d{1,3}(?=(?:\d{3})*\b)"


class Cut(NamedTuple):
    """Regular expressions that cut one after the other what those before left; and what a vocabulary does besides.

    `digits` cuts each digit off, `gpt2` cuts as GPT-2 does in the end. `whole` takes a word that is a token as it is,
    `begins` says that texts begin with the BOS token where the header is silent, `normal` composes accents first.
    """

    splits: tuple[str, ...] = ()
    digits: bool = False
    gpt2: bool = False
    whole: bool = False
    begins: bool = False
    normal: bool = False

    def build(self) -> Any:
        """The pre-tokenizer, whose words are spelled in the alphabet of bytes."""
        steps: list[Any] = [pre_tokenizers.Split(Regex(split), "isolated") for split in self.splits]
        if self.digits:
            steps.append(pre_tokenizers.Digits(individual_digits=True))
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=self.gpt2))
        return steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)


_DIGITS = Cut(digits=True, gpt2=True)
_GPT2 = Cut(gpt2=True)
_OF_LLAMA3 = Cut((_LLAMA3,), whole=True, begins=True)
_OF_QWEN2 = Cut((_QWEN2,), normal=True)

CUTS: dict[str, Cut] = {
    **dict.fromkeys(("gpt-2", "default", "", "mpt", "olmo", "jais", "trillion", "granite-docling"), _GPT2),
    **dict.fromkeys(("phi-2", "gigachat", "a.x-4.0", "mellum", "modern-bert", "exaone4", "jina-v2-code"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _DIGITS),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0"), _OF_LLAMA3),
    **dict.fromkeys(("lfm2", "jina-v5-nano"), _OF_LLAMA3),
    **dict.fromkeys(("dbrx", "smaug-bpe", "glm4", "chatglm-bpe"), Cut((_LLAMA3,))),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"), _OF_QWEN2),
    **dict.fromkeys(("stablelm2", "hunyuan", "solar-open", "grok-2"), Cut((_QWEN2,))),
    "qwen35": Cut((_QWEN35,), normal=True),
    "tekken": Cut((_TEKKEN,), whole=True, begins=True),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), Cut((_GPT4O,))),
    **dict.fromkeys(("tiny_aya", "cohere2moe"), Cut((_GROUPS_OF_THREE, _GPT4O))),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense", "joyai-llm"), Cut((r"\p{N}{1,3}", _CJK, _DEEPSEEK3))),
    "deepseek-coder": Cut((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}")),
    **dict.fromkeys(("bailingmoe", "bailingmoe2", "llada-moe"), Cut((_BAILING,))),
    "seed-coder": Cut((f"{_SUFFIX}|{_LETTERS}|" + r"\p{N}| ?[^\s\p{L}\p{N}\r\n]+" + _LINES,)),
    **dict.fromkeys(("poro-chat", "bloom", "gpt3-finnish"), Cut((_WORDS,))),
    "viking": Cut((_WORDS, r"\p{N}")),
    "falcon": Cut((r"[\p{P}\$\+<=>\^~\|`]+", r"[0-9][0-9][0-9]"), gpt2=True),
}

# Files from before headers named the pre-tokenizer.
OF_ARCHITECTURE = {"qwen2": "qwen2", "qwen2moe": "qwen2", "qwen2vl": "qwen2", "command-r": "command-r"}
