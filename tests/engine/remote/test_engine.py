"""The remote engine above a scripted server: what is asked, what comes back, and how a request ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pandas
import pytest
from IPython.core.interactiveshell import InteractiveShell
from scripted import MODEL, Scripted, Wire, scripted

import jupyter_complete as jc
from jupyter_complete.protocol.errors import BadOption, BadReply, NoConnection, UnknownModel
from jupyter_complete.protocol.events import Token
from jupyter_complete.session.session import Session


def write(wire: Wire) -> None:
    """Two words and the end."""
    wire.head()
    wire.text(" one", " two")
    wire.done("stop")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(write) as made:
        yield made


@pytest.fixture
def far(session: Session, server: Scripted) -> Scripted:
    """The scripted server, connected as the model "far"."""
    jc.remote(server.url, name="far")
    return server


def asked(server: Scripted) -> dict[str, Any]:
    """The body of the newest request."""
    body: dict[str, Any] = server.posts[-1].body
    return body


def test_a_text_is_completed_as_by_any_model(far: Scripted) -> None:
    done = jc.complete("Count:  \n", model="far", temperature=0, max_new_tokens=5, stop=["\n\n"])
    assert (done.text, done.finish_reason) == (" one two", "stop")
    assert far.posts[-1].path == "/v1/completions"
    body = asked(far)
    assert (body["prompt"], body["model"], body["max_tokens"]) == ("Count:  \n", MODEL, 5)
    assert (body["temperature"], body["stop"], body["stream"]) == (0, ["\n\n"], True)
    assert "seed" not in body
    assert "top_k" not in body


def test_settings_that_differ_from_no_change_are_sent(far: Scripted) -> None:
    jc.complete("x", model="far", temperature=0.5, top_k=7, min_p=0.1, repetition_penalty=1.2, seed=3)
    body = asked(far)
    assert [body[name] for name in ("temperature", "top_k", "min_p", "repetition_penalty", "seed")] == [
        0.5, 7, 0.1, 1.2, 3,
    ]  # fmt: skip


def test_the_first_line_names_the_host(far: Scripted) -> None:
    done = jc.complete("x", model="far", temperature=0)
    host = far.url.removeprefix("http://").removesuffix("/v1")
    bundle = done.bundle()
    assert bundle["text/plain"].splitlines()[0] == f"[sent to {host}]"
    assert bundle["text/markdown"].splitlines()[0] == f"*sent to {host}*"
    assert bundle["text/html"].index(f"sent to {host}") < bundle["text/html"].index(" one two")
    assert f"far on {host}" in done.footer()


def test_text_streams_as_it_comes(session: Session, far: Scripted) -> None:
    goes_on = threading.Event()

    def script(wire: Wire) -> None:
        wire.head()
        wire.text(" one")
        goes_on.wait(20)
        wire.text(" two")
        wire.done()

    far.script = script
    stream = session.stream("x", model="far", temperature=0)
    for event in stream:
        if isinstance(event, Token):
            assert stream.draft.texts == [" one"] or goes_on.is_set()
            goes_on.set()
    assert stream.completion().text == " one two"


def test_a_stop_ends_the_connection_and_keeps_the_text(session: Session, far: Scripted) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.text(" one")
        wire.wait_for_the_end()

    far.script = script
    stream = session.stream("x", model="far", temperature=0)
    for event in stream.ticks():
        if isinstance(event, Token):
            stream.stop()
    done = stream.completion()
    assert (done.text, done.finish_reason) == (" one", "interrupted")
    assert far.ended.wait(10), "the connection is still open"


def test_a_stop_before_the_first_byte_ends_the_connection(session: Session, far: Scripted) -> None:
    begun = threading.Event()

    def script(wire: Wire) -> None:
        begun.set()
        wire.wait_for_the_end()

    far.script = script
    stream = session.stream("x", model="far", temperature=0)
    assert begun.wait(10)
    stream.stop()
    assert stream.completion().finish_reason == "interrupted"
    assert far.ended.wait(10), "the connection is still open"


def test_a_message_goes_to_the_chat_of_the_server(far: Scripted) -> None:
    done = jc.complete("Hello", model="far", chat=True, temperature=0, think="off")
    assert done.text == " one two"
    assert far.posts[-1].path == "/v1/chat/completions"
    assert asked(far)["messages"] == [{"role": "user", "content": "Hello"}]
    assert asked(far)["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_conversation_is_sent_again(far: Scripted) -> None:
    jc.complete("Hello", model="far", thread="t", temperature=0)
    jc.complete("And?", model="far", thread="t", temperature=0)
    assert [turn["role"] for turn in asked(far)["messages"]] == ["user", "assistant", "user"]


def test_thinking_is_found_and_given_tokens(far: Scripted) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.event({"choices": [{"delta": {"reasoning_content": "Hm. "}}]})
        wire.event({"choices": [{"delta": {"reasoning_content": "So."}}]})
        wire.text("Yes")
        wire.done("stop")

    far.script = script
    done = jc.complete("Is it?", model="far", chat=True, temperature=0, max_new_tokens=10, think_tokens=50)
    assert (done.thinking, done.text) == ("Hm. So.", "Yes")
    assert [wire.body["max_tokens"] for wire in far.posts] == [10, 60]  # the first answer showed that it thinks


def test_fields_that_a_server_refuses_are_left_out_from_then_on(far: Scripted) -> None:
    def script(wire: Wire) -> None:
        for name in ("stream_options", "logprobs", "seed"):
            if name in wire.body:
                wire.reply({"detail": f"Unexpected fields in the request: {{'{name}'}}"}, 422)
                return
        write(wire)

    far.script = script
    done = jc.complete("x", model="far", seed=4)
    assert done.text == " one two"
    assert done.seed is None  # it cannot be repeated
    assert len(far.posts) == 4
    jc.complete("x", model="far", temperature=0)
    assert len(far.posts) == 5


def test_a_setting_that_a_server_refuses_is_an_error(far: Scripted) -> None:
    far.script = lambda wire: wire.reply({"detail": "Unexpected fields in the request: {'top_k'}"}, 422)
    with pytest.raises(BadOption, match="refuses the request: Unexpected fields"):
        jc.complete("x", model="far", top_k=4)


def test_several_completions_have_a_seed_each(far: Scripted) -> None:
    done = jc.complete("x", model="far", num=3, seed=5)
    assert sorted(wire.body["seed"] for wire in far.posts) == [5, 6, 7]
    assert [one.seed for one in (done, *done.alternatives)] == [5, 6, 7]


def test_a_reply_that_comes_as_a_whole_is_taken(far: Scripted) -> None:
    far.script = lambda wire: wire.reply({"choices": [{"text": " all", "finish_reason": "stop"}]})
    assert jc.complete("x", model="far", temperature=0).text == " all"


def test_usage_is_what_the_server_counts(far: Scripted) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.text(" one two three", reason="length")
        wire.event({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}})
        wire.raw(b"data: [DONE]\n\n")

    far.script = script
    usage = jc.complete("x", model="far", temperature=0).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 3)


def test_more_goes_on_after_the_text(far: Scripted) -> None:
    done = jc.complete("x", model="far", temperature=0)
    assert done.more(5).text == " one two one two"
    assert asked(far)["prompt"] == "x one two"


def test_a_branch_goes_on_after_a_token_given_as_text(far: Scripted) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        logprobs = {"tokens": [" one", " two"], "token_logprobs": [-0.5, -0.6], "top_logprobs": [{}, {}]}
        wire.event({"choices": [{"text": " one two", "logprobs": logprobs, "finish_reason": "length"}]})
        wire.raw(b"data: [DONE]\n\n")

    far.script = script
    done = jc.complete("x", model="far", temperature=0)
    done.branch(1, " three")
    assert asked(far)["prompt"] == "x one three"


def test_a_text_is_scored_by_its_echo(far: Scripted) -> None:
    logprobs = {"tokens": ["A", " b", " c"], "token_logprobs": [None, -1.0, -2.0], "top_logprobs": [None, {}, {}]}
    far.script = lambda wire: wire.reply({"choices": [{"text": "A b c", "logprobs": logprobs}]})
    done = jc.score("A b", model="far")
    assert [(step.text, step.logprob) for step in done.prompt_tokens] == [("A", None), (" b", -1.0)]
    assert (asked(far)["echo"], asked(far)["max_tokens"]) == (True, 1)


def test_a_server_that_ignores_echo_does_not_score(far: Scripted) -> None:
    far.script = lambda wire: wire.reply({"choices": [{"text": " c", "logprobs": None}]})
    with pytest.raises(BadOption, match="does not echo"):
        jc.score("A b", model="far")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beams": 2}, "no beam search"),
        ({"trace": True}, "no logits"),
        ({"suffix": "y"}, "fill a gap"),
        ({"regex": "a+"}, "no option for a regex"),
        ({"choices": ["a", "b"]}, "no option for choices"),
        ({"sampling": "model"}, "recommends"),
        ({"dry_run": True}, "split a text"),
    ],
)
def test_what_a_server_lacks_is_refused_before_anything_is_sent(
    far: Scripted, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadOption, match=words):
        jc.complete("x", model="far", **options)
    assert not far.posts


def test_rows_run_side_by_side_within_the_bound(session: Session) -> None:
    running, most, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def script(wire: Wire) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
        full.wait(20)  # so that the bound is reached
        wire.head()
        wire.text(wire.body["prompt"].upper())
        with lock:
            running -= 1
        wire.done("stop")

    with scripted(script) as server:
        jc.remote(server.url, name="far", at_once=3)
        frame = pandas.DataFrame({"t": list("abcdefgh")})
        done = jc.complete_frame(frame, "{{ t }}", model="far", temperature=0)
    assert list(done["completion"]) == list("ABCDEFGH")
    assert most == 3


def test_a_row_that_fails_leaves_the_others(session: Session, far: Scripted) -> None:
    def script(wire: Wire) -> None:
        if wire.body["prompt"] == "b":
            wire.head()
            wire.raw(b"data: }{\n\n")
        else:
            write(wire)

    far.script = script
    done = jc.complete_frame(pandas.DataFrame({"t": list("abc")}), "{{ t }}", model="far", temperature=0)
    assert [pandas.isna(one) for one in done["completion"]] == [False, True, False]
    assert "not JSON" in done["completion_error"][1]


def test_rows_wait_together_where_the_rate_is_limited(
    session: Session, far: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(wire: Wire) -> None:
        if wire.number < 2:
            wire.refuse(429, Retry_After="0")
        else:
            write(wire)

    far.script = script
    done = jc.complete_frame(pandas.DataFrame({"t": list("abcd")}), "{{ t }}", model="far", temperature=0)
    assert list(done["completion"]) == [" one two"] * 4


def test_a_remote_model_comes_from_the_settings(session: Session, server: Scripted) -> None:
    session.config.remotes = {"big": {"url": server.url, "model": MODEL}}
    assert "big" in session.models.names()
    assert jc.complete("x", model="big", temperature=0).text == " one two"


@pytest.mark.parametrize("entry", [7, {}, {"url": "http://localhost", "key": "sk-canary"}])
def test_an_entry_of_the_settings_that_is_none_is_one_sentence(session: Session, entry: object) -> None:
    session.config.remotes = {"big": entry}
    with pytest.raises(BadOption, match=r"Complete\.remotes has no") as refused:
        jc.complete("x", model="big")
    assert "canary" not in str(refused.value)


def test_a_server_of_several_models_asks_for_a_name(session: Session, server: Scripted) -> None:
    server.models = {"data": [{"id": "a"}, {"id": "b"}]}
    with pytest.raises(UnknownModel, match="has 2 models: a, b"):
        jc.remote(server.url)


def test_an_unloaded_model_is_connected_again(far: Scripted) -> None:
    jc.current().models.unload("far")
    assert jc.complete("x", model="far", temperature=0).text == " one two"


def test_a_failure_to_connect_says_so_each_time(session: Session) -> None:
    with scripted(write) as server:
        url = server.url
    for _ in range(2):
        with pytest.raises(NoConnection):
            jc.remote(url, "m", name="far")


def test_a_magic_connects_and_lists(
    shell: InteractiveShell, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.models = {"data": [{"id": "smollm2"}, {"id": "large", "max_model_len": 4096, "owned_by": "vllm"}]}
    shell.run_line_magic("complete_model", f"connect {server.url}")
    host = server.url.removeprefix("http://").removesuffix("/v1")
    said = capsys.readouterr().out
    assert f"{host} has 2 models" in said
    assert "4,096" in said
    assert f"smollm2@{host}" in said  # the catalogue's name keeps its meaning
    shell.run_cell_magic("complete", "-m large -t 0 -o done", "x")
    assert shell.user_ns["done"].text == " one two"


def test_status_says_what_the_server_lacks(
    shell: InteractiveShell, far: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_line_magic("complete_model", "status")
    said = capsys.readouterr().out
    assert "at 127.0.0.1:" in said
    assert "has no beam search." in said


def test_a_key_is_read_when_a_request_is_sent(
    session: Session, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", "sk-first")
    jc.remote(server.url, name="far", key_env="CANARY_KEY")
    monkeypatch.setenv("CANARY_KEY", "sk-second")
    jc.complete("x", model="far", temperature=0)
    assert server.posts[-1].headers["authorization"] == "Bearer sk-second"


def test_without_a_key_none_is_sent(far: Scripted) -> None:
    jc.complete("x", model="far", temperature=0)
    assert "authorization" not in far.posts[-1].headers


def test_a_bad_reply_keeps_the_model(far: Scripted) -> None:
    far.script = lambda wire: wire.reply([1])
    with pytest.raises(BadReply):
        jc.complete("x", model="far", temperature=0)
    far.script = write
    assert jc.complete("x", model="far", temperature=0).text == " one two"
