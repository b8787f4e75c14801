"""A task's Markdown file: settings, a section a kind of model, turns; what is wrong with one is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

import jupyter_complete
from jupyter_complete.prompt.tasks.parse import read
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.prompt_parts import Form as ValueForm
from jupyter_complete.protocol.prompt_parts import Turn, Value, Wording
from jupyter_complete.protocol.request import Framing

BUILT_IN = sorted((Path(jupyter_complete.__file__).parent / "prompt" / "tasks").glob("*.md"))
NAMES = ["bullets", "email", "explain", "generate", "news", "qa", "rewrite", "summarize", "title", "translate"]
FULL = """+++
description = "Say it."
temperature = 0
stop = ["\\n\\n"]

[values]
from = "English"

[length.short]
say = "a word"
max_new_tokens = 5
[length.long]
say = "a page"
stop = ["END"]
+++
## instruct
### user
Example

### assistant
Answer

### user
From {{ from }} to {{ to }}, {{ length }}: {{ text }}

## base
{{from}}: {{  text }}
{{ to }}:

## text_to_text
say: {{ text }}
"""


def test_every_kind_has_its_wording() -> None:
    found = read("say", FULL).wordings(("Hi",), Framing(to="French", length="short"))
    assert found == {
        "instruct": Wording(
            ("From ", "English", " to ", "French", ", ", "a word", ": ", "Hi"),
            (Turn("user", "Example"), Turn("assistant", "Answer")),
            as_message=True,
        ),
        "base": Wording(("English", ": ", "Hi", "\n", "French", ":")),
        "text_to_text": Wording(("say: ", "Hi")),
    }


def test_what_is_put_in_is_not_looked_through_again() -> None:
    found = read("say", "{{ question }}: {{ text }}").wordings(("{{ question }}",), Framing(question="{{ text }}"))
    assert found["base"].text == ("{{ text }}", ": ", "{{ question }}")


def test_a_value_in_a_text_stays_a_value() -> None:
    value = Value("df", (ValueForm("10 rows"),))
    assert read("say", "Say {{ text }}").wordings(("of ", value), Framing())["base"].text == ("Say ", "of ", value)


def test_other_braces_are_text() -> None:
    found = read("say", "{{ }} {x} {{{ text }} {{ a.b }}").wordings(("T",), Framing())
    assert found["base"].text == ("{{ }} {x} {", "T", " {{ a.b }}")


def test_a_template_without_sections_is_for_all_but_models_of_one_task() -> None:
    assert set(read("say", "Say {{ text }}").prompts) == {"instruct", "base", "text_to_text"}


def test_an_option_that_is_given_comes_before_what_fills_its_place() -> None:
    found = read("say", FULL).wordings(("Hi",), Framing(to="French", from_="Danish"))
    assert found["base"].text[0] == "Danish"


@pytest.mark.parametrize(
    ("length", "options"),
    [
        ("", {"temperature": 0, "stop": ["\n\n"]}),
        ("short", {"temperature": 0, "stop": ["\n\n"], "max_new_tokens": 5}),
        ("long", {"temperature": 0, "stop": ["END"]}),
    ],
)
def test_a_length_brings_its_own_options(length: str, options: dict[str, object]) -> None:
    assert read("say", FULL).beneath(Framing(length=length)) == options


def test_what_it_takes_and_needs_is_what_its_prompts_say() -> None:
    task = read("say", FULL)
    assert (task.takes, task.needs) == (("to", "from_", "length"), ("to",))


def test_settings_from_python_come_before_those_in_the_text() -> None:
    task = read("say", FULL, {"temperature": 0.5, "to": "French", "description": "Mine."})
    assert (task.options["temperature"], task.needs, task.description) == (0.5, (), "Mine.")


@pytest.mark.parametrize(
    ("framing", "said"),
    [
        (Framing(), "--task say needs --to. As in --task translate --to French."),
        (
            Framing(to="French", question="Why?"),
            "--task say takes no --question. It takes --to and --from and --length.",
        ),
        (Framing(to="French", thread="a"), "--thread is a conversation, and --task say a prompt of its own."),
    ],
)
def test_what_it_cannot_be_asked_with_is_one_sentence(framing: Framing, said: str) -> None:
    with pytest.raises(BadOption) as refused:
        read("say", FULL).checked(framing)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Say it", "its instruct prompt does not end with the text. Put {{ text }} in its last turn."),
        ("{{ txt }} {{ text }}", "{{ txt }} is no placeholder. Did you mean text?"),
        ("{{ length }} {{ text }}", "{{ length }} means nothing in it. Say what in [length.medium] and its like."),
        ("+++\nx = 1", "the settings that +++ begins have no end. End them with a line +++."),
        ("+++\nx =\n+++\n{{ text }}", "its settings are no TOML: "),
        ("+++\ntemprature = 1\n+++\n{{ text }}", "temprature is no setting of a task. Did you mean temperature?"),
        ("+++\ntemperature = -1\n+++\n{{ text }}", "temperature (-t/--temperature) must be a number from 0.0 to 100.0"),
        ("+++\nseed = 1\n+++\n{{ text }}", "seed is no setting of a task."),
        ("+++\nvalues = 1\n+++\n{{ text }}", "values is 1. Make it a table, [values], of a task's file."),
        ("+++\n[values]\nform = 'x'\n+++\n{{ text }}", "form in [values] is no placeholder. Did you mean from?"),
        ("+++\n[length.huge]\n+++\n{{ text }}", "[length.huge] is no length. Use [length.short], [length.medium],"),
        ("+++\n[length.short]\nx = 1\n+++\n{{ text }}", "x is no setting of a task."),
        ("words\n## base\n{{ text }}", "it has text before its first section. Put it below a heading such as"),
        ("## chat\n{{ text }}", "## chat is no kind of model. The kinds are instruct, base, text_to_text, seq2seq."),
        ("## instruct\n### user\n{{ text }}\n### assistant\nOh", "its message is not under the last ### user."),
        ("## instruct\n### user\n{{ text }}\n### user\nOh", "its instruct prompt does not end with the text."),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(source: str, said: str) -> None:
    with pytest.raises(BadOption) as refused:
        read("say", source)
    assert str(refused.value).startswith(f"The task say cannot be used: {said}")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "-x", "a.b"])
def test_a_task_s_name_is_a_word(name: str) -> None:
    with pytest.raises(BadOption, match="cannot be called"):
        read(name, "{{ text }}")


def test_a_file_of_windows_is_read_as_any_other() -> None:
    assert read("say", FULL.replace("\n", "\r\n")) == read("say", FULL)


def test_the_built_in_tasks() -> None:
    assert [path.stem for path in BUILT_IN] == NAMES


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_a_built_in_task_says_what_it_is_for_and_words_every_kind_it_can(path: Path) -> None:
    task = read(path.stem, path.read_text(encoding="utf-8"))
    trained = {
        "summarize": {"text_to_text", "seq2seq"},
        "translate": {"text_to_text", "seq2seq"},
        "qa": {"text_to_text"},
    }
    assert task.description.endswith(".")
    assert set(task.prompts) == {"instruct", "base"} | trained.get(task.name, set())


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_a_built_in_task_has_an_end_whatever_the_model(path: Path) -> None:
    task = read(path.stem, path.read_text(encoding="utf-8"))
    for length in ("", *task.lengths):
        beneath = task.beneath(Framing(length=length))
        assert "max_new_tokens" in beneath
