"""A task as static text: its prompts in the words of every form, its settings, and nothing that acts."""

from __future__ import annotations

import pytest

from jupyter_complete.prompt.tasks.parse import read
from jupyter_complete.prompt.tasks.task import needs
from jupyter_complete.render.tasks import bundle

SOURCE = """+++
description = "Say <it>."
temperature = 0
[length.short]
say = "a word"
max_new_tokens = 5
+++
## instruct
### user
A
### assistant
B
### user
<b>{{ text }}</b> in {{ to }}, {{ length }} $x$

## base
``` {{ text }}
"""


def test_it_reads_without_markup() -> None:
    assert bundle(read("say", SOURCE))["text/plain"] == (
        "say: Say <it>.\n\n"
        "instruct:\n    [user]\n    A\n    [assistant]\n    B\n    [user]\n"
        "    <b>{{ text }}</b> in {{ to }}, {{ length }} $x$\n\n"
        "base:\n    ``` {{ text }}\n\n"
        "sets: temperature 0\n--length short: says 'a word', max_new_tokens 5"
    )


def test_a_templates_markup_is_text_in_a_page() -> None:
    html = bundle(read("say", SOURCE))["text/html"]
    assert "&lt;b&gt;{{ text }}&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "$x$" not in html


def test_a_templates_fence_does_not_end_the_markdown_block() -> None:
    assert "````text\n``` {{ text }}\n````" in bundle(read("say", SOURCE))["text/markdown"]


@pytest.mark.parametrize(
    ("source", "said"),
    [(SOURCE, "--to, maybe --length"), ("{{ text }}", ""), ("{{ text }} {{ question }}", "--question")],
)
def test_what_it_needs_in_a_few_words(source: str, said: str) -> None:
    assert needs(read("say", source)) == said
