"""A finished completion as HTML, Markdown and plain text: all of the text, exactly, and nothing that acts."""

from __future__ import annotations

import re

import pytest
from hostile import CONTROL, TEXTS, Read, fenced_blocks, markdown_types

from jupyter_complete.render.completion import CompletionView, bundle, markdown_to_html, to_html, to_markdown, to_plain
from jupyter_complete.render.html import visible

FOOTER = "length · 3 tokens · my_model (float32, cpu)"
FORMS = ("text", "code", "markdown")
hostile = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
every_form = pytest.mark.parametrize("form", FORMS)


def shown_by_a_browser(html: str) -> str:
    """The text of `html` after what a browser's parser drops: one newline after <pre>."""
    return Read(re.sub(r"(<pre[^>]*>)\n", r"\1", html)).text


@hostile
@every_form
def test_html_holds_no_tag_or_attribute_but_ours(text: str, form: str) -> None:
    assert Read(to_html(CompletionView([text, text], FOOTER, before=text, form=form))).faults == []


@hostile
def test_a_hostile_footer_is_text(text: str) -> None:
    view = CompletionView(["x"], text)
    assert Read(to_html(view)).faults == []
    assert visible(text) in shown_by_a_browser(to_html(view))


@hostile
@pytest.mark.parametrize("form", ["text", "code"])
def test_html_shows_the_text_exactly(text: str, form: str) -> None:
    html = to_html(CompletionView([text], FOOTER, before="Prompt:\n ", form=form))
    assert shown_by_a_browser(html) == visible("Prompt:\n " + text) + FOOTER


def test_html_keeps_whitespace_without_css() -> None:
    html = to_html(CompletionView(["\n\n  two  spaces\n"], FOOTER))
    assert re.search(r"<pre[^>]*>\n\n\n  two  spaces\n</pre>", html)


@hostile
@every_form
def test_no_view_holds_a_control_or_hiding_character(text: str, form: str) -> None:
    for content in bundle(CompletionView([text], text, before=text, form=form)).values():
        assert not CONTROL.search(content)


@hostile
@every_form
def test_every_view_can_be_encoded(text: str, form: str) -> None:
    for content in bundle(CompletionView([text], text, before=text, form=form)).values():
        content.encode("utf-8")


@hostile
@every_form
def test_html_holds_no_formula_for_a_notebook_to_typeset(text: str, form: str) -> None:
    html = to_html(CompletionView([text], FOOTER, before=text, form=form))
    assert [run for run in Read(html).prose if re.search(r"\$.+\$|\\[(\[]|\\begin", run)] == []


@hostile
def test_markdown_is_the_text_in_one_fence_that_nothing_inside_ends(text: str) -> None:
    markdown = to_markdown(CompletionView([text], FOOTER))
    (block,) = fenced_blocks(markdown)
    assert block == visible(text) + "\n"


@hostile
def test_markdown_is_made_of_fences_and_an_emphasised_footer(text: str) -> None:
    footer = text.replace("\n", " ")[:200].strip() or "x"
    markdown = to_markdown(CompletionView([text, text], footer))
    assert markdown_types(markdown) - {"fence", "paragraph_open", "paragraph_close", "inline"} <= {
        "em_open",
        "em_close",
        "text",
        "text_special",
    }


@hostile
def test_plain_is_the_text_and_the_footer(text: str) -> None:
    assert to_plain(CompletionView([text], FOOTER, before="Prompt: ")) == f"{visible('Prompt: ' + text)}\n\n[{FOOTER}]"


def test_several_texts_are_numbered_in_plain() -> None:
    assert to_plain(CompletionView(["a", "b"], "end")) == "(1) a\n\n(2) b\n\n[end]"


def test_several_texts_are_numbered_in_html() -> None:
    assert shown_by_a_browser(to_html(CompletionView(["a", "b"], "end"))) == "(1)a(2)bend"


def test_no_text_is_said() -> None:
    view = CompletionView([""], "end")
    assert to_plain(view) == "(no text)\n\n[end]"
    assert shown_by_a_browser(to_html(view)) == "(no text)end"


def test_markdown_form_renders_common_marks() -> None:
    html = markdown_to_html("# Head\n\n3. *one* `two`\n\n> three\n\n| a |\n|---|\n| b |\n")
    for part in ("<h1>Head</h1>", '<ol start="3">', "<em>one</em>", "<code>two</code>", "<blockquote>", "<td>b</td>"):
        assert part in html


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("[good](https://good.example)", "good (https://good.example)"),
        ("[a *b*](https://good.example 'title')", "a b (https://good.example)"),
        ("[r]\n\n[r]: https://evil.example", "r (https://evil.example)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![x](https://evil.example)", "!x (https://evil.example)"),
        ("<https://auto.example>", "<https://auto.example>"),
        ("<b>x</b>", "<b>x</b>"),
        ("[x](https://evil.example/<script>)", "x (https://evil.example/%3Cscript%3E)"),
        ("costs $5 or $6", "costs $5 or $6"),
    ],
)
def test_markdown_form_spells_links_out_and_shows_raw_html_as_text(markdown: str, shown: str) -> None:
    assert Read(markdown_to_html(markdown)).text.strip() == shown


def test_markdown_form_keeps_the_whitespace_of_an_echoed_prompt() -> None:
    html = to_html(CompletionView(["x"], "end", before="def f():\n    return", form="markdown"))
    assert re.search(r"<pre[^>]*>\n<span[^>]*>def f\(\):\n    return</span></pre>", html)


def test_the_bundle_has_a_form_for_every_reader() -> None:
    assert set(bundle(CompletionView(["x"], "end"))) == {"text/html", "text/markdown", "text/plain"}


@hostile
def test_thinking_is_folded_in_html_and_marked_in_plain(text: str) -> None:
    view = CompletionView(["Right."], FOOTER, thinking=text, thought=12)
    html = to_html(view)
    assert re.search(r"<details[^>]*><summary[^>]*>thinking, 12 tokens</summary>", html)
    assert Read(html).faults == []
    assert shown_by_a_browser(html) == f"thinking, 12 tokens{visible(text)}Right.{FOOTER}"
    assert to_plain(view) == f"[thinking, 12 tokens]\n\n{visible(text)}\n\n[answer]\n\nRight.\n\n[{FOOTER}]"


@hostile
def test_thinking_has_a_fence_of_its_own_in_markdown(text: str) -> None:
    markdown = to_markdown(CompletionView(["Right."], FOOTER, thinking=text, thought=1))
    assert markdown.startswith("*thinking, 1 token*\n\n")
    assert fenced_blocks(markdown) == [visible(text) + "\n", "Right.\n"]


@hostile
def test_an_answer_says_whose_words_it_is(text: str) -> None:
    view = CompletionView(["The cell is empty."], FOOTER, speaker=text[:60] or "x")
    assert to_plain(view) == f"[{visible(view.speaker)} answers]\n\nThe cell is empty.\n\n[{FOOTER}]"
    assert Read(to_html(view)).faults == []
    assert shown_by_a_browser(to_html(view)) == f"{visible(view.speaker)} answers:The cell is empty.{FOOTER}"
    assert " answers:*\n\n```" in to_markdown(view)
