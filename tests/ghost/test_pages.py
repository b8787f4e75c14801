"""What a page of ghost text is told: the newest wish alone is answered, and a model that is not there is not loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import echoes
import pytest

from jupyter_complete.ghost.pages import Pages, options
from jupyter_complete.notebook import arguments
from jupyter_complete.session.session import Session

PROMPT = "The mean of a sample is"


class Heard:
    """Messages to pages, as they come from other threads."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()

    def __call__(self, page: str, message: dict[str, Any]) -> None:
        with self._changed:
            self.messages.append((page, message))
            self._changed.notify_all()

    def until(self, kind: str, ask: object) -> dict[str, Any]:
        """The first message of a kind for a wish."""

        def found() -> dict[str, Any] | None:
            return next((one for _, one in self.messages if one["kind"] == kind and one.get("ask") == ask), None)

        with self._changed:
            assert self._changed.wait_for(found, 20), self.messages
        one = found()
        assert one is not None
        return one

    def text(self, ask: object, item: int = 0) -> str:
        told = [one for _, one in self.messages if one["kind"] == "text" and one["ask"] == ask and one["item"] == item]
        return "".join(one["text"] for one in told)


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    session.models.register("echo", *echoes.make(window=4096))
    session.config.model = "echo"
    yield session
    session.close()


@pytest.fixture
def ready(session: Session) -> Session:
    """With the model in memory."""
    session.models.load("echo", "auto", "auto").wait()
    return session


def ask(pages: Pages, number: int, text: str, page: str = "a", **more: Any) -> None:
    """Ask as a page does that sends its whole text."""
    message = {"page": page, "do": "ask", "ask": number, "number": number, "whole": True, "order": [0]}
    pages.receive({**message, "changes": [[0, 0, 0, text]], "cursor": len(text), **more})


def test_the_text_is_what_greedy_completion_gives(ready: Session) -> None:
    heard = Heard()
    ask(Pages(ready, heard), 1, PROMPT, tokens=6)
    heard.until("done", 1)
    assert heard.text(1) == ready.complete(PROMPT, temperature=0, max_new_tokens=6).text != ""


def test_others_begin_with_the_next_likely_tokens(ready: Session) -> None:
    heard = Heard()
    ask(Pages(ready, heard), 1, PROMPT, tokens=4, asked=True)
    heard.until("done", 1)
    texts = [heard.text(1, item) for item in range(3)]
    assert all(texts)
    assert len(set(texts)) == 3


def test_cells_above_are_part_of_the_prompt(ready: Session) -> None:
    heard = Heard()
    message = {"page": "a", "do": "ask", "ask": 1, "number": 1, "whole": True, "order": [0, 1], "cursor": 8}
    Pages(ready, heard).receive({**message, "changes": [[0, 0, 0, "Some words.\n"], [1, 0, 0, "The mean"]]})
    heard.until("done", 1)
    assert heard.text(1).startswith(ready.complete("Some words.\n\nThe mean", temperature=0, max_new_tokens=4).text)


def test_in_a_prompt_cell_it_is_what_the_cell_would_complete_with(ready: Session) -> None:
    heard = Heard()
    cell = f"%%complete -t 0\n{PROMPT}"
    message = {"page": "a", "do": "ask", "ask": 1, "number": 1, "whole": True, "order": [0, 1], "cursor": len(cell)}
    Pages(ready, heard).receive({**message, "changes": [[0, 0, 0, "Some words.\n"], [1, 0, 0, cell]], "tokens": 6})
    heard.until("done", 1)
    assert heard.text(1) == ready.complete(PROMPT, temperature=0, max_new_tokens=6).text != ""


def test_a_key_costs_few_bytes_and_reuses_the_cache(ready: Session) -> None:
    heard = Heard()
    pages = Pages(ready, heard)
    ask(pages, 1, PROMPT)
    heard.until("done", 1)
    change = [[0, len(PROMPT), 0, " a"]]
    pages.receive({"page": "a", "do": "ask", "ask": 2, "number": 2, "changes": change, "cursor": len(PROMPT) + 2})
    end = heard.until("end", 2)
    assert end["prompt"] - end["cached"] <= 2


def test_a_newer_wish_ends_the_one_before_it(ready: Session) -> None:
    heard, held, go = Heard(), threading.Event(), threading.Event()
    resident = ready.models.get("echo")
    assert resident is not None
    pages = Pages(ready, heard)
    with echoes.before_token(resident.source.model, lambda n: (held.set(), go.wait(20)) if n == 3 else None):  # type: ignore[arg-type]
        ask(pages, 1, PROMPT)
        assert held.wait(20)
        ask(pages, 2, PROMPT + " the", page="b")
        go.set()
        heard.until("done", 2)
    assert not [one for _, one in heard.messages if one.get("ask") == 1 and one["kind"] in ("end", "done")]
    assert {page for page, one in heard.messages if one.get("ask") == 2} == {"b"}
    assert not resident.worker.pending


def test_without_a_model_in_memory_nothing_is_loaded(session: Session) -> None:
    heard = Heard()
    ask(Pages(session, heard), 1, PROMPT)
    assert heard.until("silent", 1)["why"] == "no model"
    assert session.models.get("echo") is None


def test_a_model_that_the_extension_loads_writes_once_it_is_there(session: Session) -> None:
    heard = Heard()
    pages = Pages(session, heard)
    session.models.resident("echo", "auto", "auto")  # which nothing is read of yet
    ask(pages, 1, PROMPT)
    assert heard.until("silent", 1)["why"] == "the model is being loaded"
    session.preload()
    session.models.load("echo", "auto", "auto").wait()
    ask(pages, 2, PROMPT)
    heard.until("done", 2)
    assert heard.text(2)


def test_a_model_that_is_at_work_for_somebody_is_left_alone(ready: Session) -> None:
    heard, held, go = Heard(), threading.Event(), threading.Event()
    resident = ready.models.get("echo")
    assert resident is not None
    with echoes.before_token(resident.source.model, lambda n: (held.set(), go.wait(20))):  # type: ignore[arg-type]
        stream = ready.stream("The mean", max_new_tokens=2)
        assert held.wait(20)
        ask(Pages(ready, heard), 1, PROMPT)
        assert heard.until("silent", 1)["why"] == "the model is busy"
        go.set()
        stream.completion()


def test_nothing_of_it_is_kept(ready: Session) -> None:
    heard = Heard()
    ask(Pages(ready, heard), 1, PROMPT)
    heard.until("done", 1)
    assert not ready.history


def test_switched_off_it_answers_a_key_alone(ready: Session) -> None:
    heard = Heard()
    pages = Pages(ready, heard)
    ready.config.ghost = False
    ask(pages, 1, PROMPT)
    assert heard.until("silent", 1)["why"] == "switched off in the kernel"
    ask(pages, 2, PROMPT, asked=True)
    heard.until("done", 2)
    assert heard.text(2)


def test_an_unlikely_text_is_not_offered(ready: Session) -> None:
    heard = Heard()
    ask(Pages(ready, heard), 1, PROMPT, threshold=1.0)
    heard.until("done", 1)
    assert heard.text(1) == ""


def test_a_page_that_lost_a_message_is_asked_again(ready: Session) -> None:
    heard = Heard()
    pages = Pages(ready, heard)
    pages.receive({"page": "a", "do": "ask", "ask": 1, "number": 5, "changes": [], "cursor": 0})
    heard.until("again", 1)


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"page": 1, "do": "ask"},
        {"page": "a", "do": "nonsense"},
        {"page": "a", "do": "ask"},
        {"page": "a", "do": "ask", "ask": 1, "number": "x", "changes": [["x"]]},
        {"page": "a", "do": "act", "act": "eval", "ask": 1, "text": "x"},
    ],
)
def test_a_message_of_another_kind_is_no_error(session: Session, message: object) -> None:
    Pages(session, Heard()).receive(message)


def test_hello_names_the_options_of_the_parser(session: Session) -> None:
    heard = Heard()
    Pages(session, heard).receive({"page": "a", "do": "hello"})
    assert heard.messages[0][1]["options"] == options()
    flags = {flag for one in options() for flag in one["flags"]}
    assert flags == {flag for flag in arguments.CELL.flags() if not flag.startswith("--no-")}
    assert all(one["help"] for one in options())
    assert [one["values"] for one in options() if "--format" in one["flags"]] == [["text", "markdown", "code"]]


@pytest.mark.parametrize("act", ["continue", "rewrite", "summarize", "explain"])
def test_a_command_gets_its_text_whole(ready: Session, act: str) -> None:
    heard = Heard()
    Pages(ready, heard).receive({"page": "a", "do": "act", "ask": "1", "act": act, "text": "The mean is {{ x }} here"})
    done = heard.until("whole", "1")
    grown = "".join(one["text"] for _, one in heard.messages if one["kind"] == "grown")
    assert done["text"]
    assert done["text"].startswith(grown.rstrip()) or (act == "continue" and grown.startswith(done["text"]))


def test_a_command_is_stopped_and_keeps_its_text(ready: Session) -> None:
    heard = Heard()
    pages = Pages(ready, heard)
    resident = ready.models.get("echo")
    assert resident is not None
    wish = {"page": "a", "do": "act", "ask": "1", "act": "rewrite", "text": "The mean of a sample"}
    stop = {"page": "a", "do": "end", "ask": "1"}
    with echoes.before_token(resident.source.model, lambda n: pages.receive(stop) if n == 4 else None):  # type: ignore[arg-type]
        pages.receive(wish)
        done = heard.until("whole", "1")
    assert done["reason"] == "interrupted"
    assert done["text"]


def test_a_command_without_text_is_refused_in_a_sentence(ready: Session) -> None:
    heard = Heard()
    Pages(ready, heard).receive({"page": "a", "do": "act", "ask": "1", "act": "rewrite", "text": "  "})
    assert heard.until("refused", "1")["why"].startswith("There is no text here.")
