"""A finished completion as one static bundle: HTML with inline styles only, Markdown, plain text.

Each says the same without JavaScript or CSS, so a saved, exported or diffed notebook still reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..protocol.phrases import count
from ..protocol.structure import ChoiceScore
from . import choices as choices_view
from .html import BODY, FRAME, MONO, MUTED, QUIET, as_html, as_markdown, element, escape, fenced, numbered, visible

NOTHING = "(no text)"
UNADORNED = "margin:0;padding:0;border:0;background:none;color:inherit;font-size:inherit"
PROSE = "font-family:inherit;line-height:inherit"


@dataclass(frozen=True, slots=True)
class CompletionView:
    """What is shown: the continuations, the footer, the text before them (the prompt when echoed), the scores of the
    choices where the text is one of them, and what was thought before all of them, in `thought` tokens."""

    texts: Sequence[str]
    footer: str
    before: str = ""
    form: str = "text"
    choices: Sequence[ChoiceScore] = ()
    thinking: str = ""
    thought: int = 0
    nothing: str = NOTHING  # what stands for a text that is empty
    speaker: str = ""  # who answers, named ahead of the answer

    @property
    def thinking_head(self) -> str:
        return f"thinking, {count(self.thought, 'token')}"


def bundle(view: CompletionView) -> Mapping[str, str]:
    """MIME type to content."""
    return {"text/html": to_html(view), "text/markdown": to_markdown(view), "text/plain": to_plain(view)}


def to_plain(view: CompletionView) -> str:
    blocks = [visible(view.before + text) or NOTHING for text in view.texts]
    table = [choices_view.to_plain(view.choices)] if view.choices else []
    thought = [f"[{view.thinking_head}]", visible(view.thinking), "[answer]"] if view.thinking else []
    speaker = [spoken_by(view.speaker)] if view.speaker else []
    return "\n\n".join([*thought, *speaker, numbered(blocks), *table, f"[{visible(view.footer)}]"])


def sent_to(host: str) -> str:
    """The line above everything that a server wrote."""
    return f"[sent to {visible(host)}]"


def with_host(made: Mapping[str, str], host: str) -> Mapping[str, str]:
    """A bundle whose first line names the server that the text was sent to; as it is without one."""
    if not host:
        return made
    heads = {
        "text/html": element("div", QUIET, f"sent to {as_html(host)}"),
        "text/markdown": f"*sent to {as_markdown(host)}*\n\n",
        "text/plain": f"{sent_to(host)}\n\n",
    }
    return {kind: heads.get(kind, "") + content for kind, content in made.items()}


def spoken_by(speaker: str) -> str:
    """The line above an answer."""
    return f"[{visible(speaker)} answers]"


def to_markdown(view: CompletionView) -> str:
    blocks = [fenced(view.before + text) for text in view.texts]
    if len(blocks) > 1:
        blocks = [f"({n})\n\n{block}" for n, block in enumerate(blocks, 1)]
    table = [fenced(choices_view.to_plain(view.choices))] if view.choices else []
    thought = [f"*{view.thinking_head}*", fenced(view.thinking), "*answer*"] if view.thinking else []
    speaker = [f"*{as_markdown(view.speaker)} answers:*"] if view.speaker else []
    return "\n\n".join([*thought, *speaker, *blocks, *table, f"*{as_markdown(view.footer)}*"])


def to_html(view: CompletionView) -> str:
    bodies = [_body(view, text) for text in view.texts]
    if len(bodies) > 1:
        apart = ";margin-top:.8em"
        heads = [element("div", QUIET + apart * (n > 1), f"({n})") for n in range(1, 1 + len(bodies))]
        bodies = [head + body for head, body in zip(heads, bodies, strict=True)]
    footer = element("div", QUIET + ";margin-top:.4em", as_html(view.footer))
    table = choices_view.to_html(view.choices) if view.choices else ""
    speaker = element("div", QUIET, f"{as_html(view.speaker)} answers:") if view.speaker else ""
    return element("div", FRAME, _folded(view) + speaker + "".join(bodies) + table + footer)


def _folded(view: CompletionView) -> str:
    """The thinking, which a reader can open; its head says what it is where nothing folds."""
    if not view.thinking:
        return ""
    head = f'<summary style="{QUIET};cursor:pointer">{escape(view.thinking_head)}</summary>'
    thought = _exact(escape(view.thinking), f"{PROSE};{QUIET}")
    return element("details", "margin-bottom:.6em", head + thought)


def _body(view: CompletionView, text: str) -> str:
    before = element("span", MUTED, escape(view.before)) if view.before else ""
    if view.form == "markdown":
        return (_exact(before, PROSE) if before else "") + element("div", "", markdown_to_html(text))
    shown = escape(text) or (view.nothing and element("span", MUTED, view.nothing))
    return _exact(before + shown, MONO if view.form == "code" else PROSE)


def _exact(inner: str, font: str) -> str:
    """Safe `inner` with its whitespace, which a <pre> keeps without CSS too; and no dollar in it is read as math."""
    return element("pre", f"{BODY};{UNADORNED};{font}", "\n" + inner)  # a browser drops the newline after <pre>


def markdown_to_html(text: str) -> str:
    """CommonMark to HTML with raw HTML and images shown as text, and every link spelled out instead of linked."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink"])

    def link_open(self, tokens, at, options, env):  # type: ignore[no-untyped-def]
        env.setdefault("links", []).append(tokens[at].attrGet("href") or "")
        return ""

    def link_close(self, tokens, at, options, env):  # type: ignore[no-untyped-def]
        return f" ({as_html(env['links'].pop())})"

    def text_alone(self, tokens, at, options, env):  # type: ignore[no-untyped-def]
        return as_html(tokens[at].content)

    def fence(self, tokens, at, options, env):  # type: ignore[no-untyped-def]
        return self.code_block(tokens, at, options, env)  # without the class that its first line names

    parser.add_render_rule("text", text_alone)
    parser.add_render_rule("fence", fence)
    parser.add_render_rule("link_open", link_open)
    parser.add_render_rule("link_close", link_close)
    return str(parser.render(visible(text)))
