"""A column of completions: pandas and polars alike, rows as single requests would have them, nothing lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import echoes
import pandas as pd
import polars as pl
import pytest
from echoes import before_token

import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.frames.complete_frame import series
from jupyter_complete.protocol.errors import BadOption, CompleteError
from jupyter_complete.session.session import Session

ROWS = {"name": ["mean", "median", "{{ n }}", "mode", "range"], "n": [1, 2, 3, 4, 5]}
TEMPLATE = "The {{ name }} of {{ n }} numbers"
OPTIONS = {"max_new_tokens": 6, "seed": 3}

FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": lambda rows: pd.DataFrame(rows),
    "polars": lambda rows: pl.DataFrame(rows, strict=False),
}


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Callable[[dict[str, list[Any]]], Any]:
    """Makes a frame of pandas, or of polars."""
    return FRAMES[request.param]


@pytest.fixture(autouse=True)
def model(echo: EchoModel) -> EchoModel:
    """An echo model, which never ends a text, as the session's default."""
    return echo


def values(frame: Any, column: str) -> list[Any]:
    """A column's values, with None for what is null."""
    return [None if value != value else value for value in frame[column].to_list()]


class TestColumn:
    def test_each_row_has_the_text_that_its_prompt_has_alone(self, frame: Any) -> None:
        made = jc.complete_frame(frame(ROWS), TEMPLATE, into="text", **OPTIONS)
        prompts = [f"The {name} of {n} numbers" for name, n in zip(*ROWS.values(), strict=True)]
        single = [jc.complete(p, max_new_tokens=6, seed=3 + crc32(p.encode())).text for p in prompts]
        assert values(made, "text") == single

    def test_a_row_keeps_its_text_wherever_it_stands(self, frame: Any) -> None:
        names = ["mean", "mode", "median", "range"]
        texts = values(jc.complete_frame(frame({"name": names}), "The {{ name }}", into="text", **OPTIONS), "text")
        turned = frame({"name": names[:0:-1]})
        assert values(jc.complete_frame(turned, "The {{ name }}", into="text", **OPTIONS), "text") == texts[:0:-1]

    def test_rows_with_the_same_prompt_are_sampled_each_with_a_seed_of_its_own(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"name": ["mean"] * 3}), "The {{ name }}", into="text", **OPTIONS)
        assert len(set(values(made, "text"))) == 3

    def test_the_frame_given_stays_as_it_is_and_no_error_column_is_added_without_an_error(self, frame: Any) -> None:
        given = frame(ROWS)
        made = jc.complete_frame(given, TEMPLATE, into="text", **OPTIONS)
        assert list(given.columns) == ["name", "n"]
        assert list(made.columns) == ["name", "n", "text"]
        assert values(made, "name") == ROWS["name"]

    def test_an_index_with_equal_labels_is_kept_and_rows_stay_beside_it(self) -> None:
        plain = jc.complete_frame(pd.DataFrame(ROWS), TEMPLATE, into="text", **OPTIONS)
        indexed = jc.complete_frame(pd.DataFrame(ROWS, index=[7, 7, 1, 0, 7]), TEMPLATE, into="text", **OPTIONS)
        assert list(indexed.index) == [7, 7, 1, 0, 7]
        assert list(indexed["text"]) == list(plain["text"])

    def test_a_function_of_the_row_and_a_column_of_prompts_are_templates_too(self, frame: Any) -> None:
        given = frame({"prompt": [f"The {name}" for name in ROWS["name"]]})
        by_name, by_function, by_column = (
            values(jc.complete_frame(given, template, **OPTIONS), "completion")
            for template in ("{{ prompt }}", lambda row: row["prompt"], given["prompt"])
        )
        assert by_name == by_function == by_column

    def test_an_empty_frame_gets_an_empty_column(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"name": [], "n": []}), TEMPLATE, into="text")
        assert values(made, "text") == []

    def test_of_an_empty_frame_the_columns_are_those_of_a_full_one(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"name": []}), "{{ name }}", into="sort", choices=["a", "b"])
        assert list(made.columns) == ["name", "sort", "sort_prob"]

    def test_a_column_that_is_there_is_replaced_with_what_an_earlier_call_put_beside_it(self, frame: Any) -> None:
        earlier = frame({"text": ["mean", "mode"], "text_error": ["no", None], "text_prob": [0.5, 0.5]})
        made = jc.complete_frame(earlier, "The {{ text }}", into="text", **OPTIONS)
        assert list(made.columns) == ["text"]
        assert values(made, "text") == [
            jc.complete(prompt, max_new_tokens=6, seed=3 + crc32(prompt.encode())).text
            for prompt in ["The mean", "The mode"]
        ]
        assert values(earlier, "text") == ["mean", "mode"]

    def test_columns_named_like_an_errors_stay_where_none_is_replaced(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"name": ["mean"], "text_error": ["own"]}), "{{ name }}", "text", **OPTIONS)
        assert values(made, "text_error") == ["own"]

    def test_what_is_set_for_cells_alone_is_not_asked_for_a_row(self, session: Session, frame: Any) -> None:
        session.config.num, session.config.trace = 3, True
        passed = jc.complete_frame(frame({"name": ["mean"]}), "The {{ name }}", **OPTIONS, num=1, thread=None)
        assert values(passed, "completion") == [
            jc.complete("The mean", max_new_tokens=6, seed=3 + crc32(b"The mean"), num=1).text
        ]

    def test_none_asks_for_nothing(self, frame: Any) -> None:
        nothing = {"choices": None, "stop": None, "regex": None, "json": None, "thread": None, "cache": None}
        made = jc.complete_frame(frame(ROWS), TEMPLATE, **OPTIONS, **nothing)
        assert values(made, "completion") == values(jc.complete_frame(frame(ROWS), TEMPLATE, **OPTIONS), "completion")

    def test_without_a_seed_runs_differ_and_at_temperature_0_they_do_not(self, frame: Any) -> None:
        given = frame(ROWS)
        drawn, again = (values(jc.complete_frame(given, TEMPLATE, max_new_tokens=9), "completion") for _ in range(2))
        assert drawn != again
        greedy = [values(given.complete(TEMPLATE, temperature=0, max_new_tokens=9), "completion") for _ in range(2)]
        assert greedy[0] == greedy[1]

    def test_rows_are_not_kept_in_the_history(self, session: Session, frame: Any) -> None:
        jc.complete_frame(frame(ROWS), TEMPLATE, **OPTIONS)
        assert jc.last() is None


class TestErrors:
    def test_a_row_that_cannot_be_done_is_null_with_its_reason_and_the_others_are_done(self, frame: Any) -> None:
        rows = {"name": ["mean", None, "x " * 3000, ""], "n": [1, 2, 3, 4]}
        made = jc.complete_frame(frame(rows), "{{ name }}", into="text", **OPTIONS)
        texts, errors = values(made, "text"), values(made, "text_error")
        assert [text is None for text in texts] == [False, True, True, True]
        assert errors[0] is None
        assert errors[1] == "name is missing. Fill it in, or drop the row."
        assert errors[2].startswith("The prompt has 6,")
        assert errors[3].startswith("The prompt is empty.")

    def test_a_function_that_gives_no_text_or_raises_costs_its_own_row(self, frame: Any) -> None:
        def ask(row: dict[str, Any]) -> Any:
            return {"none": None, "three": 3, "gone": row.get("gone", row["name"])}[row["name"]]

        made = jc.complete_frame(frame({"name": ["none", "three", "gone", "else"]}), ask, into="text", **OPTIONS)
        assert [text is None for text in values(made, "text")] == [True, True, False, True]
        assert values(made, "text_error") == [
            "The prompt is missing. Fill it in, or drop the row.",
            "A prompt is text, and this is of type int. Give a str.",
            None,
            "The function raised KeyError: 'else'. Call it with this row to see where.",
        ]

    def test_a_column_of_prompts_that_are_no_text_says_so(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"n": [1, 2]}), [None, 2], into="text", **OPTIONS)
        assert values(made, "text_error") == [
            "The prompt is missing. Fill it in, or drop the row.",
            "A prompt is text, and this is of type int. Give a str.",
        ]

    def test_a_value_that_cannot_be_written_costs_its_own_row(self) -> None:
        class Hostile:
            def __repr__(self) -> str:
                raise SystemExit

        made = pd.DataFrame({"x": [Hostile(), "mean"]}).complete("The {{ x }}", into="text", **OPTIONS)
        assert [text is None for text in values(made, "text")] == [True, False]
        assert values(made, "text_error")[0].startswith("x cannot be written as text: SystemExit.")

    def test_an_interrupt_in_a_function_ends_the_call(self, frame: Any) -> None:
        def ask(row: dict[str, Any]) -> str:
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the interrupt came late")

        with pytest.raises(KeyboardInterrupt):
            jc.complete_frame(frame(ROWS), ask)

    def test_where_every_row_fails_no_model_is_loaded_and_the_columns_are_there(
        self, session: Session, frame: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = frame({"name": [None, None]})
        made = jc.complete_frame(given, "{{ name }}", into="text", choices=["a", "b"])
        assert list(made.columns) == ["name", "text", "text_prob", "text_error"]
        assert values(made, "text") == values(made, "text_prob") == [None, None]
        assert capsys.readouterr().err.endswith("2 errors\n")
        resident = session.models.get("tiny")
        assert resident is None or resident.engine is None

    def test_blanks_are_no_text_for_a_task(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"name": ["  "]}), "{{ name }}", into="text", task="summarize")
        assert values(made, "text_error") == ["The prompt is empty. Write the text to put to the model."]

    def test_not_a_number_is_missing_as_well(self, frame: Any) -> None:
        made = jc.complete_frame(frame({"n": [1.5, float("nan")]}), "{{ n }} and", into="text", **OPTIONS)
        assert values(made, "text_error")[1].startswith("n is missing.")

    @pytest.mark.parametrize(
        ("template", "options", "said"),
        [
            ("The {{ nme }}", {}, "The frame has no column 'nme'. Did you mean name?"),
            ("The {{ price }}", {}, "The frame has no column 'price'. The columns are name, n."),
            ("The mean", {}, "The template names no column."),
            (["one"], {}, "There are 1 prompt for 5 rows."),
            (TEMPLATE, {"num": 2}, "num is for single completions."),
            (TEMPLATE, {"trace": True}, "trace is for single completions."),
            (TEMPLATE, {"thread": "z"}, "thread is for single completions."),
            (TEMPLATE, {"choices": []}, "choices (--choices) is empty. Fill it in, or leave it out."),
            (
                TEMPLATE,
                {"cache": "no such folder/r.sqlite"},
                "There is no folder no such folder for the cache. Make it, or give",
            ),
            (TEMPLATE, {"cache": 3}, "cache must be True or a file, but is 3."),
            (TEMPLATE, {"cache": ""}, "cache must be True or a file, but is ''."),
            (42, {}, "A template is a text, a function of a row or a column of prompts, not of type int."),
            (b"{{ name }}", {}, "A template is a text, a function of a row or a column of prompts, not of type bytes."),
            (TEMPLATE, {"echo": True}, "echo is for cells only."),
            (TEMPLATE, {"temprature": 1}, "temprature is not an option. Did you mean temperature?"),
            (TEMPLATE, {"into": ""}, "into must be a column's name."),
        ],
        ids=str,
    )
    def test_what_was_asked_wrongly_is_one_sentence(
        self, frame: Any, template: Any, options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(BadOption) as caught:
            jc.complete_frame(frame(ROWS), template, **options)
        assert str(caught.value).startswith(said)

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            (["a", "a"], "The frame has several columns named 'a'. Rename all but one of them."),
            (
                [["a", "a"], ["b", "c"]],
                "The names of the frame's columns have several levels. Join them: ",
            ),
            (["b", 3], "The name of column 3 is no text, but of type int. Name columns by texts: frame.rename(colu"),
        ],
        ids=["twice", "levels", "numbers"],
    )
    def test_names_that_no_template_can_say_are_one_sentence(self, columns: Any, said: str) -> None:
        with pytest.raises(BadOption) as caught:
            pd.DataFrame([[1, 2]], columns=columns).complete("{{ 3 }} {{ a }}")
        assert str(caught.value).startswith(said)

    def test_a_number_for_a_name_is_in_no_ones_way(self) -> None:
        made = pd.DataFrame([["mean", 2]], columns=["name", 3]).complete("The {{ name }}", **OPTIONS)
        assert list(made.columns) == ["name", 3, "completion"]

    @pytest.mark.parametrize("given", [[1, 2], pl.LazyFrame(ROWS), pd.Series([1])], ids=lambda one: type(one).__name__)
    def test_what_is_no_frame_is_one_sentence(self, given: Any) -> None:
        with pytest.raises(BadOption, match="complete_frame was given a"):
            jc.complete_frame(given, TEMPLATE)


class TestAgain:
    """What was done is not done again."""

    def interrupted(self, model: EchoModel, given: Any, after: int, **options: Any) -> None:
        """A call that Ctrl-C ends after some tokens."""
        interrupted = threading.Event()

        def interrupt(number: int) -> None:
            if number == after:
                os.kill(os.getpid(), signal.SIGINT)
            if number >= after:  # the handler runs in another thread
                interrupted.wait(0.01)

        with before_token(model, interrupt), pytest.raises(KeyboardInterrupt):
            given.complete(TEMPLATE, into="text", **options)

    @pytest.mark.parametrize("options", [OPTIONS, {"max_new_tokens": 6}], ids=["seed", "no seed"])
    def test_the_same_call_goes_on_where_an_interrupt_ended_it(
        self,
        session: Session,
        model: EchoModel,
        frame: Any,
        options: dict[str, Any],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        given = frame({name: column * 12 for name, column in ROWS.items()})
        self.interrupted(model, given, after=100, **options)
        (column,) = session.unfinished.values()
        done = dict(column.results)
        assert 0 < len(done) < 60
        capsys.readouterr()
        made = values(given.complete(TEMPLATE, into="text", **options), "text")
        assert f"{len(done)} done before" in capsys.readouterr().err
        assert [made[key] for key in done] == [row.values[""] for row in done.values()]
        assert None not in made
        assert not session.unfinished

    def test_another_question_does_not_go_on_with_it(self, session: Session, model: EchoModel, frame: Any) -> None:
        given = frame({name: column * 12 for name, column in ROWS.items()})
        self.interrupted(model, given, after=100, **OPTIONS)
        jc.complete_frame(given, TEMPLATE, **{**OPTIONS, "temperature": 0.1})
        assert len(session.unfinished) == 1

    def test_another_model_of_the_same_name_does_not_go_on_with_it(
        self, session: Session, model: EchoModel, frame: Any
    ) -> None:
        given = frame({name: column * 12 for name, column in ROWS.items()})
        self.interrupted(model, given, after=100, **OPTIONS)
        session.models.register("tiny", *echoes.make(revision="trained on"))
        jc.complete_frame(given, TEMPLATE, **OPTIONS)
        assert len(session.unfinished) == 1

    def test_a_schema_of_the_same_name_that_was_changed_does_not_go_on_with_it(
        self, session: Session, model: EchoModel, frame: Any
    ) -> None:
        given = frame({name: column * 12 for name, column in ROWS.items()})

        def schema(field: str) -> type:
            return make_dataclass("Read", [(field, bool)])

        self.interrupted(model, given, after=100, json=schema("one"), **OPTIONS)
        jc.complete_frame(given, TEMPLATE, json=schema("other"), **OPTIONS)
        assert len(session.unfinished) == 1

    def test_results_that_are_kept_need_no_model(
        self, session: Session, frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = {"max_new_tokens": 6, "cache": tmp_path / "rows.sqlite"}
        first = jc.complete_frame(frame(ROWS), TEMPLATE, **asked)
        resident = session.models.get("tiny")
        assert resident is not None
        monkeypatch.setattr(resident.engine, "stream_many", None)
        again = jc.complete_frame(frame(ROWS), TEMPLATE, **asked)
        assert values(again, "completion") == values(first, "completion")

    def test_results_are_found_again_in_a_frame_that_was_sorted_and_filtered(
        self, session: Session, frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = {"max_new_tokens": 6, "cache": tmp_path / "rows.sqlite"}
        first = jc.complete_frame(frame(ROWS), TEMPLATE, **asked)
        resident = session.models.get("tiny")
        assert resident is not None
        monkeypatch.setattr(resident.engine, "stream_many", None)
        some = frame({name: [column[4], column[1], column[0]] for name, column in ROWS.items()})
        again = values(jc.complete_frame(some, TEMPLATE, **asked), "completion")
        assert again == [values(first, "completion")[place] for place in (4, 1, 0)]

    def test_kept_results_are_those_of_the_same_parameters(self, frame: Any, tmp_path: Path) -> None:
        asked = {"temperature": 0, "cache": tmp_path / "rows.sqlite"}
        short = jc.complete_frame(frame(ROWS), TEMPLATE, max_new_tokens=3, **asked)
        longer = jc.complete_frame(frame(ROWS), TEMPLATE, max_new_tokens=9, **asked)
        assert values(short, "completion") != values(longer, "completion")

    def test_true_keeps_them_in_the_cache_directory(self, frame: Any, empty_cache: Path) -> None:
        jc.complete_frame(frame(ROWS), TEMPLATE, cache=True, **OPTIONS)
        assert (empty_cache / "rows.sqlite").is_file()

    def test_a_file_that_is_no_cache_is_one_sentence(self, frame: Any, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_text("name,n\n" * 100)
        with pytest.raises(CompleteError, match="cannot be used"):
            jc.complete_frame(frame(ROWS), TEMPLATE, cache=tmp_path / "table.csv", **OPTIONS)


def test_the_last_line_tells_rows_rates_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    jc.complete_frame(pd.DataFrame({"name": ["mean", None, "mode"]}), "The {{ name }}", **OPTIONS)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("3 rows · ")
    assert "rows/s" in lines[0]
    assert "tokens/s" in lines[0]
    assert lines[0].endswith("1 error")


class TestForms:
    """A row's answer in a form that was asked for: what it means is the value, and what misses it an error."""

    def test_choices_give_the_one_taken_and_its_probability(self, frame: Any) -> None:
        made = jc.complete_frame(frame(ROWS), TEMPLATE, into="sort", choices=["average", "spread"])
        single = [
            jc.complete(f"The {n} of {m} numbers", choices=["average", "spread"])
            for n, m in zip(*ROWS.values(), strict=True)
        ]
        assert values(made, "sort") == [one.value for one in single]
        taken = [max(choice.prob_normalised for choice in one.choices) for one in single]
        assert values(made, "sort_prob") == pytest.approx(taken, abs=1e-4)

    @pytest.mark.parametrize(
        "data",
        [[1, 2.5], [1, "a"], [{"a": 1}, {"a": 1, "b": 2}], [{"a": 1}, {"a": "x"}], [[1], [2.5]], [{}, [1]]],
    )
    def test_json_that_differs_from_row_to_row_is_kept_whole(self, frame: Any, data: list[Any]) -> None:
        backend = type(frame({"n": [1]})).__module__.partition(".")[0]
        assert series("read", data, backend).to_list() == data

    def test_a_form_that_is_not_met_in_time_is_the_rows_error(self, frame: Any) -> None:
        made = jc.complete_frame(frame(ROWS), TEMPLATE, into="code", regex="[a-c]{400}", max_new_tokens=2, seed=1)
        assert values(made, "code") == [None] * 5
        assert all(told.startswith("The text does not match the regex: '") for told in values(made, "code_error"))

    def test_results_of_a_form_are_kept_and_found_again(self, frame: Any, tmp_path: Path, model: EchoModel) -> None:
        asked = {"into": "sort", "choices": ["average", "spread"], "cache": tmp_path / "rows.sqlite"}
        first = jc.complete_frame(frame(ROWS), TEMPLATE, **asked)
        with before_token(model, lambda _: pytest.fail("the model was asked again")):
            again = jc.complete_frame(frame(ROWS), TEMPLATE, **asked)
        assert values(again, "sort") == values(first, "sort")
