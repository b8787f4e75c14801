"""`make judge`: what the embedded model makes of ten inputs a task; the scores go into docs/tasks.md."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cases import CASES, Case

from jupyter_complete.session import Session

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"
SEED = 1
KINDS = ("instruct", "base")


def judged(session: Session, task: str, case: Case, loud: bool) -> bool:
    """Whether the answer to a case passes all of its checks."""
    answer = session.complete(case.text, task=task, seed=SEED, **case.options).text
    passed = [check(answer) for check in case.checks]
    if loud:
        print(f"--- {'good' if all(passed) else passed} {case.text[:70]!r}\n{answer}")
    return all(passed)


def scores(session: Session, tasks: list[str], kind: str, loud: bool) -> dict[str, int]:
    """The number of good answers a task, of ten, where the model is taken for one of this kind."""
    engine: Any = session.models.load("smollm2", "auto", "auto").wait() or session.models.get("smollm2").engine
    engine.info = replace(engine.info, kind=kind)
    found = {}
    for task in tasks:
        found[task] = sum(judged(session, task, case, loud) for case in CASES[task])
        print(f"{task:10} {kind:9} {found[task]:2} of {len(CASES[task])}", flush=True)
    return found


def table(by_kind: dict[str, dict[str, int]]) -> str:
    """The scores as Markdown."""
    rows = [f"| task | {' | '.join(f'as {kind}' for kind in by_kind)} |", "|---" * (1 + len(by_kind)) + "|"]
    rows += [f"| {task} | {' | '.join(str(found[task]) for found in by_kind.values())} |" for task in CASES]
    totals = [f"**{sum(found.values())} of {10 * len(found)}**" for found in by_kind.values()]
    return "\n".join([*rows, f"| all | {' | '.join(totals)} |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", help="these alone, and write nothing down")
    parser.add_argument("--kind", choices=KINDS, help="this kind alone, and write nothing down")
    parser.add_argument("--loud", action="store_true", help="print the answers")
    asked = parser.parse_args()
    session = Session()
    tasks = asked.tasks or list(CASES)
    by_kind = {kind: scores(session, tasks, kind, asked.loud) for kind in ([asked.kind] if asked.kind else KINDS)}
    if asked.tasks or asked.kind:
        return
    text = DOCS.read_text(encoding="utf-8")
    put = re.sub(
        r"(<!-- scores[^>]*-->\n).*?(<!-- /scores -->)", lambda m: m[1] + table(by_kind) + "\n" + m[2], text, flags=re.S
    )
    DOCS.write_text(put, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
