"""Write the figures of a long run into docs/promises.md, between its markers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
BEGIN, END = "<!-- figures: written by make soak -->", "<!-- end of figures -->"


def write(figures: dict[str, dict[str, object]], page: Path = PAGE) -> None:
    """Put a table of all figures in the place of the last one."""
    rows = [
        f"| {suite} | {what} | {value} |" for suite, all_ in sorted(figures.items()) for what, value in all_.items()
    ]
    table = "\n".join(["| suite | measure | figure |", "|---|---|---|", *rows])
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
