"""Fuzzed cells and lines: each is to give a completion or one sentence, and never a traceback of ours.

    python tests/fuzz.py [--count 200000] [--seed 1] [--every 200]

Every one goes through the magic, its variables filled from a namespace of hostile values, up to the request, whose
prompt is settled for a kind of model with a stand-in for its tokenizer. One in `--every` is run by IPython as a whole
cell and completed by a tiny random model. A seed makes the same cells again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pandas as pd
import tiny
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_complete.prompt import compose
from jupyter_complete.protocol.config import COMPLETE, Complete
from jupyter_complete.protocol.errors import CompleteError
from jupyter_complete.session import session as session_module
from jupyter_complete.session.session import Session

LONGEST = 2_000  # characters of a sentence
SLOW = 20  # seconds after which a cell is ended, and is a fault


class Asked(Exception):
    """What a session raises in place of asking a model."""

    def __init__(self, request: Any) -> None:
        super().__init__("asked")
        self.request = request


class Recording(Session):
    """A session that raises its requests until it is told to answer them."""

    answering = False

    def _submit(self, request: Any, draft: Any) -> Any:
        if not self.answering:
            raise Asked(request)
        return super()._submit(request, draft)


class Raising:
    """Raises whenever it is asked for anything."""

    def __init__(self, error: BaseException) -> None:
        self.__dict__["error"] = error

    def __repr__(self) -> str:
        raise self.__dict__["error"]

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]

    def __getitem__(self, name: object) -> Any:
        raise self.__dict__["error"]

    def __call__(self, *arguments: object) -> Any:
        raise self.__dict__["error"]


def hostile() -> dict[str, Any]:
    """A namespace that a notebook might have on a bad day."""
    itself: list[Any] = [1]
    itself.append(itself)
    frame = pd.DataFrame({"a": range(30), "b": ["{{ x }}", None, "\x00\u202e"] * 10, "c": np.linspace(0, 1, 30)})
    deep: Any = 0
    for _ in range(2_000):
        deep = [deep]
    return {
        "x": 3,
        "s": "text",
        "df": frame,
        "arr": np.arange(12.0).reshape(3, 4),
        "itself": itself,
        "deep": deep,
        "big": "ten megabytes " * 700_000,
        "huge": 10**6_000,
        "braces": "{{ x }} {% if %} {{",
        "none": None,
        "bad": Raising(ValueError("{{ x }}\n" * 1_000)),
        "worse": Raising(SystemExit(3)),
        "os": os,
        "sys": sys,
        "endless": itertools.count(),
        "d": {"a b": 1, "}}": {2, 3}},
        "f": lambda *_: 1 / 0,
        "err": KeyError("x"),
        "lone": "\ud800",
        "nan": float("nan"),
        "rec": Raising(RecursionError()),
        "frame": frame.b,
        "cls": Raising,
    }


WORDS = (
    *(
        "The mean is",
        " ",
        "\n",
        "\t",
        "naïve",
        "日本",
        "🙂",
        "\x00",
        "\u202e",
        "\ud800",
        "$x$",
        "a" * 300,
        "%%complete",
        "?",
        "!ls",
    ),
    *(
        "{",
        "}",
        "{{",
        "}}",
        "{{ ",
        " }}",
        "{%",
        "%}",
        "{#",
        '"',
        "'",
        "\\",
        "\\{{ x }}",
        "`",
        "```python",
        "$x",
        "{x}",
        "--",
    ),
    *(
        "\\frac{{a}}{{b}}",
        "\\frac{{ a }}{{ b }}",
        "{{a}}^2",
        '{"a": {"b": 1}}',
        "{{ 1, 2 }, { 3 }}",
        "{{{ x }}}",
        "{{ #if }}",
    ),
)
ATOMS = (
    *(
        "x",
        "s",
        "df",
        "arr",
        "itself",
        "deep",
        "big",
        "huge",
        "braces",
        "none",
        "bad",
        "worse",
        "os",
        "sys",
        "endless",
        "d",
    ),
    *(
        "f",
        "err",
        "lone",
        "nan",
        "rec",
        "frame",
        "cls",
        "In",
        "Out",
        "In[1]",
        "Out[1]",
        "_",
        "__builtins__",
        "undefined",
        "xx",
    ),
    *(
        "1",
        "0",
        "10**9",
        "'a'",
        '"}}"',
        "[1, 2]",
        "{'a': 1}",
        "true",
        "none",
        "",
        "len",
        "list",
        "range",
        "str",
        "open",
        "get_ipython",
    ),
)
AFTER = (
    *(
        ".a",
        ".mean()",
        ".shape",
        ".__class__",
        ".append(1)",
        "[0]",
        "['a']",
        "[:2]",
        "[",
        "(",
        "(x)",
        "()",
        ")",
        "]",
        ":.2f",
    ),
    *(
        "|round(2)",
        "|join(', ')",
        "|list",
        "|length",
        "|nofilter",
        "|attr('__class__')",
        "|default(1)",
        "|tojson",
        "|pprint",
    ),
    *(
        " + 1",
        " * 99999999",
        " ** 99999999",
        " / 0",
        " if x",
        " if x else s",
        " is defined",
        " in endless[:1]",
        " ~ s",
        " == df",
    ),
    *(
        ".system('true')",
        ".groupby('b').size()",
        ".describe()",
        ".to_string()",
        ".colums",
        "\n",
        " %",
        ", 1",
        ": 1",
        "= 1",
    ),
)
VALUES = (
    *(
        "0",
        "1",
        "-1",
        "0.5",
        "1e400",
        "nan",
        "inf",
        "99999999999999999999",
        "'",
        '"',
        '"a b"',
        "'-x'",
        "—",
        "text",
        "code",
        "x",
    ),
    *(
        "\x00",
        "{x}",
        "$x",
        "",
        "-",
        "--",
        "=",
        "a=b",
        "df",
        "[]",
        "{}",
        '{"type": "object"}',
        "a,b,c",
        "a,,b",
        "(",
        "\\d+",
        "日本",
    ),
)


GOOD = (
    *(
        "",
        "",
        "",
        "-t 0.5",
        "-N 3 --seed 2",
        "-o c",
        "--stop x",
        "--context 2",
        "--chat",
        "--raw",
        "--error",
        "--dry-run",
    ),
    *(
        "--score",
        "--top-p 0.5 --top-k 3",
        "-n 2",
        "--beams 2",
        "--echo --format code",
        "--inspect",
        "--thread t --context 9",
    ),
)


class Cells:
    """Makes cells and lines, the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.flags = [flag for _, trait in Complete.flagged(COMPLETE) for flag in trait.metadata["flag"]]
        self.flags += [
            "--no-chat",
            "--nonsense",
            "-q",
            "—temperature",
            "--temperatur",
            "-N2",
            "-t=1",
            "--seed=3",
            "--out=",
        ]

    def line(self) -> str:
        """The options of a cell, right ones and wrong ones."""
        if self.random.random() < 0.7:
            return self.random.choice(GOOD)
        words = []
        for _ in range(self.random.choice((0, 1, 1, 2, 3, 6))):
            flag = self.random.choice(self.flags)
            words.append(flag)
            if self.random.random() < 0.7:
                words.append(self.random.choice(VALUES))
        return self._mutated(self.random.choice((" ", " ", "  ", "\t")).join(words))

    def body(self) -> str:
        """A text with variables, other languages' braces and characters that break things."""
        parts = [
            self._variable() if self.random.random() < 0.4 else self.random.choice(WORDS)
            for _ in range(self.random.choice((0, 1, 2, 3, 5, 12)))
        ]
        return self._mutated(self.random.choice(("", " ")).join(parts))

    def _variable(self) -> str:
        expression = self.random.choice(ATOMS)
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 4))):
            expression += self.random.choice(AFTER)
        return f"{{{{ {expression} }}}}"

    def _mutated(self, text: str) -> str:
        """Now and then a character more, fewer or elsewhere."""
        for _ in range(self.random.choice((0, 0, 0, 1, 3))):
            place = self.random.randrange(len(text) + 1)
            kind = self.random.randrange(3)
            if kind == 0:
                text = text[:place] + self.random.choice("{}[]()'\"\\ \n\t-=|.,:$%?\x00\ud800🙂") + text[place:]
            elif kind == 1:
                text = text[:place] + text[place + self.random.randrange(1, 4) :]
            else:
                text = text[place:] + text[:place]
        return text


class Fuzzing:
    """Runs cells in one IPython shell and counts what came of them."""

    def __init__(self) -> None:
        self.session = Recording()
        session_module._current = self.session
        self.session.models.register("tiny", *tiny.make("qwen2"))
        self.session.config.model = "tiny"
        config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        self.shell = InteractiveShell.instance(config=config)
        self.shell.run_line_magic("load_ext", "jupyter_complete")
        self.complete = self.shell.magics_manager.magics["cell"]["complete"]
        self.namespace = hostile()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        signal.signal(signal.SIGALRM, _too_long)

    def run(self, line: str, body: str | None, kind: Any, answered: bool) -> None:
        """One cell (or, without a body, one line); what is neither completion nor sentence is a fault."""
        self.shell.user_ns.update(self.namespace)
        shown = f"line={line!r} body={body!r:.600} kind={kind} answered={answered}"
        started = time.monotonic()
        signal.alarm(SLOW)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                outcome = self._answered(line, body) if answered else self._asked(line, body, kind)
        except (UsageError, CompleteError) as error:
            outcome = f"sentence: {type(error).__name__}"
            if "\n" in str(error).strip() or len(str(error)) > LONGEST:
                self.faults.append(f"{shown}\n  no sentence: {str(error)[:400]!r}")
        except BaseException:
            outcome = "FAULT"
            self.faults.append(f"{shown}\n{traceback.format_exc(limit=-6)}")
        finally:
            signal.alarm(0)
        if time.monotonic() - started > SLOW - 1:
            self.faults.append(f"{shown}\n  took {time.monotonic() - started:.0f} s")
        self.counts[outcome] += 1

    def _asked(self, line: str, body: str | None, kind: Any) -> str:
        self.session.answering = False
        try:
            self.complete(line, body) if body is not None else self.complete(line)
        except Asked as asked:
            if asked.request.composed is None:
                return "request"
            compose.settle(asked.request.composed, kind, "tiny", lambda text: len(text) // 4 + 1)
            return "request with values"
        return "nothing to do"

    def _answered(self, line: str, body: str | None) -> str:
        self.session.answering = True
        first = line.partition("\n")[0]
        cell = f"%complete -N 2 {first}" if body is None else f"%%complete {first} -N 2\n{body}"
        done = self.shell.run_cell(cell, store_history=True)
        error = done.error_in_exec or done.error_before_exec
        if error is not None:
            raise error
        return "completion"


def _too_long(number: int, frame: Any) -> None:
    raise TimeoutError(f"more than {SLOW} s")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz %%complete.".replace("%", "%%"))
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=200, help="one in so many is completed by a tiny model")
    chosen = parser.parse_args()
    started, cells, fuzzing = time.monotonic(), Cells(chosen.seed), Fuzzing()
    for place in range(1, chosen.count + 1):
        is_line = cells.random.random() < 0.2
        line, body = cells.line(), cells.body()
        if is_line:
            line, text = f"{line} {body}", None
        else:
            text = body
        fuzzing.run(line, text, cells.random.choice(compose.KINDS), answered=place % chosen.every == 0)
        if place % 20_000 == 0:
            print(f"{place:,} cells, {len(fuzzing.faults)} faults, {time.monotonic() - started:.0f} s", flush=True)
    for outcome, number in fuzzing.counts.most_common():
        print(f"{number:9,}  {outcome}")
    for fault in fuzzing.faults[:20]:
        print(f"\n{fault}")
    print(f"{chosen.count:,} cells and lines, seed {chosen.seed}: {len(fuzzing.faults)} faults")
    return 1 if fuzzing.faults else 0


if __name__ == "__main__":
    sys.exit(main())
