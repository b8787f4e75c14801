"""What the tasks are judged by: ten cases each, and checks that tell a good answer from one that is not."""

from __future__ import annotations

import re
from pathlib import Path

import checks
import pytest
from cases import CASES

from jupyter_complete.prompt.tasks.registry import Tasks

SENTENCES = {
    "English": "The cat is on the table and it sleeps.",
    "French": "Le chat est sur la table et il dort.",
    "German": "Die Katze ist auf dem Tisch und sie schläft.",
    "Spanish": "El gato está en la mesa y no come más.",
    "Italian": "Il gatto è nella casa e non mangia molto.",
}


def test_every_built_in_task_is_judged_by_ten_cases() -> None:
    assert {name: len(cases) for name, cases in CASES.items()} == dict.fromkeys(Tasks().names(), 10)


def test_the_score_of_every_task_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")
    scores = re.search(r"<!-- scores[^>]*-->\n(.*?)<!-- /scores -->", page, re.DOTALL)
    assert scores is not None
    assert re.findall(r"^\| (\w+) \| \d+ \| \d+ \|$", scores[1], re.MULTILINE) == list(CASES)


@pytest.mark.parametrize("task", CASES)
def test_silence_is_no_good_answer_to_any_case(task: str) -> None:
    assert not any(all(check(answer) for check in case.checks) for case in CASES[task] for answer in ("", "\n"))


@pytest.mark.parametrize("task", ["summarize", "title", "translate", "rewrite"])
def test_the_text_itself_is_no_good_answer(task: str) -> None:
    assert not any(all(check(case.text) for check in case.checks) for case in CASES[task])


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_is_told_from_the_others(language: str) -> None:
    assert [name for name in SENTENCES if checks.written_in(name)(SENTENCES[language])] == [language]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.has("bus|train", "ten"), "A BUS at Ten", "a bus"),
        (checks.without("dont", "it failed"), "I do not", "I DONT"),
        (checks.words(2, 3), "one two", "one"),
        (checks.points(2, 3), "- one\n\n2. two", "- one\ntwo"),
        (checks.other_than("a b c"), "a c", "a b"),
        (checks.apart_from_examples("Leeds"), "Leeds", "Leeds, says Mrs Bell"),
        (checks.a_line, "\none\n", "one\ntwo"),
        (checks.is_whole, 'He said "no."', "He said"),
        (checks.goes_on, "one two three four five six", "one two three four " * 5),
    ],
)
def test_a_check_tells_good_from_bad(check: checks.Check, good: str, bad: str) -> None:
    assert check(good)
    assert not check(bad)
