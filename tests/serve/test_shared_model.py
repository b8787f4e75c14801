"""The jobs of several clients on one model: all stream, each gets what it would get alone, and a failure is its own."""

from __future__ import annotations

import threading
from typing import Any

import echoes
import pytest
from int8_models import model_of, packed_of

from jupyter_complete.engine.kernels.kv_forms import FLOAT32
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners import int8_rows
from jupyter_complete.engine.runners.int8 import Int8Runner
from jupyter_complete.protocol.errors import CompleteError, ModelError, PromptTooLong, Stopped
from jupyter_complete.protocol.events import Finish, Prefill, Token
from jupyter_complete.protocol.question import InputIds
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.protocol.request import Request
from jupyter_complete.results.draft import Draft
from jupyter_complete.serve import turn
from jupyter_complete.serve.fair_queue import Job
from jupyter_complete.serve.message import Item
from jupyter_complete.serve.outbox import is_last
from jupyter_complete.serve.shared_model import SharedModel
from jupyter_complete.session.session import Session

pytestmark = pytest.mark.model  # the fixtures make it

SECONDS = 60


class Client:
    """What came of one job, and when others may look at it."""

    def __init__(self, asked: Any, name: str = "kernel") -> None:
        self.items: list[Item] = []
        self.ended = threading.Event()
        self.writes = threading.Event()
        self.job = Job(name, asked, self._take)

    def _take(self, item: Item) -> None:
        self.items.append(item)
        if isinstance(item, Token):
            self.writes.set()
        if is_last(item):
            self.ended.set()

    @property
    def end(self) -> Item:
        assert self.ended.wait(SECONDS)
        return self.items[-1]

    def told(self) -> Any:
        assert isinstance(self.job.asked, Request)
        assert isinstance(self.end, Finish), self.end
        draft = Draft(self.job.asked)
        for item in self.items:
            assert not isinstance(item, CompleteError)
            draft.take(item)
        return texts(draft.completion())


def texts(done: Any) -> Any:
    each = [done, *done.alternatives]
    found = [(one.text, one.tokens, one.finish_reason, one.prompt_ids, one.usage.completion_tokens) for one in each]
    return [(text, [(s.id, s.text) for s in tokens], *more) for text, tokens, *more in found]


@pytest.fixture
def shared(own: Session) -> SharedModel:
    return SharedModel(own.models, own.models.resident("llama", "auto", "auto"))


def alone(own: Session, request: Request, name: str = "llama") -> Any:
    return texts(own.models.submit(own.models.resident(name, "auto", "auto"), request, Draft(request)).completion())


KINDS: list[dict[str, Any]] = [
    {"temperature": 0, "max_new_tokens": 40},
    {"temperature": 0.9, "seed": 1, "max_new_tokens": 30},
    {"temperature": 0.9, "seed": 2, "max_new_tokens": 25, "num": 2},
    {"temperature": 0, "beams": 2, "max_new_tokens": 9},
    {"temperature": 0.9, "seed": 3, "max_new_tokens": 33, "stop": ["ea"]},
    {"temperature": 0.9, "seed": 4, "max_new_tokens": 30, "regex": "[ab ]{20,30}"},
    {"choices": ["yes", "no"]},
    {"temperature": 0.7, "seed": 5, "max_new_tokens": 50, "end": "sentence"},
]


def test_jobs_of_every_kind_together_are_what_each_is_alone(own: Session, shared: SharedModel) -> None:
    asked = [own.request(f"The mean of a sample {n} ", **KINDS[n % len(KINDS)]) for n in range(16)]
    clients = [Client(request, f"kernel {n % 5}") for n, request in enumerate(asked)]
    for client in clients:
        shared.add(client.job)
    assert [client.told() for client in clients] == [alone(own, request) for request in asked]


@pytest.mark.parametrize("options", [one for one in KINDS if "choices" not in one], ids=str)
def test_a_text_that_is_written_alone_goes_on_as_a_row_when_another_comes(
    own: Session, shared: SharedModel, options: dict[str, Any]
) -> None:
    first = Client(own.request("Once upon a time 数据", **options), "a")
    second = Client(own.request("Another text", temperature=0, max_new_tokens=5), "b")
    first.job.deliver = adding(first, shared, second)
    shared.add(first.job)
    assert isinstance(first.job.asked, Request)
    assert isinstance(second.job.asked, Request)
    found = [first.told(), second.told()]
    assert found == [alone(own, first.job.asked), alone(own, second.job.asked)]


def adding(first: Client, shared: SharedModel, second: Client) -> Any:
    """Deliver to the first client, and add the second one's job behind the first one's third token."""
    deliver = first.job.deliver

    def take(item: Item) -> None:
        deliver(item)
        if sum(isinstance(one, Token) for one in first.items) == 3 and isinstance(item, Token):
            shared.add(second.job)

    return take


def test_a_client_that_comes_later_streams_before_the_first_has_ended(own: Session, shared: SharedModel) -> None:
    long = {"temperature": 0.9, "seed": 1, "max_new_tokens": 4000, "regex": "(a|b)*c{900}"}
    first, second = (Client(own.request("Text", **long), name) for name in "ab")
    seen: list[Any] = []
    first.job.deliver = adding(first, shared, second)
    deliver = second.job.deliver

    def take(item: Item) -> None:
        deliver(item)
        if isinstance(item, Token) and not seen:
            seen.append((first.ended.is_set(), dict(shared.held())))
            first.job.stop.set()
            second.job.stop.set()

    second.job.deliver = take
    shared.add(first.job)
    for client in (first, second):
        assert isinstance(client.end, Finish)
        assert client.end.reasons == ("interrupted",)
    assert seen == [(False, {"a": 1, "b": 1})]


def test_an_error_is_that_of_its_job_alone(own: Session, shared: SharedModel) -> None:
    good = [Client(own.request("Text", max_new_tokens=9, temperature=0), "a") for _ in range(3)]
    bad = Client(own.request("word " * 5000), "b")
    for client in (good[0], bad, *good[1:]):
        shared.add(client.job)
    assert isinstance(bad.end, PromptTooLong)
    assert len({str(client.told()) for client in good}) == 1


def test_a_question_about_the_inside_is_answered_beside_texts(own: Session, shared: SharedModel) -> None:
    text = Client(own.request("Text", max_new_tokens=40, temperature=0), "a")
    question = Client(AskLens(InputIds((5, 6, 7)), 3), "b")
    for client in (text, question):
        shared.add(client.job)
    assert isinstance(question.end, Finish)
    assert question.end.found is not None
    assert text.told()


def test_a_model_that_fails_is_an_error_and_the_next_request_works() -> None:
    session = Session()
    model, tokenizer = echoes.make()
    session.models.register("tiny", model, tokenizer)
    shared = SharedModel(session.models, session.models.resident("tiny", "auto", "auto"))
    request = session.request("a b c", model="tiny", max_new_tokens=4, temperature=0)

    def fail(number: int) -> None:
        raise KeyError("broken")

    with echoes.before_token(model, fail):
        client = Client(request)
        shared.add(client.job)
        assert isinstance(client.end, ModelError)
        assert "KeyError" in str(client.end)
    again = Client(request)
    shared.add(again.job)
    assert again.told()
    session.close()


def test_an_unload_ends_what_runs_and_what_waits() -> None:
    session = Session()
    session.models.register("tiny", *echoes.make())
    shared = SharedModel(session.models, session.models.resident("tiny", "auto", "auto"))
    request = session.request("a b c", model="tiny", max_new_tokens=10**6, temperature=1, seed=1)
    clients = [Client(request, name) for name in "abcdefgh"]
    for client in clients:
        shared.add(client.job)
    assert clients[0].writes.wait(SECONDS)
    session.models.unload("tiny")
    for client in clients:
        assert isinstance(client.end, Finish | Stopped)
    session.close()


WINDOW = 1024
PIECE = 32  # tokens of a prompt that are read in one pass
PROMPT = "a b c " * 100


@pytest.fixture
def long(own: Session, monkeypatch: pytest.MonkeyPatch) -> SharedModel:
    """A shared model on the compiled step, whose rows have room for a part of its window only."""
    model = model_of("llama")
    model.config.max_position_embeddings = WINDOW
    tokenizer = own.models.resident("llama", "auto", "auto").source.tokenizer
    own.models.register("long", model, tokenizer)
    own.models.load("long", "auto", "auto").wait()
    resident = own.models.resident("long", "auto", "auto")
    packed = packed_of(model)
    resident.engine = LocalEngine(model, tokenizer, "long", "made in the tests", int8=packed)
    monkeypatch.setattr(int8_rows, "BUDGET", packed.token_bytes(FLOAT32) * WINDOW // 4 * 8)
    monkeypatch.setattr(Int8Runner, "chunk", PIECE)
    monkeypatch.setattr(turn, "LONG", PIECE)
    return SharedModel(own.models, resident)


def in_order(*clients: Client) -> list[tuple[Client, Item]]:
    """Everything that is delivered to some clients, in its order."""
    order: list[tuple[Client, Item]] = []

    def noting(client: Client) -> Any:
        deliver = client.job.deliver

        def take(item: Item) -> None:
            order.append((client, item))
            deliver(item)

        return take

    for client in clients:
        client.job.deliver = noting(client)
    return order


def place(order: list[tuple[Client, Item]], of: Client, kind: type) -> int:
    """The place of the first item of a kind that a client got."""
    return next(at for at, (client, item) in enumerate(order) if client is of and isinstance(item, kind))


def unread(item: Item) -> int:
    return item.total - item.done if isinstance(item, Prefill) else 0


def test_a_text_too_long_for_a_row_is_written_to_its_end_when_others_come(own: Session, long: SharedModel) -> None:
    asked = own.request("Once upon a time", temperature=0.9, seed=1, max_new_tokens=500, regex="[a-z ]{1000,}")
    first = Client(asked, "a")
    second = Client(own.request("Another text", temperature=0, max_new_tokens=5), "b")
    first.job.deliver = adding(first, long, second)
    long.add(first.job)
    assert isinstance(second.end, Finish)
    assert first.told() == alone(own, asked, "long")


def test_eight_texts_too_long_for_rows_are_all_written_at_once(own: Session, long: SharedModel) -> None:
    whole = {"temperature": 0.9, "max_new_tokens": 900, "regex": "[a-z ]{2000,}"}
    clients = [Client(own.request(f"Text {n}", seed=n, **whole), f"kernel {n}") for n in range(8)]
    order = in_order(*clients)
    for client in clients:
        long.add(client.job)
    assert all(isinstance(client.end, Finish) for client in clients)
    first_end = min(place(order, client, Finish) for client in clients)
    assert max(place(order, client, Token) for client in clients) < first_end


def test_long_prompts_are_read_one_after_the_other_and_others_write_meanwhile(own: Session, long: SharedModel) -> None:
    options = {"temperature": 0, "max_new_tokens": 4}
    readers = [Client(own.request(f"{n} {PROMPT}", **options), f"kernel {n}") for n in range(7)]
    writer = Client(own.request("Text", temperature=0, max_new_tokens=20, regex="[a-z ]{60,}"), "writer")
    order = in_order(*readers, writer)
    for client in (*readers, writer):
        long.add(client.job)
    assert all(isinstance(client.end, Finish) for client in (*readers, writer))
    begun = [place(order, client, Token) for client in readers]
    assert begun == sorted(begun)
    read = [max(at for at, (c, item) in enumerate(order) if c is client and unread(item)) for client in readers]
    assert place(order, writer, Finish) < read[-1]
    pieces = [(client, at) for at, (client, item) in enumerate(order) if isinstance(item, Prefill) and item.done > 0]
    at_once = {client for client, at in pieces if at < begun[0]} - {writer}
    assert at_once == {readers[0]}


def test_a_prompt_that_waits_to_be_read_is_stopped_at_once(own: Session, long: SharedModel) -> None:
    options = {"temperature": 0, "max_new_tokens": 4}
    readers = [Client(own.request(f"{n} {PROMPT}", **options), f"kernel {n}") for n in range(3)]
    order = in_order(*readers)
    readers[2].job.stop.set()
    for client in readers:
        long.add(client.job)
    assert all(isinstance(client.end, Finish) for client in readers)
    assert place(order, readers[2], Finish) < place(order, readers[0], Token)
