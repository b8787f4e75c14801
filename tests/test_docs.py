"""The docs say what the package is: tables and reference come from it, cells run, sentences are short, files exist."""

from __future__ import annotations

import re
from pathlib import Path

import howto
import nbformat
import pytest
import reading
import reference

import jupyter_complete
from jupyter_complete.protocol import errors
from jupyter_complete.protocol.events import Event
from jupyter_complete.session.model_list import parameters, weight_bytes
from jupyter_complete.sources.entries import ENTRIES

ROOT = Path(__file__).parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES_OF_CELLS = [ROOT / "README.md", *howto.pages(), ROOT / "docs" / "first-cell.md"]
RUN_ALWAYS = ("README.md", "data.md")  # a kernel and a model for each page: the others are for make heavy
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *howto.pages(), *DECISIONS]
CHOSEN = ("smollm2", "qwen3-0.6b", "gemma3-1b", "smollm2-1.7b", "qwen3-4b", "qwen3-0.6b-base")  # of README
CODE = [path for room in ("jupyter_complete", "tests") for path in (ROOT / room).rglob("*.py")]
USERS = {"ipython_config.py", "jupyterhub_config.py"}  # files of IPython and of JupyterHub


@pytest.mark.parametrize("name", reference.KEPT)
def test_a_page_of_the_reference_says_what_the_package_declares(name: str) -> None:
    text = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert text == reference.KEPT[name](), "Write the page with: python tests/reference.py"


def test_the_reference_of_python_has_every_public_name() -> None:
    shown = {name for names in reference.GROUPS.values() for name in names}
    assert shown == {name for name in jupyter_complete.__all__ if "_ipython_extension" not in name} - {"__version__"}
    page = reference.python_page()
    assert not [name for name in shown if f"\n### {name}\n" not in page]
    assert "\njc.remote(url, model=None, *, name='', key_env='', wait=" in page
    assert "\njc.complete_frame(frame, template, into='completion', *, cache=False, **options)\n" in page


def test_the_reference_has_every_event_and_every_type_of_error_with_its_messages() -> None:
    assert all(f"\n## {event.__name__}\n" in reference.events_page() for event in Event.__args__)
    page = reference.errors_page()
    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type)]
    assert not [name for name in kinds if f"\n## {name}\n" not in page and name != "CompleteError"]
    assert page.count("\n| ") > 200


def choose_table() -> str:
    rows = ["| `-m` | weights in memory | use | languages | licence |", "|---|---|---|---|---|"]
    for entry in sorted((one for one in ENTRIES if one.name in CHOSEN), key=weight_bytes):
        gigabytes = f"{weight_bytes(entry) / 1e9:.1f} GB"
        licence = entry.licence + (", login" if entry.gated else "")
        rows.append(f"| `{entry.name}` | {gigabytes} | {entry.use} | {entry.languages} | {licence} |")
    return "\n".join(rows)


def test_readme_offers_models_of_the_catalogue() -> None:
    assert held("README.md", "choose") == choose_table(), f"README's table should be:\n{choose_table()}"


def held(page: str, name: str) -> str:
    """The part of a page between its marks <!-- name: … --> and <!-- /name -->."""
    text = (ROOT / page).read_text(encoding="utf-8")
    match = re.search(rf"<!-- {name}:[^>]*-->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert match is not None
    return match[1].strip()


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
    assert held("docs/models.md", "catalogue") == catalogue_table(), f"The table should be:\n{catalogue_table()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_modules_that_exist(page: Path) -> None:
    named = set(re.findall(r"`([a-z0-9_/]+\.py)`", page.read_text(encoding="utf-8"))) - USERS
    assert not [name for name in named if not any(path.as_posix().endswith(f"/{name}") for path in CODE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_file_leads_to_one(page: Path) -> None:
    text = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_names_tests_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = [ROOT / name for name in re.findall(r"`(tests/[a-z0-9_/]+\.py)`", text)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    assert not [
        name for name in re.findall(r"`(test_\w+|Test\w+)`", text) if not re.search(rf"(def|class) {name}\b", code)
    ]


def test_the_citation_names_the_version_of_the_package() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {jupyter_complete.__version__}\n" in text


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


@pytest.mark.model
@pytest.mark.kernel
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.name in RUN_ALWAYS else pytest.mark.heavy)
        for path in PAGES_OF_CELLS
    ],
)
def test_the_cells_of_a_page_run_and_show_something_where_the_page_says_so(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    cells, shown = howto.cells(page), howto.run(page)
    assert cells
    if path.parent == howto.FOLDER:
        assert [bool(text) for text in shown] == [bool(cell.shown) for cell in cells]


@pytest.mark.parametrize("path", howto.pages(), ids=lambda path: path.stem)
def test_a_howto_holds_cells_and_their_outputs_and_no_other_code(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    cells = howto.cells(page)
    assert page.count("```") == 2 * (len(cells) + sum(bool(cell.shown) for cell in cells))
    assert howto.written(page, [cell.shown.rstrip("\n") for cell in cells]) == page


@pytest.mark.parametrize("path", reading.files(), ids=lambda path: path.stem)
def test_the_sentences_of_a_page_are_short(path: Path) -> None:
    lengths = {one: reading.words(one) for one in reading.sentences(reading.text_of(path))}
    assert not [one for one, length in lengths.items() if length > reading.LONGEST]
    assert sum(lengths.values()) <= reading.MEAN * len(lengths)
