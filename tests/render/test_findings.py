"""The views of a model's inside: the same in text and HTML, inline styles alone, safe, large enough to project."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.distribution import Distribution, Weight
from jupyter_complete.protocol.events import Step
from jupyter_complete.protocol.questions.attention import AttentionRow
from jupyter_complete.protocol.questions.change import WordChange
from jupyter_complete.protocol.questions.embedding import Embedding
from jupyter_complete.protocol.questions.futures import Futures
from jupyter_complete.protocol.questions.head_steps import HeadSteps
from jupyter_complete.protocol.questions.lens import Lens
from jupyter_complete.protocol.questions.occlusion import Occlusion
from jupyter_complete.protocol.questions.path import TokenPath
from jupyter_complete.protocol.views import Displayed
from jupyter_complete.render import stations
from jupyter_complete.render.blocks import Block, InsideView
from jupyter_complete.render.comparison import compare
from jupyter_complete.render.finding import finding_view

EVIL = '<b onmouseover="x">$a$'
SAMPLING = Complete().to_sampling(Complete().checked({"temperature": 0.5, "top_k": 1}))
MATRIX = np.array([[1.0, -np.inf], [0.25, 0.75]], np.float32)


def drawn(found: Displayed) -> Block:
    (block,) = finding_view(found).blocks
    return block


def shown() -> dict[str, Block]:
    weights = (
        Weight(3, EVIL, 2.0, 4.0, 0.6, None, 1.0, 0.0, 1.0),
        Weight(9, " b", 1.0, 2.0, 0.2, "top_k", 0.0, 1.0, 1.0),
    )
    steps = HeadSteps(0, 1, 0, "decoder", 0.5, 0.0, *[MATRIX] * 8, (EVIL, "b"), (EVIL, "b"))  # type: ignore[arg-type]
    texts = np.array([[[EVIL], ["b"]], [["c"], ["d"]]])
    tree = Futures(
        np.array([1, 2, 3]),
        (EVIL, "b", "c"),
        np.array([-1, -1, 0]),
        np.array([1, 1, 2]),
        np.array([0.5, 0.25, 0.5]),
        np.array([0.5, 0.25, 0.25]),
        np.array([0.25, 0.5, 1.0, 1.0]),
        0.01,
    )
    scored = (Step(1, EVIL), Step(2, "b", -0.7, 1)), (Step(1, "a"), Step(2, "c", -1.4, 2), Step(3, "d", -2.0, 3))
    two = np.array([-1.0]), np.array([-2.0])
    return {
        "preprocess": stations.preprocess(EVIL, [(3, EVIL.encode())], Embedding((3,), (EVIL,), np.ones((1, 8)))),
        "distribution": stations.distribution(Distribution(0, weights, SAMPLING, 0.3, 9, 3, 1, 50), EVIL),
        "postprocess": stations.postprocess([(3, EVIL.encode())]),
        "attention": drawn(AttentionRow(np.array([0.0, 1.0]), (EVIL, "b"), 1, "mean", 1, "decoder", 0.9)),
        **{f"head {place}": block for place, block in enumerate(finding_view(steps).blocks)},
        "lens": drawn(Lens(np.ones((2, 2, 1), int), texts, np.full((2, 2, 1), 0.5), 0, (EVIL, "b"))),
        "path": drawn(TokenPath((1,), (EVIL,), 0, np.array([[4, 1]]), np.array([[0.1, 0.9]]))),
        "occlusion": drawn(Occlusion(0, EVIL, (1,), (EVIL,), *two)),
        "change": drawn(WordChange(0, EVIL, "b", np.array([1]), (EVIL,), *two, 0.5, (EVIL, "b"))),
        "futures": drawn(tree),
        "compare": compare((EVIL, "a"), scored),
    }


NAMES = sorted(shown())


@pytest.mark.parametrize("name", NAMES)
def test_model_text_is_escaped_and_no_formula_is_typeset(name: str) -> None:
    html = shown()[name].html
    assert "<b " not in html
    assert "$a$" not in re.sub(r"<text.*?</text>|<title.*?</title>|(title|aria-label)=\"[^\"]*\"", "", html)


@pytest.mark.parametrize("name", NAMES)
def test_html_has_inline_styles_alone_and_letters_of_16_pixels_or_more(name: str) -> None:
    html = InsideView([shown()[name]], "footer").bundle()["text/html"]
    assert not re.search(r"<style|<script|class=|\sid=", html)
    assert min(int(size) for size in re.findall(r"font-size[:=]\"?(\d+)", html)) >= 16


@pytest.mark.parametrize("name", NAMES)
def test_html_is_well_formed(name: str) -> None:
    ElementTree.fromstring(f"<div>{shown()[name].html}</div>".replace("<br>", "<br/>").replace("<wbr>", "<wbr/>"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("preprocess", ["3", "3c 62 20"]),
        ("distribution", ["cut: top_k", "100.0 %", "u = 0.3000", "temperature 0.5, top_k 1", "← picked"]),
        ("attention", ["100.0 %", "90.0 %", "does not say why"]),
        ("head 2", ["−∞"]),
        ("head 3", ["0.75"]),
        ("lens", ["embeddings", "logits", "d 50"]),
        ("path", ["4", "90.0 %"]),
        ("occlusion", ["36.8 %", "13.5 %", "−1.000"]),
        ("change", ["KL 0.500 bits", "softmax(W·h)"]),
        ("futures", ["50.0 %", "25.0 % together", "25.0 % is cut off"]),
        ("compare", ["perplexity", "log P", "times as likely"]),
    ],
)
def test_numbers_are_told_in_text_too(name: str, words: list[str]) -> None:
    block = shown()[name]
    for word in words:
        assert word in block.plain
        assert word in block.html.replace("<span>", "").replace("</span>", "")


def test_what_is_picked_is_marked_beside_its_token() -> None:
    (picked,) = [line for line in shown()["distribution"].plain.splitlines() if "← picked" in line]
    assert picked.split()[1:3] == ["←", "picked"]


def test_the_lens_begins_with_the_embeddings_as_the_panel_does() -> None:
    for content in (shown()["lens"].plain, shown()["lens"].html):
        assert content.index("embeddings") < content.index("logits")


def test_a_character_of_several_tokens_is_shown_with_its_parts() -> None:
    block = stations.preprocess("数", [(1, b"\xe6\x95"), (2, b"\xb0")])
    assert "数 1/2" in block.plain
    assert "数 2/2" in block.plain


def test_half_a_character_is_held_back() -> None:
    lines = stations.postprocess([(1, b"\xe6\x95"), (2, b"\xb0")]).plain.splitlines()
    assert lines[1].endswith("2 bytes held: part of a character")
    assert lines[2].rstrip().endswith("数")


def test_bytes_are_held_where_others_of_the_same_token_were_a_character_too() -> None:
    line = stations.postprocess([(1, b"\x20\xf0\x9f")]).plain.splitlines()[1]
    assert line.split(maxsplit=6)[-2:] == ["␣", "2 bytes held: part of a character"]


def weighed(penalty: float) -> Block:
    """ " a" was penalised by 2 at temperature 0.5, " b" never was, " c" is what the model's own rules forbid."""
    weights = (
        Weight(1, " a", 3.0, 6.0 / penalty, 0.6, None, 0.6, 0.0, 0.6),
        Weight(2, " b", 1.5, 3.0, 0.2, None, 0.4, 0.6, 1.0),
        Weight(3, " c", 1.0, -np.inf, 0.1, "rule", 0.0, 1.0, 1.0),
    )
    asked = replace(SAMPLING, repetition_penalty=penalty)
    return stations.distribution(Distribution(0, weights, asked, 0.3, 1, 1, 2, 50))


def test_a_penalised_token_is_marked_and_the_column_explained() -> None:
    lines = weighed(2.0).plain.splitlines()
    assert ["penalised" in line for line in lines[1:4]] == [True, False, False]
    assert stations.PENALISED in lines


def test_without_a_penalty_nothing_is_said_of_one() -> None:
    assert "enalised" not in weighed(1.0).plain


@pytest.mark.parametrize(("size", "said"), [(24, False), (30, True)])
def test_a_head_s_tables_say_where_tokens_are_left_out(size: int, said: bool) -> None:
    names, square = tuple("abcdefghijklmnopqrstuvwxyz0123"[:size]), np.full((size, size), 1 / size, np.float32)
    steps = HeadSteps(0, 1, 0, "decoder", 0.5, 0.0, *[square] * 8, names, names)  # type: ignore[arg-type]
    text = finding_view(steps).blocks[3].plain
    cut = "The last 24 of 30 tokens are shown; the rest of a row's weight lies on earlier ones."
    assert (cut in text) is said


def test_the_boxes_of_a_tree_are_as_high_as_they_are_likely() -> None:
    heights = [float(high) for high in re.findall(r'<rect [^>]* height="([\d.]+)"', futures_html())]
    assert heights[0] == pytest.approx(2 * heights[2] + 1)
    assert heights[1] == heights[2]


def test_what_is_cut_off_a_tree_has_its_height_too() -> None:
    cut = re.findall(r'height="([\d.]+)" fill="none"[^>]*><title>cut off ([\d.]+) %', futures_html())
    assert cut == [("104.0", "50.0"), ("104.0", "100.0"), ("104.0", "25.0")]


def test_a_tree_s_name_says_where_it_begins() -> None:
    assert 'aria-label="A tree of likely futures; first ' in futures_html()


def futures_html() -> str:
    return shown()["futures"].html


def test_a_view_says_the_same_as_text_markdown_and_html() -> None:
    bundle = InsideView([shown()["path"]], "the footer").bundle()
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    assert all("the footer" in content for content in bundle.values())
    assert bundle["text/plain"] in bundle["text/markdown"]
