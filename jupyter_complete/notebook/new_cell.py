"""A completion into a new cell below, as Markdown or as code; it is never run."""

from __future__ import annotations

import re

from IPython.core.interactiveshell import InteractiveShell

_FENCE = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
MARKDOWN = "%%markdown\n"
NOWHERE = "This front end takes no new cell; the text is above, and in jupyter_complete.last()."


def source(text: str, form: str) -> str:
    """The new cell's source: code where `form` is "code" or the text is one fenced block, else Markdown.

    Of several fenced blocks, code has what is in them, and the text between them as comments.
    """
    fences = list(_FENCE.finditer(text))
    if form == "code" or (len(fences) == 1 and fences[0][0].strip() == text.strip()):
        return _code(text, fences)
    return MARKDOWN + text.strip("\n") + "\n"


def write(shell: InteractiveShell, text: str, form: str) -> bool:
    """Ask the front end for a new cell; False where it is known to take none."""
    if not has_reader(shell):
        return False
    shell.set_next_input(source(text, form), replace=False)
    return True


def has_reader(shell: object) -> bool:
    """Whether somebody sees what comes after a cell; a front end that cannot ask (nbclient, nbconvert) has nobody."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return True  # a terminal puts it on the next line
    content = kernel.get_parent().get("content", {})
    return bool(content.get("allow_stdin", True))


def _code(text: str, fences: list[re.Match[str]]) -> str:
    if not fences:
        return text.strip("\n") + "\n"
    parts, done = [], 0
    for fence in fences:
        parts += [_comment(text[done : fence.start()]), fence[2].strip("\n")]
        done = fence.end()
    parts.append(_comment(text[done:]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _comment(prose: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in prose.strip().splitlines())
