"""The echo engine's tokens: every text is spelled and read back, and control tokens are never in a text."""

from __future__ import annotations

import pytest
from hostile import TEXTS

from jupyter_complete.engine.echo.vocabulary import SIZE, SPECIAL, EchoTokenizer
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.prompt_parts import Turn

TOKENIZER = EchoTokenizer()
WHOLE = {name: text for name, text in TEXTS.items() if not any("\ud800" <= letter <= "\udfff" for letter in text)}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_text_is_read_back(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert not SPECIAL.intersection(ids)


def test_a_word_is_one_token_and_its_beginning_is_not() -> None:
    assert [TOKENIZER.token_text(id) for id in TOKENIZER.encode(" mean means")] == [" mean", *" means"]


def test_only_one_token_can_be_forced() -> None:
    assert TOKENIZER.only_token(" median") == TOKENIZER.encode(" median")[0]
    with pytest.raises(BadOption, match="is not one token: it encodes to 'a'"):
        TOKENIZER.only_token("ab")


def test_a_conversation_has_the_roles_around_the_texts() -> None:
    ids = TOKENIZER.encode_chat([Turn("user", "Hi"), Turn("assistant", "Ho"), Turn("user", "!")]).ids
    names = [TOKENIZER.token_text(id) for id in ids]
    assert "".join(names) == "<|user|>Hi<|turn|><|assistant|>Ho<|turn|><|user|>!<|turn|><|assistant|>"


def test_the_pieces_are_those_of_the_tokens() -> None:
    pieces = TOKENIZER.pieces()
    assert len(pieces.ends) == SIZE
    assert all(pieces.bytes(id) == TOKENIZER.token_bytes(id) for id in range(SIZE) if id not in SPECIAL)
