"""Code that a model wrote, as a cell that runs: no fences, the code it goes on from ahead, up to where it parses."""

from __future__ import annotations

import ast
import re
import warnings
from textwrap import dedent

from ..protocol.phrases import count

FENCE = re.compile(r"^(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
_LONG = 400  # lines that are tried as an end, from the last one


def code_of(prompt: str, text: str) -> tuple[str, str]:
    """The code that `text` is after `prompt`, and a sentence on what was left out or does not parse, or "".

    Code in fences stands alone, with the text between several fences as comments. Otherwise the prompt is put before
    the text if both together are code. What does not parse at the end is cut: a text often ends within a statement.
    """
    fences = list(FENCE.finditer(text))
    if not fences and prompt.strip():
        kept = parsing_part(prompt + text)
        if len(kept) > len(prompt.rstrip()):
            return kept, _left_out(prompt + text, kept)
    code = unfenced(text, fences) if fences else dedent(text.strip("\n"))
    kept = parsing_part(code)
    if not kept.strip():
        return code, "The text does not parse as Python; the cell has it as it is."
    return kept, _left_out(code, kept)


def parsing_part(code: str) -> str:
    """The longest beginning of whole lines that parses as Python; IPython's magics and ! lines count as such."""
    lines = code.splitlines()
    if code.lstrip().startswith("%%"):  # of another language
        return code.rstrip()
    for end in range(len(lines), max(0, len(lines) - _LONG), -1):
        part = "\n".join(lines[:end])
        if parses(part):
            return part.rstrip()
    return ""


def parses(code: str) -> bool:
    """Whether `code` is Python, with IPython's magics and ! lines in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            ast.parse(_MAGIC.sub(r"\1pass", code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def unfenced(text: str, fences: list[re.Match[str]]) -> str:
    """What is in the fences, and the text between them as comments."""
    parts, done = [], 0
    for fence in fences:
        parts += [_comment(text[done : fence.start()]), fence[2].strip("\n")]
        done = fence.end()
    parts.append(_comment(text[done:]))
    return "\n\n".join(part for part in parts if part)


def _comment(prose: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in prose.strip().splitlines())


def _left_out(code: str, kept: str) -> str:
    """How many lines with text are not in the part that was kept."""
    lines = sum(1 for line in code[len(kept) :].splitlines() if line.strip())
    if not lines:
        return ""
    verb = "does" if lines == 1 else "do"
    return f"The cell leaves out the end, {count(lines, 'line')} that {verb} not parse as Python."
