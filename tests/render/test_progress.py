"""One line on how far a column is."""

from __future__ import annotations

import pytest

from jupyter_complete.render.progress import ProgressView, bundle, line


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (ProgressView(256, stage="loading smollm2 …"), "loading smollm2 …"),
        (ProgressView(256), "0 of 256 rows"),
        (
            ProgressView(256, done=64, finished=64, tokens=1280, seconds=2.0, left=6.0),
            "64 of 256 rows · 32.0 rows/s · 640 tokens/s · about 6.0 s left",
        ),
        (
            ProgressView(5000, done=1000, finished=500, before=500, failed=1, seconds=250.0, left=2000.0),
            "1,000 of 5,000 rows · 2.0 rows/s · about 33 min 20 s left · 500 done before · 1 error",
        ),
        (
            ProgressView(1, done=1, finished=1, tokens=9, seconds=0.5, ended=True),
            "1 row · 2.0 rows/s · 18 tokens/s · 0.5 s",
        ),
        (ProgressView(9, done=9, before=9, seconds=8000.0, ended=True), "9 rows · 2 h 13 min · 9 done before"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_the_line_tells_what_is_known(view: ProgressView, said: str) -> None:
    assert line(view) == said


def test_what_is_waited_for_is_text_in_html() -> None:
    assert "<b>" not in bundle(line(ProgressView(1, stage="loading <b>")))["text/html"]
