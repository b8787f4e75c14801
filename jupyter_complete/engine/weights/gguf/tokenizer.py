"""A tokenizer of transformers from the vocabulary in a GGUF header: BPE of bytes, SentencePiece's BPE, or unigrams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ....protocol.errors import NotAModel
from . import vocabulary
from .fields import Fields
from .pre_tokenizers import CUTS, OF_ARCHITECTURE, Cut
from .vocabulary import Kind, Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BLANK = "▁"  # how SentencePiece spells a space
GEMMA = ("gemma", "gemma2", "gemma3", "gemma3n")
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def tokenizer(fields: Fields) -> PreTrainedTokenizerBase:
    """The tokenizer that the header describes, with its chat templates; raises NotAModel for a kind not known here."""
    from transformers import PreTrainedTokenizerFast

    found = vocabulary.read(fields)
    kind = str(fields.header.metadata.get("tokenizer.ggml.model", ""))
    build = {"gpt2": _byte_level, "llama": _sentencepiece, "gemma4": _sentencepiece, "t5": _unigram}.get(kind)
    if build is None:
        raise NotAModel(f"{fields.file} has a tokenizer of kind {kind!r}, which is not known here.", "Choose another.")
    backend = build(fields, found)
    _add_tokens(backend, found)
    names = {
        name: found.tokens[id]
        for name, key in _SPECIAL.items()
        if (id := _token(fields, key)) is not None and id < len(found.tokens)
    }
    _add_ends(backend, fields, names)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        chat_template=chat_templates(fields),
        model_max_length=fields.integer("context_length", 1 << 20),
        **names,
    )


def chat_templates(fields: Fields) -> str | dict[str, str] | None:
    """The chat template of the header, or all of them by their names where it names some."""
    metadata = fields.header.metadata
    default, names = metadata.get("tokenizer.chat_template"), metadata.get("tokenizer.chat_templates")
    if not isinstance(names, list) or not names:
        return None if default is None else str(default)
    found = {str(name): str(metadata.get(f"tokenizer.chat_template.{name}", "")) for name in names}
    if default is not None:
        found["default"] = str(default)
    return found if "default" in found else {"default": next(iter(found.values())), **found}


def begins_with_bos(fields: Fields) -> bool:
    """Whether texts begin with the BOS token: as the header says, else as tokenizers of its kind do."""
    stated = fields.header.metadata.get("tokenizer.ggml.add_bos_token")
    if stated is not None:
        return bool(stated)
    kind = fields.header.metadata.get("tokenizer.ggml.model")
    return _cut(fields).begins if kind == "gpt2" else kind == "llama"


def _token(fields: Fields, name: str) -> int | None:
    """The id of a special token; SentencePiece's vocabularies have three at fixed places."""
    usual = {"bos": 1, "eos": 2, "unknown": 0} if fields.header.metadata.get("tokenizer.ggml.model") == "llama" else {}
    stated = fields.token(name)
    return usual.get(name) if stated is None else stated


def _cut(fields: Fields) -> Cut:
    name = fields.header.metadata.get("tokenizer.ggml.pre")
    architecture = fields.header.architecture
    if name is None and architecture == "llama" and fields.shape("token_embd.weight")[0] == 128_256:
        name = "llama-bpe"
    name = str(OF_ARCHITECTURE.get(architecture, "") if name is None else name)
    if name not in CUTS:
        raise NotAModel(
            f"{fields.file} cuts texts as {name!r} does, a pre-tokenizer that is not known here.",
            "Update jupyter_complete, or use the model's safetensors files.",
        )
    return CUTS[name]


def _byte_level(fields: Fields, found: Vocabulary) -> Tokenizer:
    cut = _cut(fields)
    backend = Tokenizer(models.BPE(found.ids(), _possible(found), fuse_unk=False, ignore_merges=cut.whole))
    if cut.normal:
        backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = cut.build()
    backend.decoder = decoders.ByteLevel()
    return backend


def _possible(found: Vocabulary) -> list[tuple[str, str]]:
    """The merges whose sides and result are tokens."""
    known = found.ids()
    return [(a, b) for a, b in found.merges if a in known and b in known and a + b in known]


def _sentencepiece(fields: Fields, found: Vocabulary) -> Tokenizer:
    """Merges are those of the file, else follow from the scores; spaces are spelled as a sign of their own."""
    spaces = found._replace(tokens=[_spelled(token) for token in found.tokens])
    merges = _possible(spaces) if spaces.merges else derived_merges(spaces, fields.header.architecture in GEMMA)
    unknown = spaces.tokens[_token(fields, "unknown") or 0]
    backend = Tokenizer(models.BPE(spaces.ids(), merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    prefix = fields.header.metadata.get("tokenizer.ggml.add_space_prefix", True)
    prefix = bool(prefix) and fields.header.metadata.get("tokenizer.ggml.model") == "llama"
    replaced = normalizers.Replace(" ", BLANK)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), replaced]) if prefix else replaced
    steps: list[Any] = [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return backend


def _spelled(token: str) -> str:
    """A token of several spaces as SentencePiece spells it; the file has the spaces themselves."""
    return BLANK * len(token) if token and not token.strip(" ") else token


def derived_merges(found: Vocabulary, by_place: bool = False) -> list[tuple[str, str]]:
    """The merges that the scores imply: each way to join a token from two, the best token first.

    Gemma's tokens rank by their place.
    """
    known = found.ids()
    words = {token: id for token, id in known.items() if found.kinds[id] != Kind.BYTE}
    ranks = (lambda id: float(id)) if by_place else (lambda id: -found.scores[id])
    joined = []
    for token, id in words.items():
        if found.kinds[id] == Kind.CONTROL:
            continue
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        sound = sorted((known[a], known[b]) for a, b in pairs if a in words and b in words)
        joined += [(ranks(id), place, a, b) for place, (a, b) in enumerate(sound)]
    return [(found.tokens[a], found.tokens[b]) for _, _, a, b in sorted(joined)]


def _unigram(fields: Fields, found: Vocabulary) -> Tokenizer:
    """T5's kind, which appends its end token."""
    unknown = _token(fields, "unknown")
    pieces = list(zip(_blanks(found.tokens), found.scores, strict=True))
    backend = Tokenizer(models.Unigram(pieces, unk_id=2 if unknown is None else unknown, byte_fallback=False))
    charsmap = fields.header.metadata.get("tokenizer.ggml.precompiled_charsmap")
    if isinstance(charsmap, list) and charsmap:
        mapped = normalizers.Precompiled(bytes(int(one) % 256 for one in charsmap))
        backend.normalizer = normalizers.Sequence([mapped, normalizers.Replace(Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend


def _blanks(tokens: list[str]) -> list[str]:
    """T5's hundred signs for gaps, which the file calls paddings."""
    places = [id for id, token in enumerate(tokens) if token == f"[PAD{id}]"][:100]
    names = {id: f"<extra_id_{99 - number}>" for number, id in enumerate(places)}
    return [names.get(id, token) for id, token in enumerate(tokens)]


def _add_tokens(backend: Tokenizer, found: Vocabulary) -> None:
    """Tokens that are matched whole: control tokens as special ones, the others that the file marks as plain ones."""
    backend.add_special_tokens([AddedToken(one, normalized=False) for one in found.of_kind(Kind.CONTROL) if one])
    plain = [one for one in found.of_kind(Kind.USER_DEFINED) if one.strip(" ")]
    backend.add_tokens([AddedToken(one, normalized=False) for one in plain])


def _add_ends(backend: Tokenizer, fields: Fields, names: dict[str, str]) -> None:
    """Have texts begin with the BOS token and end with the EOS token where the model was trained so."""
    kind = fields.header.metadata.get("tokenizer.ggml.model")
    ends = bool(fields.header.metadata.get("tokenizer.ggml.add_eos_token", kind == "t5"))
    before = [names["bos_token"]] if begins_with_bos(fields) and "bos_token" in names else []
    after = [names["eos_token"]] if ends and "eos_token" in names else []
    if before or after:
        backend.post_processor = processors.TemplateProcessing(
            single=[*before, "$A", *after],
            pair=[*before, "$A", *after, *before, "$B:1", *after],
            special_tokens=[(token, backend.token_to_id(token)) for token in {*before, *after}],
        )
