"""The tokenizer of a model directory: transformers' own, unless it gives other ids than the directory's tokenizer.json.

transformers 5 rebuilds some tokenizers from the name of a class, without the file's own rules for words and spaces.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy imports
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

PROBES = (
    "The quick  brown fox paid 3,141.59 in 2026!",
    "def mean(values):\n    return sum(values) / len(values)\n",
    "Émile didn't, I'LL see: “Ça va?” — Привет, 数据 👍🏽",
)
"""Texts whose ids tell tokenizers apart: spaces, digits, code, capitals, other scripts."""

NOTE = "jupyter_complete_note"  # the attribute of a tokenizer that says why transformers' own is not used
NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


def open_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a directory. Raises what transformers raises for one that it cannot read."""
    made = _open(folder)
    if getattr(made, "chat_template", None) is None:
        made.chat_template = _processor_template(folder)
    return made


def note_of(tokenizer: Any) -> str:
    """Why a tokenizer is not the one that transformers makes; "" where it is."""
    return str(getattr(tokenizer, NOTE, ""))


def _open(folder: Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    own, tekken = folder / "tokenizer.json", folder / "tekken.json"
    if tekken.is_file():  # for which transformers would take mistral-common's tokenizer, which reads no plain text
        if own.is_file():
            return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        return _from_tekken(tekken)
    made: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    )
    return made if not own.is_file() or _agrees(made, own) else _from_file(made, own)


def _processor_template(folder: Path) -> str | None:
    """The chat template that a model of images keeps for its processor, in a file of its own."""
    try:
        found = json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    template = found.get("chat_template") if isinstance(found, dict) else None
    return template if isinstance(template, str) else None


def tokenizer_of_file(path: Path) -> Tokenizer:
    """The rules of a tokenizer.json for whole texts, without its padding and truncation."""
    from tokenizers import Tokenizer

    file = Tokenizer.from_file(str(path))
    file.no_padding()
    file.no_truncation()
    return file


def _agrees(made: Any, path: Path) -> bool:
    """Whether a tokenizer gives the ids of its file for every probe."""
    file = tokenizer_of_file(path)
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
    note = f"transformers' {type(made).__name__} gives other ids than tokenizer.json, so the file's own rules are used"
    setattr(own, NOTE, note)
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
