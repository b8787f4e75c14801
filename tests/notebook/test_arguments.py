"""A magic's line becomes settings and text as typed, or one UsageError; nothing on it is ever run."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.notebook import arguments
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption, BadPrompt, UnknownModel
from jupyter_complete.session.session import Session

OPTIONS = [
    ("-m gpt2", {"model": "gpt2"}),
    ("--model 'my models/tiny'", {"model": "my models/tiny"}),
    ("-o c", {"out": "c"}),
    ("-n 3", {"num": 3}),
    ("-N 40", {"max_new_tokens": 40}),
    ("-N40", {"max_new_tokens": 40}),
    ("--max-new-tokens=40", {"max_new_tokens": 40}),
    ("-t 0.3", {"temperature": 0.3}),
    ("-t -1", {"temperature": -1.0}),
    ("-t hot", {"temperature": "hot"}),
    ("--top-p .5", {"top_p": 0.5}),
    ("--top-k 5", {"top_k": 5}),
    ("--min-p 0.1", {"min_p": 0.1}),
    ("--end sentence", {"end": "sentence"}),
    (r'--suffix " of it\n"', {"suffix": " of it\n"}),
    ("--repetition-penalty 1.1", {"repetition_penalty": 1.1}),
    ("--seed 7", {"seed": 7}),
    ("--sampling model", {"sampling": "model"}),
    ("--think off --think-tokens 200", {"think": "off", "think_tokens": 200}),
    ("--beams 4", {"beams": 4}),
    ("--echo", {"echo": True}),
    ("--no-echo", {"echo": False}),
    ("--chat --no-chat", {"chat": False}),
    ("--format code", {"format": "code"}),
    ("--dry-run", {"dry_run": True}),
    ("--score", {"score": True}),
    ("--inspect", {"inspect": True}),
    ("--trace", {"trace": True}),
    ("--background", {"background": True}),
    ("--cell", {"cell": True}),
    ("--thread trip", {"thread": "trip"}),
    (
        "--task translate --from French --to 'Old English'",
        {"task": "translate", "from_": "French", "to": "Old English"},
    ),
    ("--question 'Who was she?'", {"question": "Who was she?"}),
    ("--length short", {"length": "short"}),
    ("--context 3 --raw --error", {"context": 3, "raw": True, "error": True}),
    ("--choices yes,no", {"choices": ["yes", "no"]}),
    ("--choices 'yes, no, not sure'", {"choices": ["yes", "no", "not sure"]}),
    (r"--regex \d+\n", {"regex": r"\d+\n"}),
    ("--json Person", {"json": "Person"}),
    ("-t 1 -t 2", {"temperature": 2.0}),
    (r'--stop "\n"', {"stop": ["\n"]}),
    (r"--stop \n\t", {"stop": ["\n\t"]}),
    (r"--stop \\n", {"stop": [r"\n"]}),
    (r"--stop=\d+", {"stop": [r"\d+"]}),
    ("--stop a --stop 'b c'", {"stop": ["a", "b c"]}),
    ("--stop='b c'", {"stop": ["b c"]}),
    ('--stop ""', {"stop": [""]}),
    ('--stop "--" -N 5', {"stop": ["--"], "max_new_tokens": 5}),
    ("--stop {x}", {"stop": ["{x}"]}),
    ("--stop $x", {"stop": ["$x"]}),
    ("--stop '}'", {"stop": ["}"]}),
    ("--stop ，", {"stop": ["，"]}),
    (r"-m C:\models\tiny", {"model": r"C:\models\tiny"}),
    ("--choices yes,no", {"choices": ["yes", "no"]}),
    ("--choices 'yes, no, not sure'", {"choices": ["yes", "no", "not sure"]}),
    ("""--choices '"yes, indeed",no'""", {"choices": ["yes, indeed", "no"]}),
    ("""--choices yes,no,"not, I think" -N 5""", {"choices": ["yes", "no", "not, I think"], "max_new_tokens": 5}),
    ('--choices "New York","San José",Rome', {"choices": ["New York", "San José", "Rome"]}),
    ("--choices a,b --choices c", {"choices": ["a,b", "c"]}),
    (r"--choices 'a\nb,c'", {"choices": ["a\nb", "c"]}),
    (r"--regex \d{4}-\d\d", {"regex": r"\d{4}-\d\d"}),
    ("""--regex '"[a-z]+"'""", {"regex": '"[a-z]+"'}),
    ("--json Person", {"json": "Person"}),
    ("""--json '{"type": "integer"}'""", {"json": '{"type": "integer"}'}),
    ("--json None", {"json": "None"}),
    ("", {}),
]


@pytest.mark.parametrize(("line", "expected"), OPTIONS)
def test_a_line_of_options_becomes_settings(line: str, expected: dict[str, Any]) -> None:
    assert arguments.cell_settings(line) == expected


def test_every_option_is_read_here() -> None:
    seen = {name for _, expected in OPTIONS for name in expected}
    assert seen == {name for name, _ in Complete.flagged("complete")}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--temprature 1", "--temprature is no option of %%complete. Did you mean --temperature?"),
        ("--zzz", "--zzz is no option of %%complete. %%complete? lists them."),
        ("hello", "'hello' is no option of %%complete; its text goes into the lines below."),
        ("-t 1 hello", "'hello' is no option of %%complete; its text goes into the lines below."),
        ("–t 1", "'–t' is no option of %%complete; its text goes into the lines below."),
        ("-t", "-t/--temperature: expected one argument. %%complete? lists the options."),
        ("-5", "-5 is no option of %%complete. %%complete? lists them."),
        ("--echo=1", "--echo/--no-echo: ignored explicit argument '1'. %%complete? lists the options."),
        ('--stop "a', "A quotation mark on the line is not closed."),
    ],
)
def test_a_bad_line_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        arguments.cell_settings(line)
    assert str(refused.value) == sentence


def test_a_shortened_option_is_not_guessed() -> None:
    with pytest.raises(UsageError, match="--temp is no option"):
        arguments.cell_settings("--temp 1")


@pytest.mark.parametrize(
    ("line", "expected", "text"),
    [
        ("The mean", {}, "The mean"),
        ("-t 0 The mean", {"temperature": 0.0}, "The mean"),
        ("-t 0   two  spaces  ", {"temperature": 0.0}, "two  spaces  "),
        ("-N5 text", {"max_new_tokens": 5}, "text"),
        ("--top-p=0.5 text", {"top_p": 0.5}, "text"),
        ("--echo text -t 1", {"echo": True}, "text -t 1"),
        ("--no-echo text", {"echo": False}, "text"),
        ("-- -5 is negative", {}, "-5 is negative"),
        ("-t 0 --  two spaces", {"temperature": 0.0}, " two spaces"),
        ("-t 0 -- --", {"temperature": 0.0}, "--"),
        ("--", {}, ""),
        ("- a list", {}, "- a list"),
        ('"quoted" text', {}, '"quoted" text'),
        ('"never closed', {}, '"never closed'),
        ("'tis the season", {}, "'tis the season"),
        ("it's", {}, "it's"),
        (r"C:\new {x} $HOME", {}, r"C:\new {x} $HOME"),
        ("\u00a0indented", {}, "\u00a0indented"),
        ("--stop 'a b' text", {"stop": ["a b"]}, "text"),
        ("-t 0", {"temperature": 0.0}, ""),
        ("", {}, ""),
    ],
)
def test_a_line_is_options_then_text_as_typed(line: str, expected: dict[str, Any], text: str) -> None:
    assert arguments.line_settings(line) == (expected, text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ("status", "", {})),
        ("list", ("list", "", {})),
        ("load gpt2 --dtype bfloat16 --device cpu", ("load", "gpt2", {"dtype": "bfloat16", "device": "cpu"})),
        ("load 'my models/tiny'", ("load", "my models/tiny", {})),
        ("use a-b", ("use", "a-b", {})),
    ],
)
def test_a_model_line_is_a_word_a_name_and_options(line: str, expected: tuple[str, str, dict[str, Any]]) -> None:
    assert arguments.model_settings(line) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("laod gpt2", "Did you mean load?"),
        ("frobnicate", "Say use, load, plan, list, status, unload, connect."),
        ("load a b", "'a b'"),
        ("load a --temperature 1", "--temperature is no option of %complete_model"),
        ("load 'a", "not closed"),
    ],
)
def test_a_bad_model_line_is_one_sentence(line: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        arguments.model_settings(line)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["c", "_", "größe", "名前"])
def test_a_variable_name_can_be_bound(name: str) -> None:
    assert arguments.out_name(name) == name


@pytest.mark.parametrize("name", ["1x", "a b", "a.b", "class", "None", "x;y", "{x}"])
def test_what_is_no_variable_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="needs the name of a variable"):
        arguments.out_name(name)


KNOWN = {"models": ("smollm2", "gpt2", "mine"), "threads": ("trip", "work"), "tasks": ("qa", "title")}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("%%complete --te", ["--temperature"]),
        ("%%complete --top", ["--top-k", "--top-p"]),
        ("%complete --ec", ["--echo"]),
        ("%%complete -t 1 --no-e", ["--no-echo", "--no-error"]),
        ("%%complete --format ", ["text", "markdown", "code"]),
        ("%%complete --format m", ["markdown"]),
        ("%%complete -m ", ["smollm2", "gpt2", "mine"]),
        ("%%complete --model g", ["gpt2"]),
        ("%%complete -t ", []),
        ("%%complete ", []),
        ("%%complete", []),
        ("%%complete --thread t", ["trip"]),
        ("%%complete --task ", ["qa", "title"]),
        ("%%complete --length ", ["short", "medium", "long"]),
        ("%complete_thread ", ["trip", "work"]),
        ("%complete_thread trip --", ["--drop", "--no-drop"]),
        ("%complete_model ", ["use", "load", "plan", "list", "status", "unload", "connect"]),
        ("%complete_model l", ["load", "list"]),
        ("%complete_model load m", ["mine"]),
        ("%complete_model p", ["plan"]),
        ("%complete_model plan m", ["mine"]),
        ("%complete_model plan mine --dtype b", ["bfloat16"]),
        ("%complete_model list ", []),
        ("%complete_model load gpt2 --d", ["--device", "--dtype"]),
        ("%complete_model load gpt2 --dtype b", ["bfloat16"]),
    ],
)
def test_tab_offers(before: str, expected: list[str]) -> None:
    assert arguments.completions(before, KNOWN) == expected


@pytest.mark.parametrize("flag", [flag for _, trait in Complete.flagged("complete") for flag in trait.metadata["flag"]])
def test_tab_offers_every_option(flag: str) -> None:
    assert flag in arguments.completions("%%complete -", KNOWN)


def test_tab_works_in_the_shell(shell: InteractiveShell) -> None:
    _, found = shell.complete("--tem", "%%complete --tem", 16)
    assert found == ["--temperature"]


def test_tab_offers_registered_models_in_the_shell(shell: InteractiveShell) -> None:
    _, found = shell.complete("ti", "%%complete -m ti", 16)
    assert found == ["tiny"]


def test_tab_leaves_other_lines_alone(shell: InteractiveShell) -> None:
    _, found = shell.complete("--tem", "x = --tem", 9)
    assert "--temperature" not in found


FLAGS = [
    flag
    for of in ("complete", "complete_model")
    for _, trait in Complete.flagged(of)
    for flag in trait.metadata["flag"]
]
CANARY = "{__import__('os').environ.update(CANARY='sang')}"
PIECES = st.one_of(
    st.sampled_from([flag for flag in FLAGS if flag not in ("-m", "--model")]),
    st.sampled_from(
        ["=", " ", "  ", "\t", "--", "-", "—", "–t", "−1", '"', "'", "\\", "\\\\", "{", "}", "{{x}}", "$x", "$HOME"]
    ),
    st.sampled_from(
        ["\0", "\r", "\x1b[31m", "\ud800", "9" * 30, "-1", "0", "1e400", "nan", "text", "%", "%%", "!", ";", CANARY]
    ),
    st.text(max_size=5),
)
LINES = st.lists(PIECES, max_size=8).map(" ".join) | st.lists(PIECES, max_size=8).map("".join)


@settings(max_examples=20 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES)
@example("9" * 5000)
@example("-N " + "9" * 5000)
def test_any_line_gives_settings_or_one_sentence(line: str) -> None:
    config = Complete()
    read_by = (arguments.cell_settings, arguments.line_settings, arguments.model_settings, arguments.thread_settings)
    for read in read_by:
        with contextlib.suppress(UsageError, BadOption):
            found = read(line)
            given_ = found if isinstance(found, dict) else next(part for part in found if isinstance(part, dict))
            config.to_sampling(config.checked(given_))


@settings(max_examples=20 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES)
def test_tab_never_fails(line: str) -> None:
    for magic in ("%%complete ", "%complete_model ", "%complete_thread "):
        assert isinstance(arguments.completions(magic + line, KNOWN), list)


@settings(max_examples=3 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
@given(line=LINES.map(lambda line: " ".join(line.splitlines()).replace("?", "")))  # those are IPython's own
@example(line=CANARY)
@example(line="-o " + CANARY)
@example(line="--stop " + CANARY + " text")
def test_nothing_on_a_line_is_run(
    shell: InteractiveShell, session: Session, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    session.config.model = "./no such model"
    monkeypatch.delenv("CANARY", raising=False)
    for source in (f"%complete {line}", f"%%complete {line}\ntext {CANARY}"):
        done = shell.run_cell(source)
        error = done.error_before_exec or done.error_in_exec
        assert isinstance(error, (UsageError, BadOption, BadPrompt, UnknownModel)), source
    assert "CANARY" not in __import__("os").environ


@pytest.mark.parametrize(
    "text", [r"C:\new\table", "{x} {{y}} $x ${HOME}", "a  b\tc", "!ls ; %time ?", "“quotes” ‘and’ '\""]
)
def test_text_reaches_the_model_as_typed(shell: InteractiveShell, text: str) -> None:
    shell.user_ns["x"] = "expanded"
    shell.run_cell(f"%complete -N 1 -o line {text}")
    shell.run_cell(f"%%complete -N 1 -o cell\n{text}")
    assert (shell.user_ns["line"].prompt, shell.user_ns["cell"].prompt) == (text, text)


def test_a_line_keeps_the_blanks_at_its_end(shell: InteractiveShell) -> None:
    shell.run_line_magic("complete", "-N 1 -o line  two  ")  # as typed, IPython cuts them off
    assert shell.user_ns["line"].prompt == "two  "


def test_a_cell_is_kept_as_it_was_typed(shell: InteractiveShell) -> None:
    shell.run_cell("%%complete -N 1 -o c\n\n  indented\n\n\n")
    assert shell.user_ns["c"].prompt == "\n  indented\n\n\n"


def test_a_quoted_value_may_begin_with_a_dash() -> None:
    assert arguments.cell_settings("--stop '---' --stop \"-x\" -N 5") == {"stop": ["---", "-x"], "max_new_tokens": 5}


@pytest.mark.parametrize("line", ["load --dtype bfloat16 x", "--dtype bfloat16 load x", "load x --dtype bfloat16"])
def test_the_words_of_a_model_line_may_stand_anywhere(line: str) -> None:
    assert arguments.model_settings(line) == ("load", "x", {"dtype": "bfloat16"})


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%%complete --format=ma", ["--format=markdown"]),
        ("%%complete --model=sm", ["--model=smollm2"]),
        ("%complete_model load x --device ", ["auto", "cpu", "cuda", "mps"]),
    ],
)
def test_tab_offers_the_values_of_an_option(typed: str, offered: list[str]) -> None:
    assert arguments.completions(typed, {"models": ["smollm2"]}) == offered


def test_a_line_break_in_a_list_of_choices_is_part_of_a_choice() -> None:
    assert arguments.cell_settings('--choices "yes,\n no"')["choices"] == ["yes", "\n no"]


def test_quotes_that_belong_to_a_text_stay() -> None:
    read = arguments.cell_settings("""--task qa --question '"Who?"' --regex '"[^"]*"' --stop '"a"'""")
    assert (read["question"], read["regex"], read["stop"]) == ('"Who?"', '"[^"]*"', ['"a"'])
