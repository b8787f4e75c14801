"""How long the sentences of the prose are: of README, the docs and the notebooks; `python tests/reading.py` prints it.

Code, tables, headings, quotations and links' addresses are no prose. A sentence ends at a full stop, a question mark
or an exclamation mark, and where its paragraph or its item of a list ends.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
MEAN, LONGEST = 17, 35  # words of a sentence: on average over a file, and at most

_CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SPAN = re.compile(r"`[^`]*`")
_ITEM = re.compile(r"^\s*([-*]|\d+\.) ")
_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“(*_`]*[A-Z0-9`])")
_SHORT = re.compile(r"\b(e\.g|i\.e|etc|vs|Dr|No|cf)\.")


def files() -> list[Path]:
    """README and its like, the docs that are written by hand, and the notebooks."""
    docs = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not generated(path)]
    top = sorted(ROOT.glob("*.md"))
    return [*top, *docs, *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def generated(path: Path) -> bool:
    """Whether a page is made from the package, or holds only tables and code of its own."""
    folders = path.relative_to(ROOT).parts
    return path.name == "supported-models.md" or bool({"_build", "course", "reference"} & set(folders))


def sentences(text: str) -> list[str]:
    """The sentences of a Markdown text; a span of code counts as one word."""
    text = _COMMENT.sub("", _CODE.sub("", text))
    return [one for block in _blocks(text) for one in _split(block)]


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs and items of lists, each on one line."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        indented = line.startswith("    ") and not block and not _ITEM.match(line)
        skipped = indented or line.lstrip().startswith(("#", "|", "<", ">")) or not line.strip()
        if skipped or _ITEM.match(line):
            if block:
                yield " ".join(block)
            block = []
        if not skipped:
            block.append(_ITEM.sub("", line, count=1).strip(" >"))


def _split(block: str) -> list[str]:
    block = _SHORT.sub(r"\1", _LINK.sub(r"\1", _SPAN.sub("Code", block)))
    return [one.strip() for one in _END.split(block) if any(letter.isalpha() for letter in one)]


def words(sentence: str) -> int:
    return len([word for word in sentence.split() if any(letter.isalnum() for letter in word)])


def text_of(path: Path) -> str:
    """The prose of a file: of a notebook its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def main() -> None:
    every = []
    for path in files():
        lengths = [words(one) for one in sentences(text_of(path))]
        every += lengths
        if lengths:
            _print(lengths, str(path.relative_to(ROOT)))
    _print(every, "all")
    if "--long" in sys.argv:
        for path in files():
            for one in sentences(text_of(path)):
                if words(one) > LONGEST:
                    print(f"{path.relative_to(ROOT)}: {one}")


def _print(lengths: list[int], name: str) -> None:
    """One line: the mean, the longest, how many are too long, and how many there are."""
    print(f"{mean(lengths):5.1f} {max(lengths):4} {sum(n > LONGEST for n in lengths):4} {len(lengths):5}  {name}")


if __name__ == "__main__":
    main()
