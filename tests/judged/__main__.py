"""`make judge`: what the embedded model makes of ten inputs a task; docs/tasks.md gets the scores and first answers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cases import CASES, Case

from jupyter_complete.engine.text.encode import Entry
from jupyter_complete.session.session import Session

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"
SEED = 1
KINDS = ("instruct", "base")
SHOWN = {"text": 90, "answer": 300}  # characters


@dataclass(frozen=True)
class Answer:
    """What the model answered to a case, and which checks it passed."""

    case: Case
    text: str
    passed: tuple[bool, ...]

    @property
    def good(self) -> bool:
        return all(self.passed)


def answer(session: Session, task: str, case: Case) -> Answer:
    text = session.complete(case.text, task=task, seed=SEED, **case.options).text
    return Answer(case, text, tuple(check(text) for check in case.checks))


def answers(session: Session, tasks: Sequence[str], kind: str, loud: bool) -> dict[str, list[Answer]]:
    """The answers a task, where the embedded model is taken for one of this kind."""
    session.models.load("smollm2", "auto", "auto").wait()
    engine: Any = session.models.get("smollm2").engine
    engine._info = replace(engine.info, kind=kind)
    engine._entry = Entry(engine._vocabulary, engine.info, engine._size)
    found: dict[str, list[Answer]] = {}
    for task in tasks:
        found[task] = []
        for case in CASES[task]:
            found[task].append(one := answer(session, task, case))
            if loud:
                print(f"--- {'good' if one.good else one.passed} {case.text[:70]!r}\n{one.text}")
        print(f"{task:10} {kind:9} {score(found[task])} of {len(found[task])}", flush=True)
    return found


def score(found: Sequence[Answer]) -> int:
    return sum(one.good for one in found)


def table(by_kind: Mapping[str, Mapping[str, Sequence[Answer]]]) -> str:
    """The scores as Markdown."""
    rows = [f"| task | {' | '.join(f'as {kind}' for kind in by_kind)} |", "|---" * (1 + len(by_kind)) + "|"]
    rows += [f"| {task} | {' | '.join(str(score(found[task])) for found in by_kind.values())} |" for task in CASES]
    totals = [f"**{sum(map(score, found.values()))} of {10 * len(found)}**" for found in by_kind.values()]
    return "\n".join([*rows, f"| all | {' | '.join(totals)} |"])


def firsts(found: Mapping[str, Sequence[Answer]]) -> str:
    """The first answer of every task as Markdown, whatever it is worth."""
    lines = []
    for task, (one, *_) in found.items():
        options = "".join(f' --{name} "{value}"' for name, value in one.case.options.items())
        text, shown = cut(one.case.text, SHOWN["text"]), cut(one.text.strip(), SHOWN["answer"])
        said = "counts" if one.good else "does not count"
        quoted = "\n".join(f"> {line}".rstrip() for line in shown.splitlines())
        lines.append(f"`--task {task}{options}` {text}\n\n{quoted}\n\n*It {said}.*")
    return "\n\n".join(lines)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def put(page: str, mark: str, text: str) -> str:
    """The page with `text` between two marks."""
    between = re.compile(rf"(<!-- {mark}[^>]*-->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    return between.sub(lambda match: match[1] + text + "\n" + match[2], page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="these alone, and write nothing down")
    parser.add_argument("--kind", choices=KINDS, help="this kind alone, and write nothing down")
    parser.add_argument("--loud", action="store_true", help="print the answers")
    asked = parser.parse_args()
    session, kinds = Session(), (asked.kind,) if asked.kind else KINDS
    by_kind = {kind: answers(session, asked.tasks or list(CASES), kind, asked.loud) for kind in kinds}
    if not (asked.tasks or asked.kind):
        page = put(DOCS.read_text(encoding="utf-8"), "scores", table(by_kind))
        DOCS.write_text(put(page, "answers", firsts(by_kind["instruct"])), encoding="utf-8")


if __name__ == "__main__":
    main()
