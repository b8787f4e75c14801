"""The tokenizer of a model directory: transformers' own, unless it gives other ids than the directory's tokenizer.json.

transformers 5 rebuilds some tokenizers from the name of a class, without the file's own rules for words and spaces.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedTokenizerBase

PROBES = (
    "The quick  brown fox paid 3,141.59 in 2026!",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "Émile didn't, I'LL see: “Ça va?” — Привет, 数据 👍🏽",
)
"""Texts whose ids tell tokenizers apart: spaces, digits, code, capitals, other scripts."""

NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


class Opened(NamedTuple):
    """A tokenizer; `note` says why it is not the one that transformers makes."""

    tokenizer: PreTrainedTokenizerBase
    note: str = ""


def open_tokenizer(folder: Path) -> Opened:
    """Return the tokenizer of a directory. Raises what transformers raises for one that it cannot read."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    own, tekken = folder / "tokenizer.json", folder / "tekken.json"
    if tekken.is_file():  # for which transformers would take mistral-common's tokenizer, which reads no plain text
        if own.is_file():
            return Opened(PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True))
        return Opened(_from_tekken(tekken))
    made = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if not own.is_file() or _agrees(made, own):
        return Opened(made)
    note = f"transformers' {type(made).__name__} gives other ids than tokenizer.json, so the file's own rules are used"
    return Opened(_from_file(made, own), note)


def _agrees(made: Any, path: Path) -> bool:
    """Whether a tokenizer gives the ids of its file for every probe."""
    from tokenizers import Tokenizer

    file = Tokenizer.from_file(str(path))
    file.no_padding()
    file.no_truncation()
    return all(
        list(made(text, add_special_tokens=False)["input_ids"]) == file.encode(text, add_special_tokens=False).ids
        for text in PROBES
    )


def _from_file(made: Any, path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a file, with the special tokens and the chat template of another one."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    names = {name: value for name in NAMES if (value := getattr(made, name, None)) is not None}
    own = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(path)), clean_up_tokenization_spaces=False, **names
    )
    own.chat_template = getattr(made, "chat_template", None)
    return own


def _from_tekken(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of Mistral's own file, whose models read every text after the token that begins one.

    Raises ImportError, of one sentence, for an old file, which transformers does not read alone.
    """
    from tokenizers.processors import TemplateProcessing

    try:
        from transformers.integrations.mistral import convert_tekken_tokenizer

        made: Any = convert_tekken_tokenizer(str(path))
    except ImportError:
        raise ImportError(f"{path.name} needs mistral-common, so install it: pip install mistral-common") from None
    if made.bos_token_id is not None:
        made.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{made.bos_token} $A", special_tokens=[(made.bos_token, made.bos_token_id)]
        )
    own: PreTrainedTokenizerBase = made
    return own
