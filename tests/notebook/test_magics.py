"""The magics in IPython: what they show and bind, and that bad input costs one sentence and nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import echoes
import pytest
from bad_cells import fails_in_one_sentence, run
from echoes import before_token
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.notebook import arguments
from jupyter_complete.protocol.errors import (
    BadOption,
    CompleteError,
    NotAModel,
    PromptTooLong,
    UnknownModel,
    UnsafeModel,
)
from jupyter_complete.protocol.events import Loading
from jupyter_complete.results.draft import Wait
from jupyter_complete.session.session import Session
from jupyter_complete.session.stream import Pending

LONG = "word " * 300


def failing_at(step: int, error: Exception) -> Callable[[int], None]:
    def act(passes: int) -> None:
        if passes == step:
            raise error

    return act


# -- what the magics do ------------------------------------------------------------------------------------------


def test_a_cell_is_completed_and_bound(shell: InteractiveShell) -> None:
    run(shell, "%%complete -N 6 -t 0 -o c\nThe mean")
    c = shell.user_ns["c"]
    assert (c.prompt, len(c.tokens), c.finish_reason, c.model.name) == ("The mean", 6, "length", "tiny")


def test_a_line_is_completed_and_bound(shell: InteractiveShell) -> None:
    run(shell, "%complete -N 6 -t 0 -o c The mean")
    assert (shell.user_ns["c"].prompt, len(shell.user_ns["c"].tokens)) == ("The mean", 6)


def test_without_o_nothing_is_bound(shell: InteractiveShell) -> None:
    before = set(shell.user_ns)
    run(shell, "%%complete -N 2\nThe mean")
    assert {name for name in set(shell.user_ns) - before if not name.startswith("_")} == set()


def test_the_newest_completion_is_the_sessions_last(shell: InteractiveShell, session: Session) -> None:
    run(shell, "%%complete -N 2 -o c\nThe mean")
    assert session.last is shell.user_ns["c"]


def test_more_continues_and_replaces_the_variable(shell: InteractiveShell, session: Session) -> None:
    run(shell, "%%complete -N 6 -t 0 -o short\nThe mean")
    before = shell.user_ns["short"]
    run(shell, "%complete_more 5")
    after = shell.user_ns["short"]
    assert after is session.last
    assert len(after.tokens) == 11
    assert after.text.startswith(before.text)
    assert before.text == shell.user_ns["short"].text[: len(before.text)]


def test_more_of_a_greedy_completion_is_the_longer_completion(shell: InteractiveShell) -> None:
    run(shell, "%%complete -N 11 -t 0 -o long\nThe mean")
    run(shell, "%%complete -N 6 -t 0 -o short\nThe mean")
    run(shell, "%complete_more 5")
    assert shell.user_ns["short"].text == shell.user_ns["long"].text


def test_more_reads_the_kv_cache(shell: InteractiveShell, session: Session) -> None:
    run(shell, "%%complete -N 6 -t 0\nThe mean")
    run(shell, "%complete_more 5")
    assert session.last is not None
    assert session.last.usage.cached_tokens == session.last.usage.prompt_tokens - 1


def test_echo_shows_the_prompt_before_the_completion(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete -N 3 -t 0 --echo\nThe mean of it")
    assert capsys.readouterr().out.startswith("The mean of it")


def test_without_echo_the_prompt_is_not_shown(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%%complete -N 3 -t 0\nThe mean of it")
    assert "The mean of it" not in capsys.readouterr().out


def test_three_continuations_are_shown_with_numbers(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete -N 3 -n 3 --seed 1 -o c\nThe mean")
    shown = capsys.readouterr().out
    first, second, third = shell.user_ns["c"]
    assert (shell.user_ns["c"][1], shell.user_ns["c"].alternatives) == (second, (second, third))
    assert first.text == shell.user_ns["c"].text
    assert all(f"({n}) " in shown for n in (1, 2, 3))


def test_score_shows_a_table_and_binds_the_measured_tokens(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --score -o s\nThe mean of a sample")
    shown = capsys.readouterr().out
    scored = shell.user_ns["s"]
    assert "".join(step.text for step in scored.prompt_tokens) == "The mean of a sample"
    assert (scored.text, scored.perplexity is not None) == ("", True)
    assert {"probability", "rank", "perplexity"} <= set(re.findall(r"\w+", shown))


def test_inspect_shows_every_token_and_binds_the_measured_prompt(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --inspect -N 6 -t 0 -o c\nThe mean of it")
    shown, c = capsys.readouterr().out, shell.user_ns["c"]
    assert shown.endswith(f"{c.view()}\n")
    assert "".join(step.text for step in c.prompt_tokens) == "The mean of it"
    assert (len(c.tokens), c.perplexity is not None) == (6, True)


def test_inspect_shows_the_same_again_when_it_is_continued(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --inspect -N 3 -t 0 -o c\nThe mean of it")
    run(shell, "%complete_more 2")
    c = shell.user_ns["c"]
    assert len(c.tokens) == 5
    assert capsys.readouterr().out.endswith(f"{c.view()}\n")


def test_a_score_that_is_inspected_is_shown_as_tokens(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --score --inspect -o s\nThe mean of it")
    assert capsys.readouterr().out == f"{shell.user_ns['s'].view()}\n"


def test_a_dry_run_shows_tokens_and_what_fits_and_generates_nothing(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --dry-run -N 7 -o d\nThe mean")
    shown = capsys.readouterr().out
    count = len(shell.user_ns["d"].prompt_tokens)
    assert shell.user_ns["d"].tokens == ()
    assert f"{count} tokens · window 256, {256 - count} left · up to 7 asked" in shown


def test_a_dry_run_measures_a_prompt_that_is_too_long(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, f"%%complete --dry-run\n{LONG}")
    assert re.search(r"window 256: it does not fit, shorten it by at least [\d,]+ tokens", capsys.readouterr().out)


@pytest.mark.parametrize("form", ["text", "code", "markdown"])
def test_every_format_shows_the_same_text_in_a_terminal(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    run(shell, f"%%complete -N 5 -t 0 -o c --format {form}\nThe mean")
    from jupyter_complete.render.html import visible

    assert capsys.readouterr().out.startswith(visible(shell.user_ns["c"].text))


@pytest.mark.parametrize(
    ("magic", "parser"),
    [("%%complete", arguments.CELL), ("%complete", arguments.CELL), ("%complete_model", arguments.MODELS)],
)
def test_the_question_mark_shows_the_parsers_help(
    shell: InteractiveShell, magic: str, parser: arguments.Parser
) -> None:
    found = shell.object_inspect(magic)
    assert found["docstring"].split()[: len(parser.format_help().split())] == parser.format_help().split()


def test_the_manual_says_how_a_line_is_completed_and_what_the_defaults_are(shell: InteractiveShell) -> None:
    manual = " ".join(shell.object_inspect("%complete")["docstring"].split())
    assert "after -- if it begins with a dash" in manual
    assert "0 always picks the most likely token. Default: 0.7." in manual
    usage = shell.object_inspect("%complete_model")["docstring"]
    assert "%complete_model [use|load|plan|list|status|unload|connect] [NAME]" in usage


def test_the_question_mark_explains_complete_more(shell: InteractiveShell) -> None:
    assert "Continue the completion that a cell showed last" in shell.object_inspect("%complete_more")["docstring"]


# -- models ------------------------------------------------------------------------------------------------------


def test_status_says_when_nothing_is_resident(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%complete_model")
    assert capsys.readouterr().out == "No model is resident; %%complete loads tiny.\n"


def test_load_does_not_change_the_default(shell: InteractiveShell, session: Session) -> None:
    session.models.register("other", *echoes.make())
    run(shell, "%complete_model load other")
    assert session.config.model == "tiny"


def test_plan_without_a_name_is_of_the_default(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%complete_model plan")
    assert re.search(r"^model +tiny\n.*^form +your own object, as it is$", capsys.readouterr().out, re.M | re.S)


def test_use_makes_a_model_the_default(shell: InteractiveShell, session: Session) -> None:
    session.models.register("other", *echoes.make())
    run(shell, "%complete_model use other")
    run(shell, "%%complete -N 1 -o c\nThe mean")
    assert shell.user_ns["c"].model.name == "other"


def test_use_of_a_model_that_cannot_be_loaded_keeps_the_default(
    shell: InteractiveShell, session: Session, tmp_path: Path
) -> None:
    shell.run_cell(f"%complete_model use {tmp_path}")
    assert session.config.model == "tiny"


def test_list_names_every_model_and_marks_the_resident(
    shell: InteractiveShell, hub_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%complete_model load tiny")
    capsys.readouterr()
    run(shell, "%complete_model list")
    shown = capsys.readouterr().out
    assert re.search(r"^tiny +yes +your own object$", shown, re.MULTILINE)
    about = r"about \d+ +instruct +92\.9 MB +92\.9 MB +135 M +English +Apache-2\.0"
    assert re.search(rf"^smollm2 +[a-zA-Z][a-zA-Z0-9 ,:.]*? +{about}$", shown, re.M)
    assert re.search(
        r"^qwen3-0\.6b +Qwen/Qwen3-0\.6B +Qwen/Qwen3-0\.6B-GGUF:Q8_0 +set by the first fetch$", shown, re.M
    )
    assert "Also: NAME:gguf for the GGUF file of a name" in shown


def test_status_shows_the_cache_of_a_model_that_was_used(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete -N 4 -t 0\nThe mean")
    capsys.readouterr()
    run(shell, "%complete_model status")
    assert re.search(r"tiny \(default\) .* [1-9]\d* tokens, [\d.]+ kB +0$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("# a note\n%%complete\nThe mean of", "%%complete must be the first line of its cell, and is line 2."),
        ("x = 5\n\n%%complete -N 5\nIt is", "and is line 3. Move what is above it into a cell of its own."),
        ("# a note\n%%complete_inside\nThe mean", "%%complete_inside must be the first line"),
    ],
)
def test_a_magic_below_other_lines_is_one_sentence(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], source: str, said: str
) -> None:
    done = shell.run_cell(source)
    shown = "".join(capsys.readouterr())
    assert isinstance(done.error_before_exec, UsageError)
    assert said in shown
    assert shown.count("\n") == 1


def test_unload_without_a_name_is_of_the_only_model(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%complete_model load tiny")
    session.models.register("other", *echoes.make())
    run(shell, "%complete_model load other")
    shell.run_cell("%complete_model unload")
    assert "needs a name. Resident are tiny, other." in "".join(capsys.readouterr())
    run(shell, "%complete_model unload other")
    run(shell, "%complete_model unload")
    assert list(session.models) == []
    shell.run_cell("%complete_model unload")
    assert "No model is resident." in "".join(capsys.readouterr())


def test_status_says_what_the_process_holds(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%complete_model load tiny")
    capsys.readouterr()
    run(shell, "%complete_model status")
    assert re.search(
        r"^The models hold [\d.]+ k?B; this process holds [\d.]+ [MG]B of memory, libraries included\.$",
        capsys.readouterr().out,
        re.M,
    )


@pytest.mark.parametrize(
    "source",
    ['text = """\n%%complete\nx"""', "%%complete -N 1\nThe mean\n%%complete\nx", "%%time\n%%complete -N 1\nx"],
)
def test_a_magic_inside_a_text_or_a_cell_of_a_magic_is_left_alone(shell: InteractiveShell, source: str) -> None:
    run(shell, source)


# -- the extension -----------------------------------------------------------------------------------------------


def ours(shell: InteractiveShell) -> dict[str, int]:
    """How much of us is in the shell."""
    magics = shell.magics_manager.magics
    return {
        "magics": sum(name.startswith("complete") for kind in magics.values() for name in kind),
        "registry": sum(name == "CompleteMagics" for name in shell.magics_manager.registry),
        "configurables": sum(type(one).__name__ == "Complete" for one in shell.configurables),
        "matchers": sum(getattr(one, "jupyter_complete", False) for one in shell.Completer.custom_matchers),
    }


LOADED = {"magics": 10, "registry": 1, "configurables": 1, "matchers": 1}


@pytest.mark.parametrize(
    "words", [["load_ext"], ["reload_ext"], ["reload_ext", "reload_ext"], ["unload_ext", "load_ext"]]
)
def test_loading_again_leaves_one_of_everything(shell: InteractiveShell, words: list[str]) -> None:
    for word in words:
        run(shell, f"%{word} jupyter_complete")
    assert ours(shell) == LOADED


def test_unloading_leaves_nothing_behind(shell: InteractiveShell) -> None:
    run(shell, "%unload_ext jupyter_complete")
    assert ours(shell) == dict.fromkeys(LOADED, 0)


def test_the_model_stays_resident_over_a_reload(shell: InteractiveShell, session: Session) -> None:
    run(shell, "%complete_model load tiny")
    resident = session.models.get("tiny")
    run(shell, "%reload_ext jupyter_complete")
    run(shell, "%%complete -N 1\nThe mean")
    assert session.models.get("tiny") is resident
    assert resident is not None


# -- bad input ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bad_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what is no model, or none that may be loaded."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "empty").mkdir()
    (folder / "weights.bin").write_bytes(b"\x80\x02}.")
    (folder / "notes.txt").write_text("hello")
    return folder


BAD_CELLS = [
    ("%%complete --temprature 1\nx", UsageError, "Did you mean --temperature?"),
    ("%%complete --tasks summarise\nx", UsageError, "--tasks is no option"),
    ("%%complete hello\nx", UsageError, "'hello' is no option"),
    ("%%complete -t -1\nx", UsageError, "from 0.0 to 100.0, but is -1.0."),
    ("%%complete -t hot\nx", UsageError, "'hot'"),
    ("%%complete -t nan\nx", UsageError, "but is nan."),
    ("%%complete --top-p 2\nx", UsageError, "from 0.0 to 1.0, but is 2.0."),
    ("%%complete --top-k -1\nx", UsageError, "but is -1."),
    ("%%complete --min-p 2\nx", UsageError, "from 0.0 to 1.0"),
    ("%%complete --repetition-penalty 0\nx", UsageError, "from 0.01 to 100.0"),
    ("%%complete -N 0\nx", UsageError, "of 1 or more, but is 0."),
    ("%%complete -N 1.5\nx", UsageError, "'1.5'"),
    ("%%complete -N " + "9" * 5000 + "\nx", UsageError, "max_new_tokens"),
    ("%%complete -n 65\nx", UsageError, "from 1 to 64, but is 65."),
    ("%%complete -n 3 --beams 2\nx", UsageError, "3 continuations were asked of 2 beams."),
    ("%%complete --beams 0\nx", UsageError, "from 1 to 64"),
    ("%%complete --seed -1\nx", UsageError, "seed"),
    ("%%complete --stop ''\nx", UsageError, "A stop string is empty."),
    ("%%complete --stop 'a\nx", UsageError, "quotation mark"),
    ("%%complete --format pdf\nx", UsageError, "one of text, markdown, code"),
    ("%%complete --score --dry-run\nx", UsageError, "exclude each other"),
    ("%%complete -o 1x\nx", UsageError, "'1x' is none"),
    ("%%complete -o class\nx", UsageError, "'class' is none"),
    ("%%complete -m smolm2\nx", UnknownModel, "Did you mean smollm2?"),
    ("%%complete -m 'no model'\nx", UnknownModel, "There is no model 'no model'."),
    ("%%complete -m {bad}/nowhere\nx", UnknownModel, "There is no file or directory"),
    ("%%complete -m {bad}/empty\nx", NotAModel, "holds no config.json"),
    ("%%complete -m {bad}/notes.txt\nx", NotAModel, "is no model file"),
    ("%%complete -m {bad}/weights.bin\nx", UnsafeModel, "is a pickle, which can run code"),
    ("%%complete\n" + LONG, PromptTooLong, "and the window of tiny is 256."),
    ("%%complete --score\n" + LONG, PromptTooLong, "and the window of tiny is 256."),
    ("%%complete\n\n", UsageError, "The prompt is empty."),
    ("%%complete\n   \n", UsageError, "The cell holds blanks only."),
    ("%%complete --chat\nx", BadOption, "tiny has no chat template."),
    ("%complete", UsageError, "The prompt is empty."),
    ("%complete -N 5", UsageError, "The prompt is empty."),
    ("%complete -N 5 --", UsageError, "The prompt is empty."),
    ("%complete -5 degrees", UsageError, "-5 is no option of %complete."),
    ("%complete_more two", UsageError, "'two'"),
    ("%complete_more -1", UsageError, "'-1'"),
    ("%complete_more 0", UsageError, "of 1 or more, but is 0."),
    ("%complete_more ²", UsageError, "'²'"),
    ("%complete_more " + "9" * 5000, UsageError, "takes a number of tokens"),
    ("%complete_model laod", UsageError, "Did you mean load?"),
    ("%complete_model load", UsageError, "needs a name"),
    ("%complete_model use", UsageError, "needs a name"),
    ("%complete_model unload nobody", UnknownModel, "nobody is not resident."),
    ("%complete_model plam", UsageError, "Did you mean plan?"),
    ("%complete_model plan smolm2", UnknownModel, "There is no model 'smolm2'. Did you mean smollm2?"),
    ("%complete_model plan {bad}/empty", NotAModel, "holds no config.json"),
    ("%complete_model plan tiny --dtype bfloat16", UsageError, "your own object"),
    ("%complete_model list tiny", UsageError, "takes no name"),
    ("%complete_model load {bad}/empty", NotAModel, "holds no config.json"),
    ("%complete_model load tiny --dtype int3", UsageError, "one of auto, float32"),
    ("%complete_model load tiny --dtype bfloat16", UsageError, "your own object"),
]


@pytest.mark.parametrize(("source", "kind", "said"), BAD_CELLS, ids=[source[:40] for source, *_ in BAD_CELLS])
def test_bad_input_gets_one_sentence_and_loses_nothing(
    shell: InteractiveShell,
    session: Session,
    bad_models: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    kind: type[Exception],
    said: str,
) -> None:
    fails_in_one_sentence(shell, session, capsys, source.replace("{bad}", str(bad_models)), (kind, said))


def test_more_without_a_completion_is_one_sentence(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%complete_more")
    assert "There is no completion to continue" in capsys.readouterr().err


def test_a_failure_in_mid_stream_keeps_and_binds_the_partial_text(
    echo: EchoModel, shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete -N 9 -t 0 -o whole\nThe mean")
    capsys.readouterr()
    with before_token(echo, failing_at(5, ValueError("the fuse blew"))):
        done = shell.run_cell("%%complete -N 9 -t 0 -o c\nThe mean")
    c = shell.user_ns["c"]
    assert isinstance(done.error_in_exec, ValueError)
    assert (c.finish_reason, len(c.tokens)) == ("error", 4)
    assert c.text
    assert shell.user_ns["whole"].text.startswith(c.text)
    assert session.last is c
    assert "error · 4 tokens" in capsys.readouterr().out


def test_after_a_failure_in_mid_stream_the_same_model_works(
    echo: EchoModel, shell: InteractiveShell, session: Session
) -> None:
    run(shell, "%%complete -N 9 -t 0 -o before\nThe mean")
    engine = next(iter(session.models)).engine
    with before_token(echo, failing_at(5, ValueError("the fuse blew"))):
        shell.run_cell("%%complete -N 9 -t 0\nThe mean")
    run(shell, "%%complete -N 9 -t 0 -o after\nThe mean")
    assert next(iter(session.models)).engine is engine
    assert shell.user_ns["after"].text == shell.user_ns["before"].text


def test_an_error_that_is_none_of_ours_says_where_in_the_model_it_was(
    echo: EchoModel, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    with before_token(echo, failing_at(1, ValueError("the fuse blew"))):
        shell.run_cell("%%complete -N 9 -t 0\nThe mean")
    shown = capsys.readouterr().out
    assert "the fuse blew" in shown
    assert "In the model's thread:" in shown


def test_an_error_of_ours_keeps_its_type_for_code(shell: InteractiveShell) -> None:
    run(shell, "import jupyter_complete as jc")
    run(shell, "try:\n    jc.complete('x', model='smolm2')\nexcept jc.CompleteError as error:\n    caught = error")
    assert isinstance(shell.user_ns["caught"], UnknownModel)
    assert isinstance(shell.user_ns["caught"], CompleteError)


# -- what a first reader stumbled over ---------------------------------------------------------------------------


def test_more_continues_no_measured_text_and_leaves_it_bound(shell: InteractiveShell) -> None:
    run(shell, "%%complete -N 2 -t 0 -o c\nThe mean")
    run(shell, "%%complete --score -o s\nThe mean")
    run(shell, "%complete_more 3")
    assert len(shell.user_ns["c"].tokens) == 5
    assert shell.user_ns["s"].perplexity is not None


def test_more_of_several_continuations_is_refused_and_none_is_lost(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete -N 2 -n 3 --seed 1 -o c\nThe mean")
    shell.run_cell("%complete_more 3")
    assert "has 3 continuations" in "".join(capsys.readouterr())
    assert len(shell.user_ns["c"].alternatives) == 2
    assert len(shell.user_ns["c"].alternatives[0].more(3).tokens) == 5


def test_more_is_shown_as_the_cell_was(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%%complete -N 2 -t 0 --echo -o c\nThe mean")
    run(shell, "%%complete --score\nThe mean")
    capsys.readouterr()
    run(shell, "%complete_more 3")
    assert capsys.readouterr().out.startswith("The mean")


def test_more_replaces_the_name_of_the_cell_and_no_other(shell: InteractiveShell) -> None:
    run(shell, "%%complete -N 2 -t 0 -o _c\nThe mean")
    run(shell, "before = _c")
    run(shell, "%complete_more 3")
    run(shell, "%complete_more 3")
    assert len(shell.user_ns["_c"].tokens) == 8
    assert len(shell.user_ns["before"].tokens) == 2


def test_more_leaves_a_name_that_has_another_value_by_now(shell: InteractiveShell) -> None:
    run(shell, "%%complete -N 2 -t 0 -o c\nThe mean")
    run(shell, "c = 'my own'")
    run(shell, "%complete_more 3")
    assert shell.user_ns["c"] == "my own"


def test_more_goes_on_from_what_the_last_cell_showed(shell: InteractiveShell) -> None:
    run(shell, "import jupyter_complete as jc")
    run(shell, "%%complete -N 4 -t 0 -o c\nThe mean")
    run(shell, "c0 = c; b = c.branch(at=2, token=c.tokens[0].id); other = jc.complete('Another', max_new_tokens=2)")
    run(shell, "kept = b")
    run(shell, "%complete_more 3")
    after = shell.user_ns["c"]
    assert after.text.startswith(shell.user_ns["c0"].text)
    assert (len(after.tokens), after.parent) == (7, shell.user_ns["c0"])
    assert shell.user_ns["b"] is shell.user_ns["kept"]


def test_more_goes_on_from_python_where_no_cell_has_shown_one(shell: InteractiveShell) -> None:
    run(shell, "import jupyter_complete as jc\nc = jc.complete('The mean', max_new_tokens=2)")
    run(shell, "d = %complete_more 3")
    assert shell.user_ns["d"].parent is shell.user_ns["c"]


def test_use_shows_the_new_default(
    shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    session.models.register("other", *echoes.make())
    run(shell, "%complete_model use other")
    assert "other (default)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("format = 'html'", "Complete.format is left at 'text': it cannot be 'html'."),
        ("temperature = 500", "Complete.temperature is left at 0.7: it cannot be 500."),
        ("temprature = 1", "Complete.temprature is no setting. Did you mean temperature?"),
    ],
)
def test_a_setting_that_is_refused_costs_no_magic(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], setting: str, said: str
) -> None:
    exec(f"config.Complete.{setting}", {"config": shell.config})
    shell.config.Complete.top_k = 7
    run(shell, "%reload_ext jupyter_complete")
    assert capsys.readouterr().err == f"{said}\n"
    run(shell, "%%complete -N 1 -o c\nThe mean")
    assert shell.user_ns["c"].params.top_k == 7


class TestPreload:
    """The default model gets ready in the background."""

    @staticmethod
    def ready(session: Session, name: str) -> bool:
        resident = session.models.get(name)
        if resident is None:
            return False
        session.models.load(name, "auto", "auto").wait()  # behind what has begun already
        return resident.engine is not None

    def test_when_the_extension_is_loaded_with_that_setting(
        self, shell: InteractiveShell, session: Session, tmp_path: Path
    ) -> None:
        session.models.register(name := "other", *echoes.make())
        shell.config.Complete.preload = True
        shell.config.Complete.model = name
        shell.extension_manager.reload_extension("jupyter_complete")
        assert self.ready(session, name)

    def test_when_it_is_set_later(self, shell: InteractiveShell, session: Session, tmp_path: Path) -> None:
        session.models.register("other", *echoes.make())
        session.config.model = "other"
        run(shell, "%config Complete.preload = True")
        assert self.ready(session, session.config.model)

    def test_otherwise_nothing_is_loaded(self, shell: InteractiveShell, session: Session) -> None:
        assert list(session.models) == []

    def test_a_model_that_there_is_not_is_told_by_the_first_request(
        self, shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
    ) -> None:
        session.config.model = "smolm2"
        run(shell, "%config Complete.preload = True")
        assert capsys.readouterr().err == ""
        with pytest.raises(UnknownModel):
            session.stream("The mean")

    def test_a_request_says_that_it_waits_for_the_model(
        self, shell: InteractiveShell, session: Session, tmp_path: Path
    ) -> None:
        session.models.register(name := "other", *echoes.make())
        resident = session.models.resident(name, "auto", "auto")
        held = threading.Event()
        resident.worker.submit(lambda stop: iter(lambda: held.wait() and None, None), Pending(Wait()))
        stream = session.stream("The mean", model=name, max_new_tokens=2)
        first = next(iter(stream.ticks()))
        held.set()
        assert first == Loading(f"waiting for {name}, which is being loaded")
        assert stream.result().text


# -- forms -------------------------------------------------------------------------------------------------------


def test_a_choice_is_bound_with_its_scores(shell: InteractiveShell) -> None:
    run(shell, '%%complete --choices yes,no,"not sure" -o c\nIs it?')
    assert shell.user_ns["c"].value in [choice.text for choice in shell.user_ns["c"].choices]


def test_the_table_of_choices_stands_below_the_text(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%%complete --choices yes,no\nIs it?")
    printed = capsys.readouterr().out
    assert printed.index("logprob") < printed.index("[best of 2 choices")


def test_what_is_not_met_is_said_and_bound(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%%complete --regex [a-z]{30} -N 2 -t 0 -o c\nThe mean")
    assert "the text does not match the regex" in capsys.readouterr().out
    assert (shell.user_ns["c"].met, shell.user_ns["c"].value) == (False, None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--choices yes", "two texts or more"),
        ("--choices yes,yes", "given twice"),
        ("--choices yes,", "empty"),
        ("--choices a,b --regex c", "exclude each other"),
        ("--json Nothing", "no variable"),
        ("--json Nope", "'Nope' is no JSON, no variable and no file. Give"),
        ("--json {", "no JSON"),
        ("--regex a --beams 2", "Beams"),
        ("--regex a --score", "scored"),
        ("--choices ''", "choices (--choices) is empty. Fill it in, or leave it out."),
        ("--regex ''", "regex (--regex) is empty. Fill it in, or leave it out."),
        ("--json ''", "json (--json) is empty. Fill it in, or leave it out."),
        ("--thread ''", "thread (--thread) is empty. Fill it in, or leave it out."),
        ("--choices a,b -n 2", "Of choices one is taken, and none is sampled. Leave out num (-n) and beams (--beams)."),
        ("--choices a,b --beams 2", "Of choices one is taken, and none is sampled."),
        (
            "--json list[int]",
            "'list[int]' is no name of a variable. Give it one: Schema = list[int], and --json Schema.",
        ),
    ],
)
def test_a_form_that_cannot_be_had_is_one_sentence(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    shell.run_cell(f"%%complete {line}\nThe mean")
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert "Traceback" not in printed.out + printed.err


def test_a_cell_ends_with_a_sentence_and_says_what_it_left_out(shell: InteractiveShell, session: Session) -> None:
    session.models.register("talker", *echoes.make(says=" It is low. It is not hi gh."))
    run(shell, "%%complete -m talker -N 20 -t 0 --end sentence -o c\nThe mean:")
    c = shell.user_ns["c"]
    assert c.text == " It is low."
    assert c.finish_reason == "length"
    assert re.search(r"length \(after a sentence, \d+ characters left out\)", c.footer())
    assert c.more(30).text == " It is low. It is not hi gh."
