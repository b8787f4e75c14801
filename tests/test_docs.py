"""README says of the options what config.Complete says; docs name files that exist; shipped notebooks are executed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from traitlets import Bool

from jupyter_complete.protocol.config import COMPLETE, Complete, shown_default
from jupyter_complete.session.model_list import parameters
from jupyter_complete.sources.entries import ENTRIES

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *DECISIONS]
CODE = [path for room in ("jupyter_complete", "tests") for path in (ROOT / room).rglob("*.py")]
USERS = {"ipython_config.py", "jupyterhub_config.py"}  # files of IPython and of JupyterHub


def options_table() -> str:
    rows = ["| option | default | |", "|---|---|---|"]
    for _, trait in Complete.flagged(COMPLETE):
        value = "" if isinstance(trait, Bool) else f" {trait.metadata.get('metavar', 'VALUE')}"
        flags = ", ".join(f"`{flag}`" for flag in trait.metadata["flag"]).rstrip("`") + value + "`"
        rows.append(f"| {flags} | {shown_default(trait)} | {trait.help} |")
    return "\n".join(rows)


def test_readme_lists_the_options_that_config_declares() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- options:[^>]*-->\n(.*?)<!-- /options -->", readme, re.DOTALL)
    assert match is not None
    assert match[1].strip() == options_table(), f"README's table should be:\n{options_table()}"


def catalogue_table() -> str:
    rows = [
        "| name | model hub | GGUF file | parameters | licence | use | languages |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in ENTRIES:
        gguf = f"`{entry.gguf}:{entry.kind}`" if entry.gguf else ""
        licence = entry.licence + (", login" if entry.gated else "")
        cells = (f"`{entry.name}`", f"`{entry.hub_id}`", gguf, parameters(entry), licence, entry.use, entry.languages)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_models_page_lists_the_catalogue() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    match = re.search(r"<!-- catalogue:[^>]*-->\n(.*?)<!-- /catalogue -->", page, re.DOTALL)
    assert match is not None
    assert match[1].strip() == catalogue_table(), f"The table should be:\n{catalogue_table()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_modules_that_exist(page: Path) -> None:
    named = set(re.findall(r"`([a-z0-9_/]+\.py)`", page.read_text(encoding="utf-8"))) - USERS
    assert not [name for name in named if not any(path.as_posix().endswith(f"/{name}") for path in CODE)]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_names_tests_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = [ROOT / name for name in re.findall(r"`(tests/[a-z0-9_/]+\.py)`", text)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    assert not [
        name for name in re.findall(r"`(test_\w+|Test\w+)`", text) if not re.search(rf"(def|class) {name}\b", code)
    ]


def test_the_list_of_decisions_has_every_decision_once() -> None:
    text = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\((.*?\.md)\)", text)) == [p.name for p in DECISIONS if p.stem != "README"]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_a_shipped_notebook_is_valid_executed_and_without_widgets_or_errors(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert "widgets" not in notebook.metadata
