"""Texts that a model might write to do more than be read, and what a view of them may consist of."""

from __future__ import annotations

import re
from html.parser import HTMLParser

TEXTS = {
    "script": "<script>alert(1)</script>",
    "img": "<img src=x onerror=alert(1)>",
    "command": '<button data-commandlinker-command="terminal:create-new" data-commandlinker-args="{}">Run</button>',
    "style": '<div style="position:fixed;background:url(//evil)">&lt;b&gt;</div>',
    "closing": "</div></pre></td></table>'\"><b onclick=x>",
    "javascript link": "[click](javascript:alert(1)) [data](data:text/html,x)",
    "link": "[good](https://good.example) [ref] <https://auto.example>\n\n[ref]: https://evil.example 'title'",
    "image": "![alt](https://evil.example/x.png)",
    "entities": "&#x202e;evil &#27;[2J &lt;script&gt; &#0;",
    "ansi": "\x1b[31mred\x1b[2J\x9b31m\x07\x08\x7f",
    "osc": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\\x1b]0;title\x07",
    "bidi": "\u202eevil\u202c \u2066x\u2069 \u200f\u061c",
    "invisible": "a\u200bb\u2060c\ufeffd\U000e0041e\u2028f",
    "surrogate": "a\ud800b\udfffc",
    "nul": "a\0b\rc\x0bd\x0c",
    "fences": "```\n````python evil-class\n~~~~\n`````\n<b>x</b>\n```",
    "class": "```jp-mod-hidden onclick=x\ncode\n```",
    "latex": r"$\href{javascript:alert(1)}{x}$ \(y\) \\(z\\) \begin{a}\end{a} $$\def\frac{}$$ costs $5 or $6",
    "table": "| a | <b> |\n|:--|:-:|\n| `x` | $y$ |",
    "huge": "<b>&" * 50_000,
    "lines": "\n\n  indented\t\n\n",
    "ordinary": "The mean is 3 < 4 & \"so\" 'on'.\n\n1. *one*\n7) **two**\n> quoted\n\n# head\n\n---\n",
}

TAGS = {
    *("div", "span", "p", "pre", "blockquote", "hr", "br", "wbr", "i", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li"),
    *("em", "strong", "code", "h1", "h2", "h3", "h4", "h5", "h6"),
}
VOID = {"hr", "br", "wbr"}
PLAIN = {("ol", "start"), ("span", "title")}  # attributes that do nothing
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


class Read(HTMLParser):
    """The text of an HTML fragment, and everything in it that a view of ours must not hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.titles: list[str] = []
        self.prose: list[str] = [""]  # runs of text, outside of pre and code, that no tag divides
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.prose.append("")
        if tag not in TAGS:
            self.faults.append(f"<{tag}>")
        self.titles += [value or "" for name, value in attributes if name == "title"]
        for name, value in attributes:
            ours = name == "style" and "url" not in (value or "") and "position" not in (value or "")
            if not (ours or (tag, name) in PLAIN):
                self.faults.append(f"{tag} {name}={value!r}")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.prose.append("")
        if tag in VOID:  # the end of an <hr />
            return
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text += data
        if not {"pre", "code"} & set(self._open):
            self.prose[-1] += data

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"<?{data}>")


def fenced_blocks(markdown: str) -> list[str]:
    """The code blocks of a Markdown text, and all else that is in it as a list of token types."""
    from markdown_it import MarkdownIt

    return [
        token.content for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown) if token.type == "fence"
    ]


def markdown_types(markdown: str) -> set[str]:
    """What a Markdown text is made of, its inline parts included."""
    from markdown_it import MarkdownIt

    found = set()
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        found.add(token.type)
        found |= {child.type for child in token.children or ()}
    return found
