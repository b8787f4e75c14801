"""The lesson inside a completion, run as a class runs it: with the answers, without a model, and on a GPT-2."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import tiny
from nbclient import NotebookClient
from nbformat import NotebookNode

from jupyter_complete.protocol.questions.attention import Attention
from jupyter_complete.protocol.questions.head_steps import HeadSteps

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
WORDS = "PROMPT, ANOTHER_WORD, EARLIER_WORD = 'The mean of a sample', ' mean', ' of'\nLAYER, HEAD = -1, 1"
OPEN = re.compile(r"^\w+(, \w+)* = \.\.\.(, \.\.\.)*$", re.MULTILINE)
BARRED = "import sys\nsys.modules['torch'] = sys.modules['transformers'] = sys.modules['numba'] = None"

pytestmark = pytest.mark.kernel


def answers() -> list[str]:
    """Those of the notes for teachers, in their order."""
    text = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)\n```", text.partition("<!-- answers")[2], re.DOTALL)


def lesson(parameters: str, answered: bool, before: str = "") -> NotebookNode:
    """The notebook with other parameters, its exercises answered or not."""
    notebook = nbformat.read(NOTEBOOKS / "06_inside_a_completion.ipynb", as_version=4)
    given = iter(answers())
    for cell in notebook.cells:
        if cell.source.startswith("MODEL ="):
            cell.source += "\n" + parameters
        if cell.cell_type == "code" and answered and OPEN.search(cell.source):
            cell.source = OPEN.sub(lambda line: next(given), cell.source)
    if before:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    assert not answered or next(given, None) is None
    return notebook


def said(notebook: NotebookNode) -> list[str]:
    """What the checks say, in a kernel whose folder is that of the notebooks."""
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    printed = "".join(o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream")
    return [line for line in printed.splitlines() if "Exercise" in line]


def test_every_exercise_has_an_answer() -> None:
    cells = lesson("", answered=False).cells
    assert sum(len(OPEN.findall(cell.source)) for cell in cells) == len(answers()) == 10


def test_no_cell_that_a_class_sees_gives_an_answer_away() -> None:
    cells = lesson("", answered=False).cells
    shown = [cell.source for cell in cells if not cell.metadata.get("jupyter", {}).get("source_hidden")]
    given = [line for answer in answers() for line in answer.splitlines() if " = " in line]
    assert len(given) >= 10
    assert not [answer for answer in given if answer in "\n".join(shown)]


def test_without_network_weights_and_torch_the_lesson_is_given_from_a_file() -> None:
    found = said(lesson("MODEL = None", answered=True, before=BARRED))
    assert len(found) == 11
    assert all(line.startswith("✓") for line in found)


def test_what_is_not_answered_is_not_an_error() -> None:
    notebook = lesson("MODEL = None", answered=False, before=BARRED)
    for cell in notebook.cells:
        if "RIGHT = {" in cell.source:
            cell.source += "\nRIGHT = {}  # nothing to compare with is computed"
    found = said(notebook)
    assert len(found) == 11
    assert all(line.startswith("○") for line in found)


def test_a_wrong_answer_is_told_where_to_look() -> None:
    notebook = lesson("MODEL = None", answered=True)
    for cell in notebook.cells:
        cell.source = cell.source.replace("bits = 0", "bits = 5.2").replace("output = weights @ V", "output = V.T")
    found = [line for line in said(notebook) if not line.startswith("✓")]
    assert len(found) == 2
    assert found[0].startswith("✗ Exercise 3: the answer has the shape (11, 64), and yours (64, 11).")
    assert found[1].startswith("✗ Exercise 5: not yet. On which word does the formula depend?")


# What a student may type that is not an answer, and what the check says of it.
TYPED = {
    "with_space = '5'": "✗ Exercise 1: the answer is a number, and yours is '5'.",
    "weights = [[1.0], [1.0, 2.0]]": "✗ Exercise 2: the answer is an array of numbers, and yours is [[1.0], [1.0",
    "output = None": "✗ Exercise 3: the answer is an array of numbers, and yours is None.",
    "P = print": "✗ Exercise 4: the answer is an array of numbers, and yours is <built-in function print>.",
    "bits = float('nan')": "✗ Exercise 5: not yet.",
    "kept = ()": "✗ Exercise 6: the answer has the shape (), and yours (0,).",
}


def test_whatever_is_typed_as_an_answer_the_check_says_one_sentence() -> None:
    notebook = lesson("MODEL = None", answered=False)
    for typed in TYPED:
        name = typed.partition(" = ")[0]
        for cell in notebook.cells:
            cell.source = re.sub(rf"^{name} = \.\.\.$", lambda _, typed=typed: typed, cell.source, flags=re.MULTILINE)
    found = said(notebook)
    for expected in TYPED.values():
        assert any(line.startswith(expected) for line in found), (expected, found)


def test_a_check_before_its_cells_have_run_says_so() -> None:
    notebook = lesson("MODEL = None", answered=False)
    kept = [cell for cell in notebook.cells if "def check(" in cell.source or "RIGHT = {" in cell.source]
    notebook.cells = [*kept, nbformat.v4.new_code_cell("check(2, 1, '')")]
    assert said(notebook) == ["○ Exercise 2: head is not defined. Run the cells above first."]


def test_it_is_given_by_the_same_code_on_a_gpt2(tmp_path: Path) -> None:
    model = tiny.save("gpt2", tmp_path / "gpt2")
    found = said(lesson(f"MODEL = {str(model)!r}\n{WORDS}", answered=True))
    assert len(found) == 11
    assert all(line.startswith("✓") for line in found), found


@pytest.fixture
def flat(tmp_path: Path) -> str:
    """Parameters with a GPT-2 to which every token is nearly as likely: none has 2 %."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny.save("gpt2", tmp_path / "flat"))
    model.transformer.ln_f.weight.data *= 0.01
    model.transformer.ln_f.bias.data *= 0.01
    model.save_pretrained(tmp_path / "flat")
    return f"MODEL = {str(tmp_path / 'flat')!r}\n{WORDS}"


def test_a_model_that_finds_nothing_likely_has_a_likeliest_way_too(flat: str) -> None:
    notebook = lesson(flat, answered=True)
    for cell in notebook.cells:
        if "check(10," in cell.source:
            cell.source += "\nprint('Exercise tree', tree.cutoff, len(tree.ids))"
    found = said(notebook)
    assert found[-2:] == ["✓ Exercise 10: right.", "Exercise tree 0.0 3"]


def test_a_guess_in_the_demonstration_leaves_the_first_step_to_the_class() -> None:
    notebook = lesson("MODEL = None", answered=False)
    notebook.cells.append(
        nbformat.v4.new_code_cell("print('Exercise', len(alone.score.guesses), unseen.score.guesses)")
    )
    assert said(notebook)[-1] == "Exercise 1 []"


# How many layers of attention, and heads in numbers, each shipped trace holds; its panel offers these and no others.
HELD = {"capital": (30, 9), "characters": (30, 9), "repetition": (30, 9)}


@pytest.mark.parametrize("name", list(HELD))
def test_a_shipped_trace_is_small_and_opens_to_all_its_views(name: str) -> None:
    import jupyter_complete as jc

    path = NOTEBOOKS / "traces" / f"{name}.trace"
    assert path.stat().st_size < 2_200_000
    opened = jc.inside(jc.open_trace(path))
    titles = [block.title for block in opened.view().blocks]
    assert len(titles) == 7
    assert "does not hold" not in str(opened.view())
    layers = {one.layer for one in opened.found(Attention)}
    heads = {one.head for one in opened.found(HeadSteps)}
    assert (len(layers), len(heads)) == HELD[name]
