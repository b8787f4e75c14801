"""Where a stream is seen: a cell's one output, a terminal's text, one line of what is waited for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_complete.notebook import screen as display
from jupyter_complete.notebook.screen import CapturedScreen, CellScreen, TerminalScreen
from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.events import (
    Event,
    Finish,
    Leading,
    Loading,
    Prefill,
    Step,
    Thought,
    Timing,
    Token,
    Usage,
)
from jupyter_complete.protocol.request import Request
from jupyter_complete.render.progress import Progress
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft


def draft(num: int = 1) -> Draft:
    config = Complete()
    return Draft(Request(prompt="Say", sampling=config.to_sampling(config.checked({"num": num}))))


def token(text: str, index: int = 0) -> Token:
    return Token(index, Step(1, text), text)


def ended(draft: Draft) -> Completion:
    num = len(draft.texts)
    draft.take(Finish(("length",) * num, ("",) * num, Usage(3), Timing()))
    return draft.completion()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes only when it is called."""
    now = 1000.0

    def passing(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    return passing


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[dict[str, str], dict[str, Any]]]]:
    """What a cell's output is told: each bundle, and how."""
    import IPython.display

    told: list[tuple[dict[str, str], dict[str, Any]]] = []
    monkeypatch.setattr(IPython.display, "display", lambda bundle, **how: told.append((bundle, how)))
    monkeypatch.setattr(IPython.display, "clear_output", lambda: told.append(({}, {"cleared": True})))
    return told


# -- a notebook's cell -------------------------------------------------------------------------------------------


def test_a_cell_is_painted_at_most_once_an_interval(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    for _ in range(100):
        growing.take(token("x"))
        screen.live(growing, "")
        clock(0.011)
    assert len(published) == 10


def test_a_long_text_is_painted_less_often(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    growing.take(token("x" * 400_000))
    for _ in range(20):
        growing.take(token("x"))
        screen.live(growing, "")
        clock(0.1)
    assert len(published) == 1


def test_what_has_not_changed_is_not_painted_again(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    growing.take(token("x"))
    for _ in range(5):
        screen.live(growing, "")
        clock(1)
    assert len(published) == 1


def test_the_first_makes_an_output_and_the_others_replace_it(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    growing.take(token("x"))
    screen.live(growing, "")
    screen.final(ended(growing), "", "text")
    assert [how["update"] for _, how in published] == [False, True]
    assert len({how["display_id"] for _, how in published}) == 1


def test_an_echoed_prompt_stands_before_the_text(clock: Any, published: Any) -> None:
    growing = draft()
    growing.take(token(" more"))
    CellScreen(0.1).live(growing, "Say")
    assert published[0][0]["text/plain"] == "Say more"


@pytest.mark.parametrize("form", ["text", "markdown", "code"])
@pytest.mark.parametrize(("num", "before"), [(1, ""), (1, "Say"), (3, "")])
def test_a_live_text_is_laid_out_as_the_finished_one(
    clock: Any, published: Any, form: str, num: int, before: str
) -> None:
    screen, growing = CellScreen(0.1, form), draft(num)
    for index in range(num):
        growing.take(token("A *long* word & <b>\n\nmore", index))
    screen.live(growing, before)
    screen.final(ended(growing), before, form)
    live, final = (re.sub(r"(?<=margin-top:.4em\">).*", "", shown["text/html"]) for shown, _ in published)
    assert live == final


def test_a_live_text_has_a_line_where_the_footer_will_be(clock: Any, published: Any) -> None:
    growing = draft()
    growing.take(token("x"))
    growing.take(token("y"))
    CellScreen(0.1).live(growing, "")
    assert 'margin-top:.4em">writing · 2 tokens<' in published[0][0]["text/html"]


def test_what_is_waited_for_stands_below_an_echoed_prompt(clock: Any, published: Any) -> None:
    growing = draft()
    growing.take(Prefill(512, 2000, 0))
    CellScreen(0.1).live(growing, "Say")
    assert "Say</span></pre>" in (html := published[0][0]["text/html"])
    assert html.endswith(">reading the prompt: 512 of 2,000 tokens</div></div>")


def test_a_view_that_takes_long_to_draw_is_drawn_less_often(
    clock: Any, published: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, growing = CellScreen(0.1), draft()
    monkeypatch.setattr(Progress, "html", staticmethod(lambda *given: clock(0.05) or "<p>"))
    for _ in range(10):
        growing.take(token("x"))
        screen.live(growing, "")
        clock(0.05)
    assert len(published) == 2


@pytest.mark.parametrize(
    ("events", "num", "state"),
    [
        ([Loading("loading tiny")], 1, "waiting"),
        ([token("x")], 1, "growing"),
        ([token("x"), token("y", 1)], 2, "changing"),
    ],
)
def test_a_live_text_says_of_what_kind_it_is(
    clock: Any, published: Any, events: list[Event], num: int, state: str
) -> None:
    growing = draft(num)
    for event in events:
        growing.take(event)
    CellScreen(0.1).live(growing, "")
    assert published[0][1]["metadata"] == {"jupyter_complete": state}


def thought(text: str, end: bool = False) -> Thought:
    return Thought(Step(1, text), text, end)


def test_thinking_is_one_quiet_line_with_its_last_words(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    for word in ["First\n", *["so "] * 40, "and <b>"]:
        growing.take(thought(word))
    screen.live(growing, "")
    (shown, how), *_ = published
    assert shown["text/plain"] == "thinking, 42 tokens: …" + "so " * 17 + "and <b>"
    assert '<div style="font-size:85%;opacity:0.7">thinking, 42 tokens: …so ' in shown["text/html"]
    assert "and &lt;b&gt;" in shown["text/html"]
    assert how["metadata"] == {"jupyter_complete": "waiting"}


def test_the_answer_grows_below_a_line_that_stays(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    for event in (thought("so"), thought("", end=True), token("Right"), token("!")):
        growing.take(event)
        screen.live(growing, "")
        clock(1)
    texts = [shown["text/plain"] for shown, _ in published]
    assert texts[0] == "thinking, 1 token: so"
    assert texts[-2:] == ["[thought for 1 token]\n\nRight", "[thought for 1 token]\n\nRight!"]


def test_what_was_shown_while_waiting_is_taken_away(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    growing.take(Loading("loading tiny"))
    screen.live(growing, "")
    screen.clear()
    assert published[-1][1] == {"cleared": True}


def test_where_nothing_was_shown_nothing_is_taken_away(published: Any) -> None:
    CellScreen(0.1).clear()
    assert published == []


def test_what_is_inspected_ends_as_its_tokens(clock: Any, published: Any) -> None:
    screen, growing = CellScreen(0.1), draft()
    growing.take(token("x"))
    screen.live(growing, "")
    done = ended(growing)
    screen.final(done, "", "tokens")
    assert [content["text/plain"] for content, _ in published] == ["x", done.view().bundle()["text/plain"]]


# -- output that is captured -------------------------------------------------------------------------------------


def test_captured_output_is_the_final_one_only(published: Any) -> None:
    screen, growing = CapturedScreen(), draft()
    growing.take(token("x"))
    screen.live(growing, "")
    screen.final(ended(growing), "", "text")
    screen.clear()
    assert [set(bundle) for bundle, _ in published] == [{"text/html", "text/markdown", "text/plain"}]


# -- a terminal --------------------------------------------------------------------------------------------------


def test_a_terminal_gets_each_piece_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen, growing = TerminalScreen(), draft()
    said = []
    for word in ("one", " two", "", " three"):
        growing.take(token(word))
        screen.live(growing, "Say: ")
        said.append(capsys.readouterr().out)
    assert said == ["Say: one", " two", "", " three"]
    screen.final(ended(growing), "Say: ", "text")
    assert capsys.readouterr().out.startswith("\n\n[length (the window is full) · 4 tokens")


def test_a_terminal_gets_several_continuations_when_they_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    screen, growing = TerminalScreen(), draft(2)
    growing.take(token("one"))
    growing.take(token("two", 1))
    screen.live(growing, "")
    assert capsys.readouterr().out == ""
    screen.final(ended(growing), "", "text")
    assert "one" in (said := capsys.readouterr().out)
    assert "two" in said


def test_a_terminal_writes_what_is_waited_for_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Terminal()
    monkeypatch.setattr("sys.stderr", line)
    screen, growing = TerminalScreen(), draft()
    growing.take(Loading("fetching tiny", 500, 1000))
    screen.live(growing, "")
    growing.take(Loading("loading tiny"))
    screen.live(growing, "")
    growing.take(token("x"))
    screen.live(growing, "")
    shown = line.getvalue()
    assert "fetching tiny: 500 B of 1.0 kB" in shown
    assert "\n" not in shown
    assert shown.endswith("\r")
    assert shown.split("\r")[-2].strip() == ""  # wiped


def test_a_log_is_told_each_stage_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen, growing = TerminalScreen(), draft()
    for done in range(5):
        growing.take(Loading("fetching tiny", done, 5))
        screen.live(growing, "")
    growing.take(Loading("loading tiny"))
    screen.live(growing, "")
    assert capsys.readouterr().err == "fetching tiny …\nloading tiny …\n"


# -- what is waited for ------------------------------------------------------------------------------------------


def shown(progress: Progress, event: Event) -> str:
    waiting = draft()
    waiting.take(event)
    return progress.text(waiting, "")


def test_progress_is_one_line_of_bytes_rate_and_seconds_left(clock: Any) -> None:
    progress = Progress()
    assert shown(progress, Loading("fetching tiny", 0, 100_000_000)) == "fetching tiny: 0 B of 100.0 MB"
    clock(2)
    line = shown(progress, Loading("fetching tiny", 20_000_000, 100_000_000))
    assert line == "fetching tiny: 20.0 MB of 100.0 MB · 10.0 MB/s · 8 s left"


def test_the_rate_of_a_resumed_download_counts_what_came_now(clock: Any) -> None:
    progress = Progress()
    shown(progress, Loading("fetching tiny", 50_000_000, 100_000_000))
    clock(1)
    assert "10.0 MB/s · 4 s left" in shown(progress, Loading("fetching tiny", 60_000_000, 100_000_000))


def test_a_stage_without_a_size_is_its_name() -> None:
    assert shown(Progress(), Loading("asking the hub")) == "asking the hub …"


def test_a_long_prompt_is_told_as_it_is_read() -> None:
    assert shown(Progress(), Prefill(512, 2000, 0)) == "reading the prompt: 512 of 2,000 tokens"


@pytest.mark.parametrize("event", [Prefill(1, 100, 0), Prefill(1900, 2000, 1900), Prefill(1999, 2000, 0)])
def test_what_is_read_at_once_is_not_told(event: Prefill) -> None:
    assert shown(Progress(), event) == ""


def test_a_beam_search_tells_how_far_it_is() -> None:
    assert shown(Progress(), Leading(3, tuple)) == "searching: 3 tokens"


def test_outside_ipython_the_terminal_is_the_screen() -> None:
    assert isinstance(display.screen_here(10), TerminalScreen)
