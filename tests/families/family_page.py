"""docs/supported-models.md, written from what a run of the contract has seen."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from family_tables import KNOWN, REFUSED, UNBUILT
from tiny_family import Family, families

PAGE = Path(__file__).parents[2] / "docs" / "supported-models.md"
COLUMNS = ("family", "directory", "GGUF", "on a CPU", "int8", "several rows", "reuse", "chat", "inside")
HEAD = """# Supported models

<!-- written by: make families -->

Every model type of transformers {version} that continues a text: {number} types, decoder-only and encoder-decoder. For
each, `make families` makes a tiny random model, saves it, opens it as you would, and compares the result with
transformers' own. This page is what the run has found. It says whether the arithmetic is right, and not how good a
model is.

{counts}

- **directory**: in float32 greedy text is that of `model.generate(do_sample=False)`, and `--score` is one plain pass.
  The prompt is longer than a chunk of the prefill, and longer than a sliding window.
- **GGUF**: a GGUF file of this family has the logits of the model it was made from.
- **on a CPU**: the *compiled* decoding step, or transformers' *general* forward pass.
- **int8**: the default on a CPU gives the numbers of the same weights rounded to 8 bits. A type without an int8 form
  runs in float32, and the status says why.
- **several rows**: `-n`, `--beams`, `--choices`, `--regex` and rows of a frame give what each gives alone.
- **reuse**: what is not read again when a cell runs again (*again*), or when a text is continued (*more*).
- **chat**: the chat template of the tokenizer is used.
- **inside**: the views of the inside that equal transformers' own. The others are refused in one sentence.

An encoder-decoder has the mark → behind its name. A type that is decoder and encoder-decoder has two rows.
"""


@dataclass
class Findings:
    """What a run has seen of the families: checks that passed or failed, and facts."""

    passed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    facts: dict[str, list[tuple[str, object]]] = field(default_factory=lambda: defaultdict(list))

    def fact(self, name: str, what: str) -> list[object]:
        return [value for key, value in self.facts[name] if key == what]

    def all_of(self, name: str, kind: str) -> str:
        """Whether all checks of a kind passed, and if not, those that did not."""
        failed = sorted(one.partition(" ")[2] for one in self.failed[name] if one.startswith(f"{kind} "))
        return f"not {', '.join(failed).replace('_', ' ')}" if failed else "yes"


def row(family: Family, found: Findings, gguf: frozenset[str]) -> list[str]:
    """A row of the table."""
    name = label(family)
    for table, text in ((UNBUILT, "not tried: {}"), (REFUSED, "refused: {}")):
        if family.name in table:
            return [
                name,
                text.format(re.sub(r"\\(.)", r"\1", table[family.name]).rstrip(".")),
                *["–"] * (len(COLUMNS) - 2),
            ]
    dtype, note = (str((found.fact(family.name, key) or [""])[0]) for key in ("dtype", "note"))
    return [
        name,
        found.all_of(family.name, "text"),
        "yes" if family.type in gguf and family.mapping == "causal" else "–",
        "general" if note or dtype != "int8" else "compiled",
        found.all_of(family.name, "default") if dtype == "int8" else f"float32: {note.rstrip('.')}",
        found.all_of(family.name, "rows"),
        _reuse(found, family.name),
        "yes" if found.fact(family.name, "chat") else "–",
        ", ".join(dict.fromkeys(map(str, found.fact(family.name, "inside")))) or "refused",
    ]


def _reuse(found: Findings, name: str) -> str:
    parts = [what for what in ("again", "more") if any(float(str(one)) > 0.5 for one in found.fact(name, what))]
    return ", ".join(parts) or "nothing"


def label(family: Family) -> str:
    return family.type + (" →" if family.mapping != "causal" else ", is_decoder" if family.decodes else "")


def page(found: Findings, version: str, gguf: frozenset[str]) -> str:
    """The whole page."""
    rows = [row(family, found, gguf) for family in sorted(families())]
    tried = [one for one in families() if one.name not in UNBUILT and one.name not in REFUSED]
    clean = [one for one in tried if not found.failed[one.name]]
    counts = (
        f"{len(tried)} types are held to the contract, and {len(clean)} of them keep all of it. "
        f"{len(REFUSED)} are refused in one sentence when they are loaded. "
        f"Of {len(UNBUILT)} no tiny model can be made here."
    )
    lines = [HEAD.format(version=version, number=len(rows), counts=counts), "| " + " | ".join(COLUMNS) + " |"]
    lines += ["|---" * len(COLUMNS) + "|", *("| " + " | ".join(cells) + " |" for cells in rows)]
    if KNOWN:
        lines += ["", "## What fails", "", "| family | check | because |", "|---|---|---|"]
        lines += [f"| {name} | {check} | {why} |" for name, checks in KNOWN.items() for check, why in checks.items()]
    return "\n".join(lines) + "\n"


def listed(text: str) -> list[str]:
    """The families of a page."""
    table = text.partition("| " + " | ".join(COLUMNS) + " |\n")[2].partition("\n\n")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[1:]]
