"""Every token that ends an answer: those that the header names, and that which the chat template puts after one."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import pytest
import tiny

from jupyter_complete.engine.weights.gguf.ends import after_answer, end_ids
from jupyter_complete.engine.weights.gguf.fields import Fields
from jupyter_complete.engine.weights.gguf.tokenizer import tokenizer
from jupyter_complete.sources.gguf_file import read_header

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
OTHER = "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}<|im_start|>{% endif %}{% endfor %}"


def fields(path: Path, **more: object) -> Fields:
    return Fields(read_header(gguf_files.write_llama(path, keys=more)))


@pytest.mark.parametrize("name", ["eot", "eom"])
def test_the_ends_that_the_header_names_end_an_answer(tmp_path: Path, name: str) -> None:
    found = fields(tmp_path / "x.gguf", **{f"{name}_token_id": 1})
    assert {0, 1} <= set(end_ids(found, tokenizer(found)))


def test_the_token_after_an_answer_in_the_template_ends_an_answer(tmp_path: Path) -> None:
    found = fields(tmp_path / "x.gguf", chat_template=OTHER)
    made = tokenizer(found)
    assert after_answer(made) == made.convert_tokens_to_ids("<|im_start|>")
    assert after_answer(made) in end_ids(found, made)


def test_the_headers_own_end_comes_first_and_none_twice(tmp_path: Path) -> None:
    found = fields(tmp_path / "x.gguf", chat_template=CHATML, eot_token_id=2)
    assert end_ids(found, tokenizer(found)) == [0, 2]


def test_a_template_that_fails_names_no_end(tmp_path: Path) -> None:
    found = fields(tmp_path / "x.gguf", chat_template="{{ raise_exception('no') }}")
    assert after_answer(tokenizer(found)) is None


def test_without_a_template_the_header_alone_names_ends(tmp_path: Path) -> None:
    found = fields(tmp_path / "x.gguf")
    made = tokenizer(found)
    assert (after_answer(made), end_ids(found, made)[0]) == (None, 0)
    assert made.convert_tokens_to_ids("<|im_end|>") in end_ids(found, made)
    assert len(tiny.byte_level()) == 400
