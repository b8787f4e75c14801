"""The tokenizer of a GGUF header gives the ids of the tokenizer that the file was made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import tiny
from tokenizers import Regex, pre_tokenizers

from jupyter_complete.engine.weights.gguf.fields import Fields
from jupyter_complete.engine.weights.gguf.pre_tokenizers import CUTS
from jupyter_complete.engine.weights.gguf.tokenizer import chat_templates, derived_merges, tokenizer
from jupyter_complete.engine.weights.gguf.vocabulary import Vocabulary, read
from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources.gguf_file import read_header

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TEXTS = [*tiny.TEXTS, "It's 3.14159, isn't it? 1234567", "<|im_start|>", "a<s>b</s>", "  two  spaces  ", "x\r\n\r\ny"]


def state_of(made: Any) -> dict[str, Any]:
    return dict(json.loads(made.backend_tokenizer.to_str()))


def written(path: Path, model: str, tokens: list[str], kinds: list[int], **more: Any) -> Fields:
    """The header of a file with this vocabulary."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(256)
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    for key, value in more.items():
        getattr(writer, f"add_{key}")(value)
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens), 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Fields(read_header(path))


def byte_level(path: Path, **more: Any) -> Fields:
    state = state_of(tiny.byte_level())
    tokens = sorted(state["model"]["vocab"], key=state["model"]["vocab"].__getitem__)
    special = {token["content"] for token in state["added_tokens"]}
    kinds = [CONTROL if token in special else NORMAL for token in tokens]
    merges = [" ".join(merge) for merge in state["model"]["merges"]]
    return written(path, "gpt2", tokens, kinds, **{"token_merges": merges, "eos_token_id": 0, **more})


def metaspace(path: Path, scores: bool) -> Fields:
    """With the merges, or with scores that follow them as SentencePiece's do."""
    state = state_of(tiny.metaspace())
    ids = state["model"]["vocab"]
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = [BYTE if token.startswith("<0x") else NORMAL for token in tokens]
    for token, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        kinds[ids[token]] = kind
    merges = [tuple(merge) for merge in state["model"]["merges"]]
    if not scores:
        return written(path, "llama", tokens, kinds, token_merges=[" ".join(one) for one in merges])
    ranks = {"".join(merge): place for place, merge in reversed(list(enumerate(merges)))}
    return written(path, "llama", tokens, kinds, token_scores=[-float(ranks.get(token, 0)) for token in tokens])


def plain_ids(made: Any, text: str) -> list[int]:
    return list(made(text, add_special_tokens=False, split_special_tokens=True).input_ids)


@pytest.mark.parametrize("text", TEXTS)
def test_byte_level_bpe_gives_the_same_ids_and_texts(tmp_path: Path, text: str) -> None:
    ours, theirs = tokenizer(byte_level(tmp_path / "x.gguf", tokenizer_pre="gpt-2")), tiny.byte_level()
    assert plain_ids(ours, text) == plain_ids(theirs, text)
    assert ours.decode(plain_ids(ours, text)) == text


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_sentencepiece_gives_the_same_ids_and_texts(tmp_path: Path, text: str, scores: bool) -> None:
    ours, theirs = tokenizer(metaspace(tmp_path / "x.gguf", scores)), tiny.metaspace()
    assert plain_ids(ours, text) == plain_ids(theirs, text)
    assert ours.decode(plain_ids(ours, text)) == theirs.decode(plain_ids(theirs, text))


@pytest.mark.parametrize("text", tiny.TEXTS)
def test_unigrams_give_the_same_ids(tmp_path: Path, text: str) -> None:
    theirs = tiny.unigram()
    pieces = state_of(theirs)["model"]["vocab"]
    kinds = [CONTROL, CONTROL, UNKNOWN, *[NORMAL] * (len(pieces) - 3)]
    ids = {"eos_token_id": 1, "pad_token_id": 0, "unk_token_id": 2}
    scores = [score for _, score in pieces]
    fields = written(tmp_path / "x.gguf", "t5", [piece for piece, _ in pieces], kinds, token_scores=scores, **ids)
    assert tokenizer(fields)(text).input_ids == theirs(text).input_ids


def test_special_tokens_are_whole_in_templates_and_literal_in_texts(tmp_path: Path) -> None:
    ours = tokenizer(byte_level(tmp_path / "x.gguf"))
    end = ours.convert_tokens_to_ids("<|im_end|>")
    assert ours("<|im_end|>").input_ids == [end]
    literal = plain_ids(ours, "<|im_end|>")
    assert (end in literal, ours.decode(literal)) == (False, "<|im_end|>")
    assert ours.decode([end], skip_special_tokens=True) == ""


def test_tokens_that_the_file_adds_are_matched_whole(tmp_path: Path) -> None:
    state = state_of(tiny.byte_level())
    tokens = [*sorted(state["model"]["vocab"], key=state["model"]["vocab"].__getitem__), "<think>", "[PAD401]"]
    kinds = [NORMAL] * 400 + [USER_DEFINED, UNUSED]
    merges = [" ".join(merge) for merge in state["model"]["merges"]]
    ours = tokenizer(written(tmp_path / "x.gguf", "gpt2", tokens, kinds, token_merges=merges))
    assert ours("a<think>b").input_ids[1] == 400
    assert ours.decode([400], skip_special_tokens=True) == "<think>"
    assert "[PAD401]" not in ours.get_vocab()


@pytest.mark.parametrize(
    ("kind", "more", "begins"),
    [
        ("byte level", {"tokenizer_pre": "gpt-2"}, False),
        ("byte level", {"tokenizer_pre": "llama-bpe"}, True),
        ("byte level", {"tokenizer_pre": "llama-bpe", "add_bos_token": False}, False),
        ("byte level", {"tokenizer_pre": "gpt-2", "add_bos_token": True}, True),
        ("sentencepiece", {}, True),
    ],
)
def test_texts_begin_as_the_header_or_the_kind_says(
    tmp_path: Path, kind: str, more: dict[str, Any], begins: bool
) -> None:
    path = tmp_path / "x.gguf"
    fields = byte_level(path, bos_token_id=2, **more) if kind == "byte level" else metaspace(path, scores=True)
    ours = tokenizer(fields)
    assert (ours("text").input_ids[0] == ours.bos_token_id) == begins


def test_each_pre_tokenizer_keeps_every_character() -> None:
    text = "".join(tiny.TEXTS) + " It's 12345 …"
    for name, cut in CUTS.items():
        words = [word for word, _ in cut.build().pre_tokenize_str(text)]
        spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0]
        assert "".join(words) == spelled, name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-2", ["It", "'s", "Ġ12345", "ĠABc", "Ġ!?", "Ċ", "Ċ", "x"]),
        ("smollm", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "ĠABc", "Ġ!?", "Ċ", "Ċ", "x"]),
        ("llama-bpe", ["It", "'s", "Ġ", "123", "45", "ĠABc", "Ġ!?ĊĊ", "x"]),
        ("qwen2", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "ĠABc", "Ġ!?ĊĊ", "x"]),
        ("tekken", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "ĠABc", "Ġ!?ĊĊ", "x"]),
        ("gpt-4o", ["It's", "Ġ", "123", "45", "ĠABc", "Ġ!?ĊĊ", "x"]),
        ("deepseek-v3", ["It", "'s", "Ġ", "123", "45", "ĠABc", "Ġ!?ĊĊ", "x"]),
    ],
)
def test_a_pre_tokenizer_cuts_as_its_models_do(name: str, words: list[str]) -> None:
    assert [word for word, _ in CUTS[name].build().pre_tokenize_str("It's 12345 ABc !?\n\nx")] == words


def test_qwens_words_are_those_of_transformers() -> None:
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    theirs = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated")
    for text in TEXTS:
        ours = [place for _, place in CUTS["qwen2"].build().pre_tokenize_str(text)]
        assert ours == [place for _, place in theirs.pre_tokenize_str(text)]


def test_a_pre_tokenizer_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="cuts texts as 'nobodys' does"):
        tokenizer(byte_level(tmp_path / "x.gguf", tokenizer_pre="nobodys"))


def test_a_vocabulary_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="tokenizer of kind 'rwkv'"):
        tokenizer(written(tmp_path / "x.gguf", "rwkv", ["a"], [NORMAL]))


def test_the_chat_template_is_the_files(tmp_path: Path) -> None:
    ours = tokenizer(byte_level(tmp_path / "x.gguf", chat_template="{{ messages[0]['content'] }}!"))
    assert ours.apply_chat_template([{"role": "user", "content": "hello"}], tokenize=False) == "hello!"


def test_chat_templates_keep_their_names(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
    assert chat_templates(byte_level(tmp_path / "x.gguf", chat_template=named)) == {"default": "a", "tool_use": "b"}


def test_the_first_named_template_stands_in_for_a_default(tmp_path: Path) -> None:
    found = chat_templates(byte_level(tmp_path / "x.gguf", chat_template=[{"name": "rag", "template": "c"}]))
    assert found == {"default": "c", "rag": "c"}


def test_merges_follow_from_scores_best_first() -> None:
    found = Vocabulary(["a", "b", "c", "ab", "bc", "abc"], [NORMAL] * 6, [0, 0, 0, -1, -2, -3], [])
    assert derived_merges(found) == [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]


def test_a_header_without_a_vocabulary_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="has no tokenizer"):
        read(Fields(read_header(gguf_claim(tmp_path / "x.gguf"))))


def gguf_claim(path: Path) -> Path:
    import gguf_files

    return gguf_files.write_claim(path, 1024)
