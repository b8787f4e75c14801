"""Each of over 300 hostile texts, through each output: nothing in it acts, and the text is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
import soak
from hostile import CONTROL, TAGS, Read, fenced_blocks, markdown_types
from hostile_texts import HOSTILE, SHORT, WHOLE
from IPython.core.interactiveshell import InteractiveShell
from nbconvert import HTMLExporter, MarkdownExporter

import jupyter_complete as jc
from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.notebook import screen
from jupyter_complete.prompt.tasks.task import Task
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.distribution import Distribution, Weight
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.protocol.events import Candidate, Step
from jupyter_complete.protocol.prompt_parts import Turn
from jupyter_complete.protocol.questions.attention import AttentionRow
from jupyter_complete.protocol.questions.occlusion import Occlusion
from jupyter_complete.protocol.questions.path import TokenPath
from jupyter_complete.protocol.structure import ChoiceScore
from jupyter_complete.render import completion, conversation, panel, stations, tables, tasks, tokens
from jupyter_complete.render.blocks import InsideView
from jupyter_complete.render.comparison import compare
from jupyter_complete.render.finding import finding_view
from jupyter_complete.render.html import visible
from jupyter_complete.session.session import Session
from jupyter_complete.widgets.panel import Panel

pytestmark = pytest.mark.soak

Bundle = Mapping[str, str]
FORMULA = re.compile(r"\$.+\$|\\[(\[]|\\begin", re.DOTALL)
DRAWN = {"svg", "g", "rect", "line", "path", "text", "tspan", "title", "circle", "polyline", "polygon"}
ACTS = re.compile(r"^on|href|src|^id$|^class$|^data|^action|^ping")


def read(html: str) -> Read:
    return Read(re.sub(r"(<pre[^>]*>)\n", r"\1", html))  # the newline that a browser drops


def faults(bundle: Bundle, text: str, kept: bool = True) -> list[str]:
    """What is wrong with a view of `text`: what acts, hides or is not the text."""
    shown, found = read(bundle["text/html"]), list[str]()
    found += shown.faults
    found += [f"formula {run!r}" for run in shown.prose if FORMULA.search(run)]
    for kind, content in bundle.items():
        content.encode("utf-8")
        found += [f"{kind} has {sign!r}" for sign in CONTROL.findall(content)]
    if kept and visible(text) not in shown.text:
        found.append("the page has not the text")
    if kept and visible(text) not in bundle["text/plain"]:
        found.append("the plain text has not the text")
    if kept and not any(visible(text) in block for block in fenced_blocks(bundle["text/markdown"])):
        found.append("no fence has the text")
    if markdown_types(bundle["text/markdown"]) & {"html_block", "html_inline", "image", "link_open"}:
        found.append("the Markdown acts")
    return found


def token_view(text: str) -> Bundle:
    top = (Candidate(1, text, -0.5, 0.9), Candidate(2, text, -1.5, 0.0, "top_p"))
    steps = [Step(1, text, -0.5, 1, top), Step(3, text, -9.0, 5)]
    return tokens.TokensView([tokens.Part("completion", text, steps, sampled=True)], text).bundle()


def scored(text: str) -> Bundle:
    return completion.bundle(
        completion.CompletionView([text], text, form="text", choices=(ChoiceScore(text, -0.1, 0.9, 1.0, 1),))
    )


STATIC: dict[str, tuple[Callable[[str], Bundle], bool]] = {
    # what is drawn, and whether all of the text must stand in it in one piece
    "a completion as text": (lambda text: completion.bundle(completion.CompletionView([text], "1 token")), True),
    "a completion as code": (
        lambda text: completion.bundle(completion.CompletionView([text], "1 token", form="code")),
        True,
    ),
    "a completion as Markdown": (
        lambda text: completion.bundle(completion.CompletionView([text], text, form="markdown")),
        False,
    ),
    "a prompt ahead of a completion": (
        lambda text: completion.bundle(completion.CompletionView(["x"], "1 token", before=text)),
        True,
    ),
    "choices": (scored, False),
    "tokens": (token_view, False),
    "a panel's copy": (lambda text: panel.bundle(text, token_view("x")), True),
    "a conversation": (lambda text: conversation.bundle(text, [Turn("user", text), Turn("assistant", text)]), True),
    "a task": (lambda text: tasks.bundle(Task(text, text, {"base": (Turn("user", text),)})), True),
    "a table of names": (lambda text: tables.bundle([((text, text), [(text, "x")])], text), False),
}


@pytest.mark.parametrize("what", STATIC)
def test_a_static_output_keeps_the_text_and_nothing_acts(what: str) -> None:
    draw, kept = STATIC[what]
    texts = HOSTILE if what == "a completion as text" else SHORT
    wrong = {name: found for name, text in texts.items() if (found := _static(draw, text, kept))}
    assert wrong == {}
    soak.note("hostile texts", **{f"{what}: texts": len(texts)})


def _static(draw: Callable[[str], Bundle], text: str, kept: bool) -> list[str]:
    return faults({"text/markdown": "", **draw(text)}, text, kept)


def inside(text: str) -> str:
    """All of the views of a model's inside that a text stands in, as one page."""
    sampling = Complete().to_sampling(Complete().checked({}))
    weights = (Weight(3, text, 2.0, 4.0, 0.6, None, 1.0, 0.0, 1.0), Weight(9, text, 1.0, 2.0, 0.2, "top_k", 0, 1, 1))
    numbers = np.array([-1.0]), np.array([-2.0])
    blocks = [
        stations.preprocess(text, [(3, text.encode())]),
        stations.distribution(Distribution(0, weights, sampling, 0.3, 9, 3, 1, 50), text),
        stations.postprocess([(3, text.encode())]),
        *finding_view(AttentionRow(np.array([0.0, 1.0]), (text, text), 1, "mean", 1, "decoder", 0.9)).blocks,
        *finding_view(TokenPath((1,), (text,), 0, np.array([[4, 1]]), np.array([[0.1, 0.9]]))).blocks,
        *finding_view(Occlusion(0, text, (1,), (text,), *numbers)).blocks,
        compare((text, "a"), ((Step(1, text), Step(2, text, -0.7, 1)), (Step(1, "a"), Step(2, text, -1.4, 2)))),
    ]
    return InsideView(blocks, text).bundle()["text/html"]


def test_the_views_of_the_inside_hold_no_part_that_acts() -> None:
    for name, text in WHOLE.items():
        html = inside(text)
        assert not CONTROL.search(html), name
        closed = re.sub("<(br|wbr|hr)>", r"<\1/>", html)
        page = ElementTree.fromstring(f"<div>{closed}</div>")
        for element in page.iter():
            assert element.tag in TAGS | DRAWN, (name, element.tag)
            assert not [key for key in element.attrib if ACTS.search(key)], (name, element.attrib)
            assert "url" not in element.get("style", ""), name
    soak.note("hostile texts", **{"the inside: texts": len(WHOLE)})


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[Bundle]:
    """All that a notebook's cell is shown, live and in the end."""
    shown: list[Bundle] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **how: shown.append(bundle))
    monkeypatch.setattr(screen, "screen_here", lambda *given: screen.CellScreen(0.0))
    return shown


def test_a_cell_shows_what_the_model_says_live_and_in_the_end(
    echo: EchoModel, session: Session, painted: list[Bundle]
) -> None:
    echo.window = None
    for name, text in WHOLE.items():
        echo.says = text
        painted.clear()
        done = screen.paint(session.stream("The mean", max_new_tokens=5_000, temperature=0.0))
        assert done.text == text, name
        assert len(painted) > 0
        assert faults(painted[-1], text) == [], name
        assert [found for one in painted[:-1] if (found := faults({**one, "text/markdown": ""}, "", False))] == [], name
    soak.note("hostile texts", **{"a live cell: texts": len(WHOLE)})


def test_a_terminal_gets_the_text_and_no_codes(
    echo: EchoModel, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    echo.window = None
    for name, text in WHOLE.items():
        echo.says = text
        shell.run_cell_magic("complete", "-t 0 -N 5000", "The mean\n")
        out, err = capsys.readouterr()
        assert visible(text) in out, name
        assert not CONTROL.search(out + err), name
    soak.note("hostile texts", **{"a terminal: texts": len(WHOLE)})


def test_an_error_names_a_model_a_task_or_an_option_and_no_code_is_obeyed(
    echo: EchoModel, shell: InteractiveShell, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    asks: list[Callable[[str], object]] = [
        lambda text: session.models.find(text),
        lambda text: session.models.find(f"{text}.gguf"),
        lambda text: jc.complete("The mean", task=text, max_new_tokens=2),
        lambda text: jc.complete("The mean", json=text, max_new_tokens=2),
        lambda text: jc.complete("The mean", stop=["", text], max_new_tokens=2),
        lambda text: jc.complete("The mean", thread=text, dry_run=True),
        lambda text: jc.complete("{{ " + text + " }}", max_new_tokens=2),
        lambda text: jc.open_trace(text),
        lambda text: jc.complete_frame(pd.DataFrame({text: [1]}), "{{ other }}", into="new"),
    ]
    told = 0
    for name, text in SHORT.items():
        for ask in asks:
            if (error := _refusal(ask, text)) is not None:
                said = [str(error), *error._render_traceback_()]
                assert [one for one in said if CONTROL.search(one) or "\n" in one] == [], name
                told += 1
        shell.run_cell(f"%complete --task {text!r} x".replace("\n", " "))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", "".join(capsys.readouterr())), name
    assert told > len(SHORT)
    soak.note("hostile texts", **{"errors: texts": len(SHORT)})


def _refusal(ask: Callable[[str], object], text: str) -> CompleteError | None:
    try:
        ask(text)
    except CompleteError as error:
        return error
    return None


def test_a_panel_keeps_the_text_in_its_state_and_a_copy_that_is_inert(echo: EchoModel, session: Session) -> None:
    for name, text in HOSTILE.items():
        shown = Panel(session, prompt=text)
        try:
            sent = json.loads(json.dumps(shown.get_state()["shown"]))
            assert "".join(piece for _, piece in sent["pieces"]) == _sendable(text), name
            assert faults(panel.bundle(_sendable(text), None), _sendable(text)) == [], name
        finally:
            shown.close()
    soak.note("hostile texts", **{"a panel: texts": len(HOSTILE)})


def _sendable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_a_column_keeps_what_the_model_says_and_hostile_names(echo: EchoModel) -> None:
    echo.window = None
    frame = pd.DataFrame({"text": list(WHOLE.values())})
    for name, text in list(WHOLE.items())[:: soak.count(20, 1)]:
        echo.says = text
        made = jc.complete_frame(frame.head(1), "{{ text }}", into=text, max_new_tokens=5_000, temperature=0.0)
        assert made.loc[0, text] == text, name
    echo.says = ""
    made = jc.complete_frame(frame, "{{ text }}", max_new_tokens=3)
    assert list(made["text"]) == list(frame["text"])
    assert made["completion"].notna().all(), "the value of a cell is text, whatever marks of a template are in it"
    soak.note("hostile texts", **{"a column: texts": len(WHOLE)})


@pytest.fixture(scope="module")
def notebooks() -> Any:
    """A notebook with the outputs of all texts, and the same with a harmless text."""

    def made(texts: list[str]) -> Any:
        cells = []
        for text in texts:
            cell = nbformat.v4.new_code_cell("c")
            for one in (STATIC["a completion as text"], STATIC["a completion as Markdown"], STATIC["tokens"]):
                cell.outputs.append(nbformat.v4.new_output("display_data", dict(one[0](text))))
            cells.append(cell)
        return nbformat.v4.new_notebook(cells=cells)

    texts = dict(list(SHORT.items())[:: soak.count(3, 1)])
    return SimpleNamespace(texts=texts, hostile=made(list(texts.values())), harmless=made(["x"] * len(texts)))


def test_an_exported_notebook_has_the_texts_and_no_more_that_acts_than_a_harmless_one(notebooks: Any) -> None:
    pages = [HTMLExporter().from_notebook_node(one)[0] for one in (notebooks.hostile, notebooks.harmless)]
    acts = r"<(script|img|iframe|link|meta|base|object|embed|form|button|input|a|audio|video|math)\b"
    many = [sorted(re.findall(acts, page)) for page in pages]
    assert many[0] == many[1]
    assert not re.search(r"<[^>]*\son\w+=", re.sub(r"<script\b.*?</script>", "", pages[0], flags=re.DOTALL))
    shown = read(re.sub(r"<(script|style)\b.*?</\1>", "", pages[0], flags=re.DOTALL)).text
    assert [name for name, text in notebooks.texts.items() if visible(text) not in shown] == []
    markdown = MarkdownExporter().from_notebook_node(notebooks.hostile)[0]
    assert not CONTROL.search(markdown)
    soak.note("hostile texts", **{"nbconvert: texts": len(notebooks.texts)})


def test_a_sign_that_hides_is_shown() -> None:
    seen = {name: visible(text) for name, text in HOSTILE.items() if name.startswith(("bidi", "hidden", "code"))}
    joined = ("👨", "e\u0301", "Ａ\u0338", "שלום")  # which are letters
    hide = re.compile("[\u00ad\u034f\u115f\u1160\u17b4\u180b-\u180f\u3164\uffa0\U000e0000-\U000e01ef]")
    assert [name for name, text in seen.items() if hide.search(text) or CONTROL.search(text)] == []
    assert [name for name, text in seen.items() if text == HOSTILE[name] and not text.startswith(joined)] == []


def test_there_are_as_many_texts_as_are_promised() -> None:
    assert len(set(HOSTILE.values())) >= 300
