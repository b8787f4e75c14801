"""df.complete in a real kernel: what Stop leaves is in a frame, in one sentence, and rows end one by one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kernels import Kernel, Ran

pytestmark = pytest.mark.kernel

ROWS = "import pandas as pd\ndf = pd.DataFrame({'n': range(40)})"
CALL = "made = df.complete('Row {{ n }} of a table', into='text', max_new_tokens=20, temperature=0)"


def lines(ran: Ran) -> list[str]:
    return [shown["data"]["text/plain"] for shown in ran.shown]


def some_done(message: dict[str, Any]) -> bool:
    shown = str(message["content"].get("data", {}).get("text/plain", ""))
    return bool(re.match(r"([5-9]|1\d) of 40 rows", shown))


@pytest.fixture(scope="module")
def stopped(kernel: Kernel) -> Ran:
    kernel.good(ROWS)
    return kernel.interrupted_at(CALL, some_done)


def test_stopped_it_says_what_is_kept_in_one_line(stopped: Ran) -> None:
    (error,) = stopped.of("error")
    (said,) = error["content"]["traceback"]
    kept = re.fullmatch(
        r"Interrupted: (\d+) of 40 rows are done and kept\. Run the same line to go on; "
        r"jc\.last_frame\(\) has the frame so far\.",
        said,
    )
    assert kept
    assert 5 <= int(kept[1]) < 40


def test_the_last_line_of_a_stopped_column_tells_the_rate_that_it_had(stopped: Ran) -> None:
    rates = [int(found[1]) for line in lines(stopped) if (found := re.search(r"(\d+) tokens/s", line))]
    assert rates[-1] > 0.5 * rates[-2]


def test_the_rows_that_are_done_are_the_first_ones(stopped: Ran, kernel: Kernel) -> None:
    texts = kernel.value("[None if x != x else x for x in jc.last_frame()['text'].tolist()]")
    done = [text is not None for text in texts]
    assert len(done) == 40
    assert 5 <= sum(done) < 40
    assert done == sorted(done, reverse=True)
    assert kernel.value("jc.last_frame()['text_error'].tolist()[-1]") == (
        "This row is not done yet. Run the same line again."
    )


def test_the_same_line_goes_on_and_has_the_whole_frame(stopped: Ran, kernel: Kernel) -> None:
    before = kernel.value("[x for x in jc.last_frame()['text'].tolist() if x == x and x is not None]")
    ran = kernel.good(CALL)
    assert f"{len(before)} done before" in lines(ran)[-1]
    texts = kernel.value("made['text'].tolist()")
    assert texts[: len(before)] == before
    assert all(texts)
    assert kernel.value("jc.last_frame() is made")
