"""A notebook with all views in it, run and exported: it says what happened to whoever has no kernel and no script."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import nbformat
import pytest
import tiny
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

from jupyter_complete.render.html import visible

pytestmark = pytest.mark.kernel

PANEL, TOKENS, BACKGROUND, MODELS, PRINTED = range(2, 7)
CELLS = [
    "%load_ext jupyter_complete",
    tiny.cell(),
    "p = jc.panel(prompt='The mean')\ndisplay(p)\n"
    "p.do_complete([['you', 'The mean']], {'max_new_tokens': 6, 'seed': 1})\np.wait()",
    "jc.tokens(jc.complete('The mode', max_new_tokens=5, seed=2))",
    "%%complete --background -N 12 --seed 3 -o late\nThe median",
    "%complete_model",
    "import json\nprint(json.dumps([p.completion.text, late.text]))",
]
VIEWS = {
    "the stations": "seen",
    "its trace": "seen.trace",
    "a distribution": "seen.distribution(1, temperature=0.5)",
    "attention": "seen.attention()",
    "one row of it": "seen.attention_row(-2, hide_first=True)",
    "a head in numbers": "seen.head_steps(0, 1)",
    "the lens": "seen.lens()",
    "a path": "seen.path(5)",
    "vectors": "seen.embedding()",
    "the last state": "seen.state([5, 6])",
    "a hidden word": "seen.occlusion(1)",
    "another early word": "seen.change(0, 7)",
    "futures": "seen.futures(0, depth=2)",
    "a scored text": "%%complete --score\nThe mean of a sample",
    "two phrasings": "jc.compare('The mean', 'A mean')",
}
BEGUN = len(CELLS)
CELLS.append("seen = jc.inside('The mean', max_new_tokens=5, seed=3)")
CELLS += VIEWS.values()


@pytest.fixture(scope="module")
def notebook() -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    return NotebookClient(made, kernel_name="python3", timeout=120).execute()


def read(page: str) -> str:
    """What a browser without scripts shows of a page, on one line."""
    without = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", without)).split())


@pytest.fixture(scope="module")
def html(notebook: Any) -> str:
    return read(HTMLExporter().from_notebook_node(notebook)[0])


@pytest.fixture(scope="module")
def markdown(notebook: Any) -> str:
    return " ".join(MarkdownExporter().from_notebook_node(notebook)[0].split())


@pytest.fixture(params=["html", "markdown"])
def page(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def texts(notebook: Any) -> list[str]:
    """What the models wrote, in the panel and in the background."""
    import json

    return list(json.loads(notebook.cells[PRINTED].outputs[0].text))


def test_the_text_of_a_panel_and_of_the_background_is_in_it(notebook: Any, page: str) -> None:
    in_panel, late = texts(notebook)
    for text in (f"The mean{in_panel}", late):
        assert " ".join(visible(text).split()) in page


@pytest.mark.parametrize("token", range(5))
def test_every_token_that_was_looked_at_is_in_it_in_numbers(notebook: Any, page: str, token: int) -> None:
    _, static = notebook.cells[TOKENS].outputs
    logprobs = re.findall(r"% +(-\d+\.\d{3}) ", static.data["text/plain"])
    assert logprobs[token] in page


@pytest.mark.parametrize("said", ["probability", "6 tokens", "5 tokens", "12 tokens", "seed 3"])
def test_how_it_came_about_is_in_it(page: str, said: str) -> None:
    assert said in page


def test_the_resident_model_is_in_it(page: str) -> None:
    assert re.search(r"tiny \(default\).* kB", page)


def test_a_background_text_has_no_widget_left(notebook: Any) -> None:
    (output,) = notebook.cells[BACKGROUND].outputs
    assert set(output.data) == {"text/html", "text/markdown", "text/plain"}


@pytest.mark.parametrize("cell", [PANEL, TOKENS, MODELS])
def test_a_widget_has_a_static_output_beside_it(notebook: Any, cell: int) -> None:
    widget, static = notebook.cells[cell].outputs
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "text/html" in static.data
    assert "application/vnd.jupyter.widget-view+json" not in static.data


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_the_inside_says_its_numbers_without_scripts(notebook: Any, page: str, view: str) -> None:
    outputs = notebook.cells[BEGUN + 1 + list(VIEWS).index(view)].outputs
    plain = next(one.data["text/plain"] for one in reversed(outputs) if "text/html" in one.get("data", {}))
    numbers = set(re.findall(r"\d+(?:\.\d+)?", plain))
    assert numbers
    assert not [one for one in numbers if one not in page]
