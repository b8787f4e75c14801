"""Options: declared once, checked with one sentence, set by %config or a config file, used by the next cell."""

from __future__ import annotations

import math
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config import Config

from jupyter_complete.notebook import magics
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.phrases import near
from jupyter_complete.session.session import Session

OUT_OF_BOUNDS = [
    ("temperature", -1, "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is -1."),
    ("temperature", 101, "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is 101."),
    ("temperature", math.nan, "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is nan."),
    ("temperature", math.inf, "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is inf."),
    ("temperature", "hot", "temperature (-t/--temperature) must be a number from 0.0 to 100.0, but is 'hot'."),
    ("top_p", 2, "top_p (--top-p) must be a number from 0.0 to 1.0, but is 2."),
    ("top_k", -1, f"top_k (--top-k) must be a whole number from 0 to {2**31 - 1}, but is -1."),
    ("top_k", 2**63, f"top_k (--top-k) must be a whole number from 0 to {2**31 - 1}, but is {2**63}."),
    ("top_k", 2.5, f"top_k (--top-k) must be a whole number from 0 to {2**31 - 1}, but is 2.5."),
    ("min_p", 1.5, "min_p (--min-p) must be a number from 0.0 to 1.0, but is 1.5."),
    (
        "repetition_penalty",
        0,
        "repetition_penalty (--repetition-penalty) must be a number from 0.01 to 100.0, but is 0.",
    ),
    ("max_new_tokens", 0, "max_new_tokens (-N/--max-new-tokens) must be a whole number of 1 or more, but is 0."),
    ("num", 65, "num (-n/--num) must be a whole number from 1 to 64, but is 65."),
    ("num", True, "num (-n/--num) must be a whole number from 1 to 64, but is True."),
    ("beams", 0, "beams (--beams) must be a whole number from 1 to 64, but is 0."),
    ("seed", -1, f"seed (--seed) must be a whole number from 0 to {2**63 - 1}, but is -1."),
    ("stop", 5, "stop (--stop) must be a list of texts, but is 5."),
    ("format", "pdf", "format (--format) must be one of text, markdown, code, but is 'pdf'."),
    ("echo", "yes", "echo (--echo) must be True or False, but is 'yes'."),
    ("model", 3, "model (-m/--model) must be a text, but is 3."),
    ("candidates", 101, "candidates must be a whole number from 0 to 100, but is 101."),
    ("dtype", "int3", "dtype (--dtype) must be one of auto, float32, bfloat16, float16, int8, int4, but is 'int3'."),
]


@pytest.mark.parametrize(("name", "value", "sentence"), OUT_OF_BOUNDS, ids=lambda value: str(value)[:20])
def test_a_value_out_of_bounds_is_named_with_its_bounds(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({name: value})
    assert refused.value.message == sentence


def test_a_bad_value_is_told_the_default() -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({"temperature": -1})
    assert refused.value.hint == "Leave it out for the default, 0.7."


@pytest.mark.parametrize(
    ("name", "value"), [("choices", []), ("choices", ()), ("regex", ""), ("json", ""), ("thread", "")]
)
def test_what_is_asked_for_and_empty_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadOption, match=rf"{name} \(--{name}\) is empty\. Fill it in, or leave it out\."):
        Complete().checked({name: value})


@pytest.mark.parametrize("name", ["choices", "stop", "regex", "json", "thread", "task", "length", "model"])
def test_none_asks_for_nothing(name: str) -> None:
    config = Complete(stop=["."])
    assert config.checked({name: None}) == config.checked({})
    assert name == "json" or config.drop_unset({name: None}) == {}


@pytest.mark.parametrize("name", ["temperature", "max_new_tokens", "chat"])
def test_none_is_no_number_and_no_switch(name: str) -> None:
    with pytest.raises(BadOption):
        Complete().checked({name: None})


@pytest.mark.parametrize(("given", "told"), [("good, bad", "['good', 'bad']"), ("good", "['yes', 'no']")])
def test_choices_in_one_text_are_told_to_be_a_list(given: str, told: str) -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({"choices": given})
    assert str(refused.value) == f"choices (--choices) is a list, not one text. As in choices={told}."


def test_a_long_bad_value_is_cut_in_the_sentence() -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({"max_new_tokens": "9" * 5000})
    assert len(str(refused.value)) < 250


def test_a_number_too_large_to_write_is_refused_all_the_same() -> None:
    with pytest.raises(BadOption, match="but is a huge number"):
        Complete().checked({"seed": 10**5000})


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({"tempreature": 1})
    assert str(refused.value) == "tempreature is not an option. Did you mean temperature?"


@pytest.mark.parametrize("name", ["zzz", "config", "parent", "log", "checked"])
def test_an_unknown_option_far_from_all_is_told_which_there_are(name: str) -> None:
    with pytest.raises(BadOption) as refused:
        Complete().checked({name: 1})
    assert "max_new_tokens" in refused.value.hint


def test_checked_settings_are_the_traits_with_the_overrides_laid_over() -> None:
    config = Complete(temperature=0.2, top_k=7)
    settings = config.checked({"top_k": 9, "stop": "end"})
    assert (settings["temperature"], settings["top_k"], settings["stop"]) == (0.2, 9, ["end"])


def test_checking_leaves_the_settings_themselves_as_they_are() -> None:
    config = Complete()
    config.checked({"temperature": 0.1, "stop": ["x"]})
    assert (config.temperature, config.stop) == (0.7, [])


def test_every_default_of_a_sampling_is_the_default_of_its_trait() -> None:
    config = Complete()
    sampling = config.to_sampling(config.checked({}))
    defaults = Complete.class_traits()
    for name in sampling.__dataclass_fields__:
        default = defaults[name].default()
        assert getattr(sampling, name) == (tuple(default) if name == "stop" else default), name


@pytest.mark.parametrize("value", [-1.0, 101.0, math.nan])
def test_a_trait_refuses_what_a_line_would(value: float) -> None:
    config = Complete()
    with pytest.raises(TraitError):
        config.temperature = value
    assert config.temperature == 0.7


def test_near_finds_a_close_word_and_no_far_one() -> None:
    assert near("temprature", ["temperature", "top_p"]) == "Did you mean temperature?"
    assert near("zebra", ["temperature", "top_p"]) == ""


def test_config_magic_reaches_the_next_cell(shell: InteractiveShell) -> None:
    shell.run_cell("%config Complete.max_new_tokens = 4")
    shell.run_cell("%config Complete.temperature = 0.0")
    shell.run_cell("%%complete -o c\nThe mean")
    params = shell.user_ns["c"].params
    assert (params.max_new_tokens, params.temperature, len(shell.user_ns["c"].tokens)) == (4, 0.0, 4)


def test_an_option_of_the_line_wins_over_the_setting_for_this_cell_only(shell: InteractiveShell) -> None:
    shell.run_cell("%config Complete.max_new_tokens = 4")
    shell.run_cell("%%complete -N 3 -o short\nThe mean")
    shell.run_cell("%%complete -o long\nThe mean")
    assert (len(shell.user_ns["short"].tokens), len(shell.user_ns["long"].tokens)) == (3, 4)


def test_a_config_file_reaches_the_next_cell(shell: InteractiveShell, session: Session) -> None:
    magics.unload(shell)
    shell.config.merge(Config({"Complete": {"max_new_tokens": 5, "stop": ["\n\n"]}}))
    magics.load(shell, session)
    shell.run_cell("%%complete -o c\nThe mean")
    assert (shell.user_ns["c"].params.max_new_tokens, shell.user_ns["c"].params.stop) == (5, ("\n\n",))


def test_a_bad_value_in_config_magic_is_told_and_changes_nothing(
    shell: InteractiveShell, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    shell.run_cell("%config Complete.temperature = -1")
    assert session.config.temperature == 0.7
    assert "temperature" in caplog.text
    assert "-1" in caplog.text


def test_config_magic_lists_the_settings(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%config Complete")
    listed = capsys.readouterr().out
    assert "Complete.temperature=<Float>" in listed
    assert "flattens" in listed
