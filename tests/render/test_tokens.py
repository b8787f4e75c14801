"""A text token by token: a table with probabilities where they were measured, inert whatever the tokens say."""

from __future__ import annotations

import math
import re

import pytest
from hostile import CONTROL, TEXTS, Read, fenced_blocks, markdown_types

from jupyter_complete.protocol.events import Candidate, Step
from jupyter_complete.render.blocks import token
from jupyter_complete.render.tokens import (
    Part,
    TokensView,
    bundle,
    to_html,
    to_plain,
    view_html,
    view_plain,
)

SCORED = [Step(5, "The"), Step(7, " mean", math.log(0.25), 3), Step(9, "\n", math.log(1.0), 1)]


def test_a_scored_text_shows_probability_logprob_and_rank() -> None:
    assert to_plain(SCORED, "3 tokens") == (
        "token  id  probability      logprob  rank\n"
        "The    5\n"
        "␣mean  7   ██       25.00%  -1.386   3\n"
        "↵      9   ████████ 100.00%  0.000    1\n"
        "\n"
        "[3 tokens]"
    ).replace("probability      logprob", "probability       logprob").replace("25.00%  -1", "25.00%   -1")


def test_a_text_that_was_not_scored_shows_tokens_and_ids_only() -> None:
    assert to_plain([Step(5, "The"), Step(12, " mean")], "2 tokens") == ("token  id\nThe    5\n␣mean  12\n\n[2 tokens]")


@pytest.mark.parametrize(("text", "shown"), [(" a", "␣a"), ("\n", "↵"), ("\t", "⇥"), ("", "·"), ("\x1b", "␛")])
def test_a_tokens_whitespace_is_visible(text: str, shown: str) -> None:
    assert token(text) == shown


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_tokens_are_inert(text: str) -> None:
    made = bundle([Step(1, text), Step(2, text, -1.0, 5)], text)
    shown = Read(made["text/html"])
    assert shown.faults == []
    assert [run for run in shown.prose if re.search(r"\$.+\$|\\[(\[]|\\begin", run)] == []
    assert markdown_types(made["text/markdown"]) == {"fence"}
    assert not any(CONTROL.search(content) for content in made.values())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_html_shows_every_token(text: str) -> None:
    assert Read(to_html([Step(1, text)], "end")).text == f"tokenid{token(text)}1end"


def test_markdown_is_the_plain_table_in_a_fence() -> None:
    made = bundle(SCORED, "3 tokens")
    assert fenced_blocks(made["text/markdown"]) == [made["text/plain"] + "\n"]


def test_no_tokens_make_an_empty_table() -> None:
    assert to_plain([], "0 tokens") == "token  id\n\n[0 tokens]"


def test_a_long_text_shows_its_beginning_and_end_and_how_much_lies_between() -> None:
    steps = [Step(number, f"t{number}") for number in range(9001)]
    for content in bundle(steps, "footer").values():
        assert "8,601 left out" in content
        assert "t299" in content
        assert "t8900" not in content
        assert "t8901" in content


# -- the token view ----------------------------------------------------------------------------------------------


def candidates(*cuts: tuple[str, float, float, str | None]) -> tuple[Candidate, ...]:
    return tuple(Candidate(n, text, math.log(raw), after, cut) for n, (text, raw, after, cut) in enumerate(cuts, 1))


TOP = candidates((" mean", 0.5, 0.8, None), (" median", 0.25, 0.2, None), (" mode", 0.12, 0.0, "top_p"))
PROMPT = Part("prompt", "The sum", [Step(5, "The"), Step(6, " sum", math.log(0.001), 40, TOP)])
COMPLETION = Part(
    "completion",
    " mean 数",
    [
        Step(1, " mean", math.log(0.5), 1, TOP),
        Step(7, " ", math.log(0.1), 4, TOP),
        Step(20, "", math.log(0.5), 1, candidates(("\ufffd", 0.5, 1.0, None))),
        Step(21, "数", math.log(0.5), 2, TOP),
    ],
    end=Step(4, "", math.log(0.2), 2, (*TOP, Candidate(4, "<|end|>", math.log(0.1), 0.1))),
    sampled=True,
)
VIEW = TokensView([PROMPT, COMPLETION], "length · 4 tokens")


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of WCAG, of a colour of 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def backgrounds(html: str) -> list[tuple[tuple[float, ...], float]]:
    """Colours and alphas of all backgrounds."""
    found = re.findall("background:#([0-9a-f]{8})", html)
    values = [[int(one[at : at + 2], 16) / 255 for at in (0, 2, 4, 6)] for one in found]
    return [(tuple(value[:3]), value[3]) for value in values]


def test_plain_shows_texts_tokens_candidates_cuts_and_figures() -> None:
    weighed = "␣mean 50→80 · ␣median 25→20 · ␣mode 12→top_p"
    assert view_plain(VIEW).splitlines() == [
        "prompt: The sum",
        "",
        "at  token  id  probability     logprob  rank  bits ≥  candidates: %",
        "0   The    5",
        "1   ␣sum   6            0.10%  -6.908   40    1.7     ␣mean 50 · ␣median 25 · ␣mode 12",
        "",
        "completion:  mean 数",
        "",
        "at  token    id  probability      logprob  rank  bits ≥  candidates: % → % after sampling, or what cut it",
        f"0   ␣mean    1   ████     50.00%  -0.693   1     1.7     {weighed}",
        f"1   ␣        7   ▊        10.00%  -2.303   4     1.7     {weighed}",
        "2   数 1/2    20  ████     50.00%  -0.693   1     1.0     \ufffd 50→100",
        f"3   数 2/2    21  ████     50.00%  -0.693   2     1.7     {weighed}",
        f"4   <|end|>  4   █▋       20.00%  -1.609   2     1.9     {weighed} · <|end|> 10→10",
        "",
        "prompt: 2 tokens · perplexity 1,000.00 · 3 candidates cover 87.0% of the probability on average",
        "completion: 4 tokens · perplexity 2.99 · 3 candidates cover 77.8% of the probability on average",
        "least likely: ␣sum 0.10 % (prompt 1, after The) · ␣ 10 % (completion 1, after ␣mean) · <|end|> 20 % "
        "(completion 4, after ␣mean␣数) · ␣mean 50 % (completion 0) · 数 1/2 50 % (completion 2, after ␣mean␣)",
        "[length · 4 tokens]",
    ]


def test_html_says_without_css_what_plain_says() -> None:
    shown = Read(view_html(VIEW))
    assert shown.faults == []
    for cell in ("␣mean 50→80 · ␣median 25→20 · ␣mode 12→top_p", "████ 50.00%", "-6.908", "数 1/2", "<|end|>"):
        assert cell in shown.text
    for line in view_plain(VIEW).split("\n")[-4:-1]:
        assert line in shown.text


@pytest.mark.parametrize(
    "html", [view_html(VIEW), to_html(VIEW.parts[0].steps, "footer", "text")], ids=["view", "score"]
)
def test_letters_are_16_pixels_wherever_a_front_end_has_its_own_size(html: str) -> None:
    assert set(re.findall(r"font-size:([^;\"]+)", html)) == {"16px"}
    for tag in ("table", "code"):
        assert all("font-size:16px" in style for style in re.findall(rf'<{tag} style="([^"]*)"', html))


def test_a_title_tells_what_there_is_to_hover_over() -> None:
    titles = Read(view_html(VIEW)).titles
    assert titles[0] == "0"
    assert titles[1] == (
        "1: rank 40, 0.10 %, logprob -6.91, ≥1.7 bits; ␣mean 50 · ␣median 25 · ␣mode 12; 3 cover 87.0%"
    )
    assert titles[4].startswith("2 (2 tokens of one character): rank 1, 2, 25 %, logprob -1.39, ≥1.0 bits; ")
    assert len(titles) == 6


def test_the_rarer_a_token_the_stronger_its_colour_in_one_hue() -> None:
    steps = [Step(1, "x", -power * math.log(10), 1) for power in (0, 0.5, 1, 2, 3, 4, 9)]
    html = view_html(TokensView([Part("prompt", "", steps)], ""))
    body = html[: html.index("<details")]
    alphas = [alpha for _, alpha in backgrounds(body)]
    assert len(alphas) == len(steps) - 1  # the certain one has none
    assert alphas == sorted(alphas)
    assert len(set(alphas)) == len(alphas) - 1  # beyond the scale all are alike
    assert len({hue for hue, _ in backgrounds(html)}) == 1


@pytest.mark.parametrize(("page", "text"), [((1.0,) * 3, (0.13,) * 3), ((0.07,) * 3, (0.87,) * 3)])
def test_text_on_every_colour_is_readable_in_light_and_dark(page: tuple[float, ...], text: tuple[float, ...]) -> None:
    found = backgrounds(view_html(VIEW))
    assert found
    for hue, alpha in found:
        behind = tuple(alpha * h + (1 - alpha) * p for h, p in zip(hue, page, strict=True))
        assert contrast(behind, text) > 4.5


def test_the_more_open_a_choice_the_thicker_its_underline() -> None:
    open_ones = [candidates(*(("x", 1 / n, 1 / n, None) for _ in range(n))) for n in (1, 2, 4, 8, 16)]
    html = view_html(TokensView([Part("prompt", "", [Step(1, "x", 0.0, 1, top) for top in open_ones])], ""))
    assert re.findall(r"border-bottom:(\d)px", html[: html.index("<details")]) == ["1", "2", "3", "3"]


def test_newlines_break_the_line_also_without_css() -> None:
    html = view_html(TokensView([Part("prompt", "", [Step(1, "a\n\tb", -1.0, 1)])], ""))
    assert "a↵<br>⇥b</span>" in html


def test_the_running_text_has_blanks_where_a_token_is_more_than_one() -> None:
    running = Read(view_html(VIEW).split("<details")[0]).text
    assert "The sum" in running
    assert " mean␣数" in running


def test_the_legend_of_the_colours_is_one_short_line_that_opens() -> None:
    (line,) = re.findall(r"<details[^>]*><summary[^>]*>(probability.*?)</summary>", view_html(VIEW))
    assert len(Read(line).text) < 80


def test_a_prompt_that_was_not_measured_has_no_figures() -> None:
    plain = view_plain(TokensView([Part("prompt", "ab", [Step(1, "a"), Step(2, "b")])], "end"))
    assert "perplexity" not in plain
    assert "least likely" not in plain


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_shown_and_inert_wherever_it_stands(text: str) -> None:
    top = (Candidate(1, text, -0.5, 0.9), Candidate(2, text, -1.5, 0.0, "top_p"))
    steps = [Step(1, text, -0.5, 1, top), Step(2, "", -1.0, 2, top), Step(3, text, -9.0, 5)]
    part = Part("completion", text, steps, end=Step(1, "", -0.5, 1, top), sampled=True)
    made = TokensView([part], text).bundle()
    shown = Read(made["text/html"])
    assert shown.faults == []
    assert token(text)[:10] in shown.text
    assert [run for run in shown.prose if re.search(r"\$.+\$|\\[(\[]|\\begin", run)] == []
    assert markdown_types(made["text/markdown"]) == {"fence"}
    for content in made.values():
        assert not CONTROL.search(content)
        content.encode("utf-8")


@pytest.mark.parametrize(
    ("sizes", "left_out"),
    [
        ((2000, 50), ["1,650"]),
        ((50, 2000), ["1,650"]),
        ((900, 900), ["700", "700"]),
        ((300, 100), []),
    ],
)
def test_of_long_texts_as_many_tokens_are_shown_as_there_is_room_for(
    sizes: tuple[int, ...], left_out: list[str]
) -> None:
    parts = [
        Part(f"part{n}", "", [Step(n, f"t{n}", -1.0, 1, TOP) for n in range(size)]) for n, size in enumerate(sizes)
    ]
    view = TokensView(parts, "")
    shown = Read(view_html(view))
    assert len(shown.titles) == 400
    assert re.findall(r"([\d,]+) tokens left out", shown.text) == 2 * left_out  # ahead of the tokens and among them
    assert re.findall(r"([\d,]+) left out", view_plain(view)) == left_out
    assert f"part1: {sizes[1]:,} tokens" in shown.text


def test_least_likely_tokens_are_named_also_where_they_are_left_out() -> None:
    steps = [Step(n, "x", -9.0 if n == 450 else -1.0, 1, TOP) for n in range(1000)]
    assert "least likely: x 0.01 % (prompt 450, after …xxxxxxxxxxxxxxxx)" in view_plain(
        TokensView([Part("prompt", "", steps)], "")
    )


def test_a_token_costs_less_than_430_bytes() -> None:
    words = [f" word{n % 90}" for n in range(390)]
    top = candidates(*((f" word{n}", 0.1, 0.12, None) for n in range(8)))
    part = Part("completion", "", [Step(12345, word, -2.3, 12, top) for word in words], sampled=True)
    html = view_html(TokensView([part], "length"))
    assert len(html.encode()) / len(words) < 430


def test_it_displays_itself_and_prints_as_its_plain_form() -> None:
    assert VIEW._repr_mimebundle_() == VIEW.bundle()
    assert set(VIEW.bundle()) == {"text/html", "text/markdown", "text/plain"}
    assert str(VIEW) == VIEW.bundle()["text/plain"]
    assert repr(VIEW) == "<TokensView: prompt of 2 tokens, completion of 4 tokens>"
    assert fenced_blocks(VIEW.bundle()["text/markdown"]) == [str(VIEW) + "\n"]
