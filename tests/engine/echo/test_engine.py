"""The echo engine keeps the engine's contract: text, seeds, stops, candidates, failures, many requests, a trace."""

from __future__ import annotations

import subprocess
import sys
import threading
from zlib import crc32

import echoes
import pytest

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.protocol.errors import BadOption, PromptTooLong
from jupyter_complete.protocol.events import Prefill, Token
from jupyter_complete.protocol.question import InputIds
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.results.completion import Completion
from jupyter_complete.session.session import Session

GREEDY = {"temperature": 0, "max_new_tokens": 12}


def ids(done: Completion) -> list[int]:
    return [step.id for step in done.tokens]


def test_the_words_of_the_prompt_are_echoed(session: Session, echo: EchoModel) -> None:
    assert session.complete("The mean\nof it", **GREEDY).text == " The mean of it The mean"


def test_a_seed_repeats_a_text_and_another_seed_has_another(session: Session, echo: EchoModel) -> None:
    first, same, other = (session.complete("The mean", seed=seed, max_new_tokens=30).text for seed in (1, 1, 2))
    assert first == same != other


def test_every_continuation_is_that_of_its_own_seed(session: Session, echo: EchoModel) -> None:
    done = session.complete("The mean", seed=1, num=3, max_new_tokens=20)
    assert done.alternatives[1].text == session.complete("The mean", seed=3, max_new_tokens=20).text


def test_a_stop_string_ends_the_text_ahead_of_it(session: Session, echo: EchoModel) -> None:
    done = session.complete("one two three", stop=["thr"], **GREEDY)
    assert (done.text, done.finish_reason) == (" one two ", "stop")


def test_what_it_shall_say_is_said_and_ends(session: Session) -> None:
    session.models.register("said", *echoes.make(says="naïve 👍"))
    done = session.complete("The mean", model="said", temperature=0)
    assert (done.text, done.ending()) == ("naïve 👍", "stop (end of text)")


def test_candidates_fall_and_hold_the_chosen_one(session: Session, echo: EchoModel) -> None:
    step = session.complete("The mean", seed=1, max_new_tokens=1, top_p=0.5).tokens[0]
    logprobs = [candidate.logprob for candidate in step.top]
    assert logprobs == sorted(logprobs, reverse=True)
    assert {candidate.cut for candidate in step.top} == {None, "top_p"}
    assert step.rank == 1 or step.logprob < logprobs[0]  # type: ignore[operator]


def test_a_scored_text_is_measured_from_its_second_token_on(session: Session, echo: EchoModel) -> None:
    first, *rest = session.stream("The mean of it", mode="score").result().prompt_tokens
    assert first.logprob is None
    assert all(step.logprob is not None and step.logprob < 0 for step in rest)


def test_going_on_is_as_if_it_had_not_paused_and_reads_the_cache(session: Session, echo: EchoModel) -> None:
    whole = session.complete("The mean", seed=4, max_new_tokens=12)
    longer = session.complete("The mean", seed=4, max_new_tokens=5).more(7)
    assert ids(longer) == ids(whole)
    assert longer.usage.cached_tokens == longer.usage.prompt_tokens - 1


def test_a_branch_begins_with_its_token(session: Session, echo: EchoModel) -> None:
    done = session.complete("The mean", **GREEDY)
    assert done.branch(2, " median").text.startswith(done.text[:2] + " median")


def test_beams_begin_with_the_likeliest_tokens(session: Session, echo: EchoModel) -> None:
    done = session.complete("The mean", beams=3, num=2, max_new_tokens=4)
    top = done.tokens[0].top
    assert [done.tokens[0].id, done.alternatives[0].tokens[0].id] == [top[0].id, top[1].id]


def test_the_likeliest_choice_is_made(session: Session, echo: EchoModel) -> None:
    done = session.complete("mean", choices=["median", " mean"])
    assert (done.value, len(done.choices)) == (" mean", 2)


def test_a_form_is_met_or_not_and_told(session: Session) -> None:
    session.models.register("said", *echoes.make(says='{"n": 1}'))
    schema = {"type": "object"}
    assert session.complete("x", model="said", temperature=0, json=schema).value == {"n": 1}
    assert session.complete("x", model="said", temperature=0, regex="[a-z]+").met is False


def test_a_trace_replays_to_the_tokens(session: Session, echo: EchoModel) -> None:
    done = session.complete("The mean", seed=4, max_new_tokens=20, trace=True)
    assert done.trace is not None
    assert done.trace.replay().tolist() == ids(done)
    assert done.trace.text == done.text


def test_a_hook_that_raises_fails_the_request_there_and_the_next_one_is_whole(
    session: Session, echo: EchoModel
) -> None:
    def fail(number: int) -> None:
        if number == 4:
            raise ValueError("the fuse blew")

    whole = session.complete("The mean", **GREEDY)
    with echoes.before_token(echo, fail):
        stream = session.stream("The mean", **GREEDY)
        with pytest.raises(ValueError, match="the fuse blew"):
            stream.result()
    failed = stream.completion()
    assert (failed.finish_reason, ids(failed)) == ("error", ids(whole)[:3])
    assert session.complete("The mean", **GREEDY).text == whole.text


def test_a_stop_is_read_ahead_of_every_token(session: Session, echo: EchoModel) -> None:
    stop, tokens = threading.Event(), 0
    session.complete("The mean", **GREEDY)
    resident = session.models.get("tiny")
    assert resident is not None
    assert resident.engine is not None
    request = session.requests({0: "The mean"}, **GREEDY)[0]
    for event in resident.engine.stream(request, stop):  # type: ignore[arg-type]
        tokens += isinstance(event, Token)
        if tokens == 3:
            stop.set()
    assert tokens == 3
    assert event.reasons == ("interrupted",)  # type: ignore[union-attr]


def test_the_prompt_is_told_as_read(session: Session, echo: EchoModel) -> None:
    stream = session.stream("The mean", **GREEDY)
    told = [(event.done, event.total) for event in stream if isinstance(event, Prefill)]
    assert told[-1] == (4, 4)


def test_a_prompt_longer_than_the_window_is_refused(session: Session, echo: EchoModel) -> None:
    with pytest.raises(PromptTooLong, match="the window of tiny is 256"):
        session.complete("x" * 257)


def test_many_requests_are_answered_as_each_is_alone(session: Session, echo: EchoModel) -> None:
    texts = {key: f"The mean of {key} numbers" for key in range(20)}
    requests = session.requests(texts, seed=3, max_new_tokens=9)
    answers = dict[int, object]()
    session.stream_many(requests, answers.__setitem__).wait()  # type: ignore[arg-type]
    seeds = {key: 3 + crc32(text.encode()) for key, text in texts.items()}
    alone = {key: session.complete(text, seed=seeds[key], max_new_tokens=9).text for key, text in texts.items()}
    assert {key: str(done) for key, done in answers.items()} == alone


def test_a_chat_is_put_by_roles_and_a_base_model_refuses_it(session: Session, echo: EchoModel) -> None:
    session.models.register("chatty", *echoes.make(kind="instruct"))
    done = session.complete("say <|turn|>", chat=True, model="chatty", max_new_tokens=2)
    assert done.usage.prompt_tokens == 3 + len("say <|turn|>")
    with pytest.raises(BadOption, match="tiny has no chat template"):
        session.complete("Hi", chat=True)


def test_there_is_no_inside(session: Session, echo: EchoModel) -> None:
    resident = session.models.resident("tiny", "auto", "auto")
    with pytest.raises(BadOption, match="has no inside to look at"):
        session.models.examine(resident, AskLens(InputIds((1, 2)))).wait()


def test_it_needs_no_torch() -> None:
    code = (
        "import sys, jupyter_complete as jc\n"
        "from jupyter_complete.engine.echo import EchoModel, EchoTokenizer\n"
        "jc.register('echo', EchoModel(), EchoTokenizer())\n"
        "done = jc.complete('The mean', model='echo', temperature=0, max_new_tokens=4)\n"
        "assert done.text == ' The', done\n"
        "print([name for name in ('torch', 'transformers', 'numba', 'llguidance') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout == "[]\n"
