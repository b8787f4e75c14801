"""The tokenizer of a directory: the ids of its own tokenizer.json, whatever class transformers makes of it."""

from __future__ import annotations

import json
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tiny
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from jupyter_complete.engine.text.open_tokenizer import PROBES, note_of, open_tokenizer
from jupyter_complete.engine.text.tokenizer import Vocabulary
from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.session.session import Session


@pytest.fixture
def rebuilt(tmp_path: Path) -> Path:
    """A directory of which transformers 5 makes another tokenizer: a Qwen 2 model with rules of its own for words."""
    tiny.save("qwen2", tmp_path)
    path = tmp_path / "tokenizer.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    state["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"String": "e"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ],
    }
    path.write_text(json.dumps(state), encoding="utf-8")
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {"tokenizer_class": "Qwen2Tokenizer", "chat_template": "{{ messages[0].content }}"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_a_tokenizer_that_gives_other_ids_gives_way_to_the_file(rebuilt: Path) -> None:
    file = Tokenizer.from_file(str(rebuilt / "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(rebuilt)
    assert any(ids(theirs, text) != file.encode(text).ids for text in PROBES)  # else this test shows nothing
    opened = open_tokenizer(rebuilt)
    assert all(ids(opened, text) == file.encode(text).ids for text in PROBES)
    assert note_of(opened) == (
        "transformers' Qwen2Tokenizer gives other ids than tokenizer.json, so the file's own rules are used"
    )


def test_its_special_tokens_and_template_are_those_of_its_config(rebuilt: Path) -> None:
    own = open_tokenizer(rebuilt)
    assert own.eos_token == "<|endoftext|>"
    assert own.chat_template == "{{ messages[0].content }}"
    text = "say <|im_end|>"
    vocabulary = Vocabulary(own, trailing_end=False)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_the_status_says_so(session: Session, rebuilt: Path) -> None:
    done = session.complete("The mean", model=str(rebuilt), max_new_tokens=1)
    assert done.model is not None
    assert "the file's own rules are used" in done.model.tokenizer_note


def test_one_that_agrees_is_transformers_own(tmp_path: Path) -> None:
    tiny.save("llama", tmp_path)
    opened = open_tokenizer(tmp_path)
    assert note_of(opened) == ""
    assert type(opened) is type(AutoTokenizer.from_pretrained(tmp_path))


def test_tokenizer_json_is_read_where_mistrals_own_file_lies_beside_it(tmp_path: Path) -> None:
    tiny.save("mistral", tmp_path)
    (tmp_path / "tekken.json").write_text("{}", encoding="utf-8")
    assert ids(open_tokenizer(tmp_path), "mean") == ids(tiny.byte_level(), "mean")


@pytest.fixture
def tekken(tmp_path: Path) -> Path:
    """A Mistral directory with no tokenizer but Mistral's own file."""
    tiny.save("mistral", tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    names = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")
    pieces = [*(bytes([byte]) for byte in range(256)), b"th", b"the", b"an"]
    state = {
        "config": {"pattern": r"\S+|\s+", "default_vocab_size": 264, "default_num_special_tokens": len(names)},
        "vocab": [{"rank": rank, "token_bytes": b64encode(piece).decode()} for rank, piece in enumerate(pieces)],
        "special_tokens": [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)],
    }
    (tmp_path / "tekken.json").write_text(json.dumps(state), encoding="utf-8")
    return tmp_path


def test_mistrals_own_file_is_read_alone_and_begins_a_text(session: Session, tekken: Path) -> None:
    done = session.complete("the man</s>", model=str(tekken), max_new_tokens=1, temperature=0)
    begin, end = 1, 2
    assert done.prompt_ids[0] == begin
    assert not {begin, end} & set(done.prompt_ids[1:])
    assert done.prompt == "the man</s>"


def test_an_old_file_of_that_kind_is_one_sentence(session: Session, tekken: Path) -> None:
    """It names no special tokens: these are in mistral-common."""
    if find_spec("mistral_common"):
        pytest.skip("mistral-common is installed")
    state = json.loads((tekken / "tekken.json").read_text(encoding="utf-8"))
    del state["special_tokens"]
    (tekken / "tekken.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(NotAModel) as refused:
        session.complete("Hi", model=str(tekken))
    assert "tekken.json needs mistral-common, so install it: pip install mistral-common." in str(refused.value)


def test_a_chat_template_beside_the_tokenizer_is_its_own(tmp_path: Path) -> None:
    """Models of images keep it for their processor."""
    tiny.save("llama", tmp_path)
    (tmp_path / "chat_template.json").write_text('{"chat_template": "{{ messages[0].content }}"}', encoding="utf-8")
    assert open_tokenizer(tmp_path).chat_template == "{{ messages[0].content }}"
    (tmp_path / "chat_template.json").write_text("[", encoding="utf-8")
    assert open_tokenizer(tmp_path).chat_template is None
