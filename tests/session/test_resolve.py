"""--task end to end: the prompt is the task's for what the model is, its options lie below those asked for."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import tiny
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import jupyter_complete as jc
from jupyter_complete.notebook.as_code import as_code
from jupyter_complete.protocol.errors import BadOption, EmptyPrompt
from jupyter_complete.protocol.prompt_parts import Form, Turn, Value
from jupyter_complete.protocol.request import Request
from jupyter_complete.session.session import Session

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EVERY = """## instruct
### user
A
### assistant
B
### user
Message: {{ text }}

## base
Base: {{ text }}
"""


@pytest.fixture
def asked(session: Session) -> Session:
    """A session with a model of every kind; the base one is the default."""
    model, tokenizer = copy.deepcopy(tiny.make("llama"))
    tokenizer.chat_template = TEMPLATE
    session.models.register("chatty", model, tokenizer)
    session.models.register("base", *tiny.make("llama"))
    session.models.register("t5", *tiny.make("t5"))
    session.models.register("bart", *tiny.make("bart"))
    session.config.set_trait("model", "base")
    session.config.max_new_tokens = 5
    session.tasks.add("every", EVERY, temperature=0, max_new_tokens=3, stop=["\n"])
    return session


def test_a_base_model_continues_the_tasks_text(asked: Session) -> None:
    done = asked.complete("the mean", task="every")
    assert (done.prompt, done.typed, done.turns) == ("Base: the mean", "the mean", ())


def test_an_instruct_model_is_sent_the_tasks_message_after_its_examples(asked: Session) -> None:
    done = asked.complete("the mean", task="every", model="chatty")
    assert done.turns == (Turn("user", "A"), Turn("assistant", "B"), Turn("user", "Message: the mean"))


@pytest.mark.parametrize("text", [" ", "\n\n", "\u3000"])
@pytest.mark.parametrize("options", [{"task": "summarize"}, {"chat": True}, {"thread": "a"}], ids=str)
def test_blanks_are_no_text_to_put_to_a_model(asked: Session, text: str, options: dict[str, object]) -> None:
    with pytest.raises(EmptyPrompt, match="The prompt is empty"):
        asked.stream(text, model="chatty", **options)


def test_blanks_are_a_text_to_go_on_from(asked: Session) -> None:
    assert asked.complete("\n\n").prompt == "\n\n"


def test_a_value_between_blanks_is_a_text_for_a_task(asked: Session) -> None:
    assert (
        asked.stream((" ", Value("x", (Form("12"),))), source=" {{ x }}", task="every").result().prompt == "Base:  12"
    )


def test_a_stop_that_is_none_leaves_the_tasks_own(asked: Session) -> None:
    assert asked.complete("Hi", task="every", stop=None).params.stop == ("\n",)


def test_a_stop_that_is_none_leaves_a_continuation_its_own(asked: Session) -> None:
    assert asked.complete("Hi", stop=["@@"]).more(2, stop=None).params.stop == ("@@",)


def test_chat_with_a_task_is_the_task(asked: Session) -> None:
    assert asked.complete("Hi", task="every", chat=True).prompt == "Base: Hi"


@pytest.mark.parametrize(
    ("task", "options", "prompt"),
    [
        ("summarize", {}, "summarize: the mean"),
        ("translate", {"to": "German"}, "translate English to German: the mean"),
        ("translate", {"to": "German", "from_": "French"}, "translate French to German: the mean"),
        ("qa", {"question": "What?"}, "question: What? context: the mean"),
    ],
)
def test_a_t5_is_given_the_prefix_it_was_trained_with_and_the_text(
    asked: Session, task: str, options: dict[str, str], prompt: str
) -> None:
    done = asked.complete("the mean", task=task, model="t5", max_new_tokens=2, **options)
    assert done.prompt == prompt
    assert list(done.prompt_ids) == tiny.make("t5")[1](prompt)["input_ids"]


@pytest.mark.parametrize(("task", "options"), [("summarize", {}), ("translate", {"to": "German"})])
def test_a_model_of_one_task_is_given_the_text_alone(asked: Session, task: str, options: dict[str, str]) -> None:
    done = asked.complete("the mean", task=task, model="bart", max_new_tokens=2, **options)
    assert done.prompt == "the mean"
    assert list(done.prompt_ids) == tiny.make("bart")[1]("the mean")["input_ids"]


def test_a_model_that_a_task_has_no_words_for_refuses_it(asked: Session) -> None:
    with pytest.raises(BadOption) as refused:
        asked.complete("the mean", task="email", model="bart")
    assert str(refused.value) == (
        "bart is an encoder-decoder model of one task, for which --task email has no prompt. "
        "Use an instruct model or a base model."
    )


def test_a_tasks_options_lie_above_the_settings_and_below_what_is_asked_for(asked: Session) -> None:
    params = asked.complete("Hi", task="every", max_new_tokens=2).params
    assert (params.temperature, params.max_new_tokens, params.stop) == (0, 2, ("\n",))
    assert asked.complete("Hi").params.temperature == asked.config.temperature


def test_a_form_that_is_asked_for_ends_the_text_and_no_stop_of_the_task(asked: Session) -> None:
    done = asked.complete("Hi", task="every", regex="a\nb", max_new_tokens=20)
    assert (done.params.stop, done.text) == ((), "a\nb")


def test_the_rows_of_a_frame_are_put_by_the_task_too(asked: Session) -> None:
    request = asked.requests({0: "the mean"}, task="every")[0]
    assert isinstance(request, Request)
    assert request.composed is not None
    assert (request.composed.wordings["base"].text, request.sampling.stop) == (("Base: ", "the mean"), ("\n",))


def test_a_value_in_a_tasks_text_takes_the_form_that_fits(asked: Session) -> None:
    value = Value("df", (Form("long " * 40), Form("brief", "40 words")))
    asked.config.value_tokens = 10
    done = asked.stream(("of ", value), source="of {{ df }}", task="every").result()
    assert (done.prompt, done.notes) == ("Base: of brief", ("df: 40 words",))


def test_a_traceback_is_explained(asked: Session) -> None:
    traceback = "Traceback (most recent call last):\n  f({{ x }})\nNameError: name 'x' is not defined"
    done = asked.complete(traceback, task="explain", model="chatty", max_new_tokens=1)
    assert done.prompt.endswith(f"what this means:\n\n{traceback}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"task": "sumarize"}, "There is no task 'sumarize'. Did you mean summarize?"),
        ({"task": "qa"}, "--task qa needs --question. As in --task qa --question"),
        ({"task": "qa", "question": "Who?", "length": "short"}, "--task qa takes no --length. It takes --question."),
        ({"task": "title", "to": "French"}, "--task title takes no --to. Leave out --to."),
        ({"task": "every", "thread": "a"}, "--thread is a conversation, and --task every a prompt of its own."),
        ({"to": "French"}, "--to is for tasks, and none is asked for. As in --task translate --to French."),
        ({"from_": "French"}, "--from is for tasks, and none is asked for."),
        ({"question": "Who?"}, "--question is for tasks, and none is asked for."),
        ({"length": "short"}, "--length is for tasks, and none is asked for. As in --task summarize --length short."),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_model_is_loaded(
    asked: Session, options: dict[str, str], said: str
) -> None:
    with pytest.raises(BadOption) as refused:
        asked.stream("Hi", **options)
    assert str(refused.value).startswith(said)
    assert list(asked.models) == []


def test_a_task_of_ones_own_from_python(asked: Session) -> None:
    jc.task("haiku", "A haiku about {{ text }}:", temperature=0)
    assert jc.complete("snow", task="haiku").prompt == "A haiku about snow:"


def test_a_task_of_ones_own_from_the_folder_that_is_set(asked: Session, tmp_path: Path) -> None:
    (tmp_path / "ode.md").write_text("An ode to {{ text }}:", encoding="utf-8")
    asked.config.tasks_folder = str(tmp_path)
    assert asked.complete("snow", task="ode").prompt == "An ode to snow:"


def test_its_cell_is_the_one_that_was_typed(shell: InteractiveShell, session: Session) -> None:
    shell.run_cell_magic("complete", "--task translate --to French -N 4", "the mean\n")
    assert session.last is not None
    assert as_code(session.last, session.config) == "%%complete -N 4 --task translate --to French\nthe mean"


def test_an_option_that_is_the_sessions_but_not_the_tasks_is_in_the_cell(
    shell: InteractiveShell, session: Session
) -> None:
    shell.run_cell_magic("complete", "--task translate --to French -t 0.7 --seed 1 -N 4", "the mean\n")
    assert session.last is not None
    assert " -t 0.7 " in as_code(session.last, session.config)


@pytest.mark.parametrize("options", [{"stop": []}, {}])
def test_as_python_it_gives_the_same_again(asked: Session, shell: InteractiveShell, options: dict[str, object]) -> None:
    one = asked.complete("the mean", task="every", model="chatty", **options).branch(at=1)
    shell.run_cell(as_code(one, asked.config)).raise_error()
    assert asked.last is not None
    assert (asked.last.text, asked.last.prompt_ids) == (one.text, one.prompt_ids)


def test_with_values_in_it_the_prompt_as_settled_is_python(asked: Session, shell: InteractiveShell) -> None:
    value = Value("x", (Form("12"),))
    one = asked.stream(("of ", value), source="of {{ x }}", task="every").result().branch(at=1)
    shell.run_cell(as_code(one, asked.config)).raise_error()
    assert asked.last is not None
    assert (asked.last.text, asked.last.params.stop, asked.last.prompt) == (one.text, ("\n",), "Base: of 12")


def test_the_magic_lists_what_there_is(
    shell: InteractiveShell, session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.md").write_text("Say it", encoding="utf-8")
    session.config.tasks_folder = str(tmp_path)
    shell.run_line_magic("complete_tasks", "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["task", "what", "for", "needs"]
    assert [line.split()[0] for line in lines[1:4]] == ["bad", "bullets", "email"]
    assert "The task bad cannot be used: its instruct prompt does not end with the text." in lines[1]
    assert next(line for line in lines if line.startswith("translate")).endswith("--to, maybe --from")


def test_the_magic_shows_what_a_task_puts(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("complete_tasks", "translate")
    told = capsys.readouterr().out
    assert "text_to_text:\n    translate {{ from }} to {{ to }}: {{ text }}" in told
    assert "{{ from }} 'English'" in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sumarize", "There is no task 'sumarize'. Did you mean summarize?"),
        ("a b", "%complete_tasks takes one name, not 'a b'."),
    ],
)
def test_a_bad_line_is_one_sentence(shell: InteractiveShell, line: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        shell.run_line_magic("complete_tasks", line)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("typed", "offered"), [("%%complete --task tr", "translate"), ("%complete_tasks tit", "title")]
)
def test_tab_offers_the_tasks(shell: InteractiveShell, typed: str, offered: str) -> None:
    _, matches = shell.complete("", typed, len(typed))
    assert matches == [offered]


def test_a_panel_leaves_a_task_the_options_that_are_not_changed_in_it(asked: Session) -> None:
    from jupyter_complete.widgets.controls import of_panel
    from jupyter_complete.widgets.panel import Panel

    panel = Panel(asked, "the mean")
    panel.do_complete([["you", "the mean"]], {**of_panel(asked.config, {}), "task": "every", "top_k": 3})
    panel.wait()
    assert panel.completion is not None
    params = panel.completion.params
    assert (params.temperature, params.max_new_tokens, params.top_k) == (0, 3, 3)


def test_a_panel_goes_on_with_the_tasks_own_options(asked: Session) -> None:
    from jupyter_complete.widgets.controls import of_panel
    from jupyter_complete.widgets.panel import Panel

    settings = {**of_panel(asked.config, {}), "task": "every"}
    panel = Panel(asked, "the mean")
    panel.do_complete([["you", "the mean"]], settings)
    panel.wait()
    first = panel.completion
    panel.do_complete(panel.shown["pieces"], settings)
    panel.wait()
    assert panel.completion is not None
    assert panel.completion.parent is first
    assert panel.completion.params.temperature == 0
