"""Where tasks come from: this package, other packages, the user's folder, Python; a bad one costs a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from jupyter_complete.prompt.tasks.registry import GROUP, Tasks
from jupyter_complete.protocol.errors import BadOption

HAIKU = "Write a haiku about {{ text }}."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "haiku.md").write_text(HAIKU, encoding="utf-8")
    return tmp_path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package called poems on the path, whose entry points the tests name."""
    place = tmp_path / "poems"
    place.mkdir()
    (place / "__init__.py").write_text(
        "def texts():\n    return {'sonnet': 'A sonnet: {{ text }}'}\ndef broken():\n    raise OSError('no disk')\n"
    )
    (place / "ode.md").write_text("An ode to {{ text }}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield place
    sys.modules.pop("poems", None)


def brought(monkeypatch: pytest.MonkeyPatch, *values: str) -> Tasks:
    """All tasks where these entry points are installed."""
    points = EntryPoints(EntryPoint(value, value, GROUP) for value in values)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **wanted: points.select(**wanted))
    return Tasks()


def test_the_tasks_of_this_package_are_there() -> None:
    assert Tasks().find("summarize").name == "summarize"


def test_an_unknown_name_is_told_the_nearest_one() -> None:
    with pytest.raises(BadOption) as refused:
        Tasks().find("sumarize")
    assert str(refused.value) == "There is no task 'sumarize'. Did you mean summarize?"


def test_a_name_near_none_is_told_all() -> None:
    with pytest.raises(BadOption, match=r"The tasks are bullets, email, "):
        Tasks().find("zzz")


def test_a_file_in_the_user_s_folder_is_a_task(folder: Path) -> None:
    tasks = Tasks(lambda: str(folder))
    assert "haiku" in tasks.names()
    assert tasks.find("haiku").prompts["base"][0].text == HAIKU


def test_a_file_that_changes_counts_at_once(folder: Path) -> None:
    tasks = Tasks(lambda: str(folder))
    tasks.find("haiku")
    (folder / "haiku.md").write_text("Haiku: {{ text }}", encoding="utf-8")
    assert tasks.find("haiku").prompts["base"][0].text == "Haiku: {{ text }}"


def test_the_user_s_tasks_come_before_those_that_have_their_name(folder: Path) -> None:
    tasks = Tasks(lambda: str(folder))
    (folder / "qa.md").write_text("Mine: {{ text }}", encoding="utf-8")
    assert tasks.find("qa").prompts["base"][0].text == "Mine: {{ text }}"
    tasks.add("qa", "Nearer: {{ text }}")
    assert tasks.find("qa").prompts["base"][0].text == "Nearer: {{ text }}"


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert Tasks(lambda: str(tmp_path / "gone")).names() == Tasks().names()


def test_a_bad_file_costs_its_own_task_only(folder: Path) -> None:
    (folder / "bad.md").write_bytes(b"\xff\xfe{{ text }}")
    (folder / "folder.md").mkdir()
    tasks = Tasks(lambda: str(folder))
    for name in ("bad", "folder"):
        with pytest.raises(BadOption, match=f"The task {name} cannot be read: .* Make it a text file in UTF-8."):
            tasks.find(name)
    assert tasks.find("haiku")


def test_a_template_that_is_no_text_is_refused() -> None:
    with pytest.raises(BadOption, match="of task haiku is of type int"):
        Tasks().add("haiku", 5)  # type: ignore[arg-type]


def test_a_package_brings_the_files_beside_its_code(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert brought(monkeypatch, "poems").find("ode").prompts["base"][0].text == "An ode to {{ text }}"


def test_a_package_brings_what_its_function_gives(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert brought(monkeypatch, "poems:texts").find("sonnet").prompts["base"][0].text == "A sonnet: {{ text }}"


def test_a_package_that_fails_is_left_out_with_a_sentence(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = brought(monkeypatch, "poems:broken", "poems")
    assert "ode" in tasks.names()
    assert tasks.troubles == ["The tasks of poems:broken are left out: OSError: no disk"]
