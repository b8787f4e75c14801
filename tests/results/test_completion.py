"""Events fold into a completion: its text, its tokens, its footer; and it shows itself."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import pytest

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.events import (
    Candidate,
    Event,
    Finish,
    Leading,
    Loading,
    ModelInfo,
    Prefill,
    Step,
    Timing,
    Token,
    Usage,
)
from jupyter_complete.protocol.request import Mode, Request
from jupyter_complete.results.completion import Completion
from jupyter_complete.results.draft import Draft, Wait

INFO = ModelInfo("tiny", "directory", "", "float32", "cpu", 1000, 256, quantized="Q8_0")
TIMING = Timing(first_token_s=0.25, decode_tokens_per_s=14.04, total_s=2.0)


def request(mode: Mode = "continue", **options: object) -> Request:
    options.setdefault("max_new_tokens", 2)
    config = Complete()
    return Request(prompt="Say", sampling=config.to_sampling(config.checked(options)), mode=mode, model="tiny")


def finish(*reasons: str, tails: tuple[str, ...] = (), usage: Usage = Usage(7, 5), **more: object) -> Finish:  # noqa: B008
    return Finish(reasons, tails or ("",) * len(reasons), usage, TIMING, INFO, (1, 2, 3), **more)  # type: ignore[arg-type]


def token(text: str, index: int = 0, end: bool = False, id: int = 9) -> Token:
    return Token(index, Step(id, text, -0.5, 1), text, end)


def folded(*events: Event, of: Request | None = None) -> Completion:
    draft = Draft(of or request())
    for event in events:
        draft.take(event)
    return draft.completion()


def test_the_text_is_what_was_shown_and_the_tail() -> None:
    done = folded(token("one"), token(" two"), finish("length", tails=("\N{REPLACEMENT CHARACTER}",)))
    assert done.text == "one two\N{REPLACEMENT CHARACTER}"
    assert str(done) == done.text


def test_the_text_of_a_draft_grows_as_tokens_come() -> None:
    draft = Draft(request())
    seen = []
    for word in ("a", "b", ""):
        draft.take(token(word))
        seen.append(draft.texts[0])
    assert seen == ["a", "ab", "ab"]


def test_the_end_token_is_not_among_the_tokens() -> None:
    done = folded(token("one"), token("", end=True, id=0), finish("stop"))
    assert [step.text for step in done.tokens] == ["one"]
    assert done.end is not None
    assert done.end.id == 0
    assert done.usage.completion_tokens == 2  # it was decoded all the same


def test_continuations_are_alternatives_of_the_first() -> None:
    done = folded(token("a"), token("b", 1), token("c", 1), finish("length", "stop"), of=request(num=2, seed=4))
    (other,) = done.alternatives
    assert [done.text, other.text] == ["a", "bc"]
    assert [done.finish_reason, other.finish_reason] == ["length", "stop"]
    assert [done.seed, other.seed] == [4, 5]
    assert [done.usage.completion_tokens, other.usage.completion_tokens] == [1, 2]
    assert other.alternatives == ()


def test_an_interrupted_draft_keeps_text_and_what_was_read() -> None:
    draft = Draft(request())
    draft.take(Prefill(7, 7, 5))
    draft.take(token("half"))
    draft.interrupt()
    done = draft.completion()
    assert (done.text, done.finish_reason) == ("half", "interrupted")
    assert (done.usage.prompt_tokens, done.usage.cached_tokens, done.usage.completion_tokens) == (7, 5, 1)


def test_a_failed_draft_keeps_its_text() -> None:
    draft = Draft(request())
    draft.take(token("half"))
    draft.fail()
    assert (draft.completion().text, draft.completion().finish_reason) == ("half", "error")


def test_a_load_is_followed_without_a_text() -> None:
    load = Wait()
    load.take(Loading("loading tiny"))
    assert load.loading == Loading("loading tiny")
    assert load.texts == []
    load.interrupt()
    assert load.finish is not None
    assert load.finish.reasons == ("interrupted",)


def test_continued_it_begins_from_its_tokens() -> None:
    first = folded(token("one"), token(" two"), finish("length"))
    draft = Draft(request(), earlier=first)
    draft.take(Prefill(5, 5, 5, settled="one two", decoded=7))
    draft.take(token(" three"))
    draft.take(finish("length"))
    done = draft.completion()
    assert done.text == "one two three"
    assert [step.text for step in done.tokens] == ["one", " two", " three"]
    assert done.usage.completion_tokens == 1


def test_continued_a_half_character_at_its_end_is_open_again() -> None:
    first = folded(token("one"), token("\N{REPLACEMENT CHARACTER}"), finish("interrupted"))
    draft = Draft(request(), earlier=first)
    draft.take(Prefill(5, 5, 5, settled="one", decoded=3))
    draft.take(token("é"))
    draft.take(finish("length"))
    assert draft.completion().text == "oneé"
    assert [step.text for step in draft.completion().tokens] == ["one", "", "é"]


@pytest.mark.parametrize(
    ("reason", "end", "said"),
    [
        ("length", False, "length (the window is full)"),
        ("interrupted", False, "interrupted"),
        ("stop", False, "stop (stop string)"),
        ("stop", True, "stop (end of text)"),
    ],
)
def test_the_footer_says_what_ended_it(reason: str, end: bool, said: str) -> None:
    done = folded(token("one"), *([token("", end=True)] if end else []), finish(reason))
    assert done.footer().startswith(f"{said} · ")


def test_the_footer_tells_all_that_the_reader_may_ask() -> None:
    done = folded(token("one"), token(" two"), finish("length"), of=request(seed=3))
    assert done.footer() == (
        "length · 2 tokens · 5 of 7 prompt tokens reused · 14.0 tokens/s · first token 250 ms"
        " · tiny (float32 from Q8_0, cpu) · seed 3"
    )


def test_a_quiet_footer_tells_only_what_a_rerun_repeats() -> None:
    asked = replace(request(seed=3), quiet=True)
    other = replace(TIMING, decode_tokens_per_s=90.0, first_token_s=0.01)
    runs = [
        folded(token("one"), replace(finish("length", usage=Usage(7, cached)), timing=timing), of=asked)
        for cached, timing in ((5, TIMING), (0, other))
    ]
    assert runs[0].footer() == "length (the window is full) · 1 token · tiny (float32 from Q8_0) · seed 3"
    assert runs[0].bundle() == runs[1].bundle()


def test_the_footer_says_what_the_check_of_the_model_found() -> None:
    done = folded(token("one"), finish("length"))
    done = replace(done, model=replace(INFO, fault="its int8 form differs from float32 (KL 3 nats a token)"))
    assert " · its check failed: its int8 form differs from float32 (KL 3 nats a token)" in done.footer()


def test_the_footer_leaves_out_what_was_not_measured() -> None:
    draft = Draft(request(temperature=0))
    draft.interrupt()
    assert draft.completion().footer() == "interrupted · 0 tokens · 0 of 0 prompt tokens reused · tiny"


def test_the_footer_of_several_counts_all_and_names_each_reason_once() -> None:
    tokens = (token("a"), token("b", 1), token("c", 2), token("d", 2))
    done = folded(*tokens, finish("length", "stop", "length"), of=request(num=3, seed=1))
    assert done.footer().startswith("(1) length (the window is full), (2) stop (stop string), (3) length")


def test_it_shows_its_text_and_footer_in_three_forms() -> None:
    done = folded(token("one & two"), finish("length"))
    bundle = done._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown", "text/html"}
    assert bundle["text/plain"] == f"one & two\n\n[{done.footer()}]"
    assert "one &amp; two" in bundle["text/html"]


def test_a_long_text_is_short_in_its_repr() -> None:
    done = folded(token("word " * 100), finish("length"))
    assert len(repr(done)) < 120
    assert repr(done).endswith("…': length, 1 token>")


def test_perplexity_is_the_exponential_of_the_mean_surprise() -> None:
    steps = (Step(1, "a"), Step(2, "b", math.log(1 / 2), 1), Step(3, "c", math.log(1 / 8), 4))
    done = folded(finish("length", prompt_steps=steps), of=request("score"))
    assert done.perplexity == pytest.approx(4)
    assert "perplexity 4.00" in done.bundle()["text/plain"]


def test_without_scored_tokens_there_is_no_perplexity() -> None:
    assert folded(token("a"), finish("length")).perplexity is None


@pytest.mark.parametrize(("window", "said"), [(256, "window 256, 249 left"), (None, "no fixed window")])
def test_a_dry_run_says_what_fits(window: int | None, said: str) -> None:
    done = folded(finish("length", prompt_steps=(Step(1, "Say"),)), of=request("preview"))
    assert done.model is not None
    shown = replace(done, model=replace(done.model, window=window)).bundle()["text/plain"]
    assert said in shown
    assert "up to 2 asked" in shown


def test_its_tokens_make_a_frame() -> None:
    top = (Candidate(9, "one", -0.5, 1.0),)
    done = folded(
        Token(0, Step(9, "one", -0.5, 1, top), "one"), finish("length", prompt_steps=(Step(1, "Say", -2.0, 7),))
    )
    frame = done.to_frame()
    assert list(frame.columns) == ["part", "id", "text", "logprob", "rank", "top"]
    assert frame.values.tolist() == [["prompt", 1, "Say", -2.0, 7, ()], ["completion", 9, "one", -0.5, 1, top]]


def test_continued_by_hand_it_asks_its_session_with_the_options_given() -> None:
    asked: list[tuple[Completion, dict[str, object]]] = []

    def continue_with(completion: Completion, **options: object) -> Completion:
        asked.append((completion, options))
        return completion

    done = replace(folded(token("a"), finish("length")), continue_with=continue_with)
    done.more(5, temperature=0)
    done.more()
    assert asked == [(done, {"max_new_tokens": 5, "temperature": 0}), (done, {})]


def test_one_that_no_session_made_cannot_be_continued() -> None:
    with pytest.raises(TypeError, match="no model to continue it with"):
        folded(token("a"), finish("length")).more()


def test_a_dry_run_says_what_does_not_fit() -> None:
    steps = (Step(1, "Say"),)
    too_long = folded(finish("length", prompt_steps=steps, usage=Usage(300)), of=request("preview"))
    assert "window 256: it does not fit, shorten it by at least 45 tokens" in too_long.bundle()["text/plain"]
    tight = folded(finish("length", prompt_steps=steps, usage=Usage(250)), of=request("preview", max_new_tokens=9))
    assert "window 256, 6 left · up to 9 asked, 6 fit" in tight.bundle()["text/plain"]


def test_an_interrupted_score_says_how_much_was_measured() -> None:
    steps = (Step(1, "a"), Step(2, "b", -1.0, 1))
    done = folded(finish("interrupted", prompt_steps=steps, usage=Usage(3001)), of=request("score"))
    assert "interrupted · 2 of 3,001 tokens" in done.bundle()["text/plain"]
    assert repr(done).startswith("<Completion: interrupted · 2 of 3,001 tokens")


def test_a_search_that_is_left_keeps_its_leading_text() -> None:
    draft = Draft(request(beams=2))
    draft.take(Leading(2, lambda: (token("one"), token(" two"))))
    draft.interrupt()
    assert draft.completion().text == "one two"
    assert len(draft.completion().tokens) == 2


def test_it_travels_between_processes_without_its_session() -> None:
    done = replace(folded(token("a"), finish("length")), continue_with=lambda completion, **options: completion)
    again = pickle.loads(pickle.dumps(done))
    assert (again.text, again.tokens, again.continue_with) == (done.text, done.tokens, None)


def test_its_view_shows_the_prompt_and_every_continuation() -> None:
    steps = (Step(1, "Say"), Step(2, " so", -2.0, 7))
    events = (token("one"), token("two", 1), token("", 1, end=True), finish("length", "stop", prompt_steps=steps))
    view = folded(*events, of=request(num=2, seed=4)).view()
    assert [(part.name, part.text) for part in view.parts] == [
        ("prompt", "Say"),
        ("completion 1", "one"),
        ("completion 2", "two"),
    ]
    assert view.parts[0].steps == steps
    assert [part.end is not None for part in view.parts] == [False, False, True]
    assert [part.sampled for part in view.parts] == [False, True, True]


def test_its_view_says_that_the_prompt_was_not_measured() -> None:
    view = folded(token("one"), finish("length")).view()
    assert [part.name for part in view.parts] == ["completion"]
    assert view.footer.endswith("the prompt was not measured (--inspect, inspect=True)")


def test_a_beam_search_knows_nothing_of_sampling() -> None:
    (part,) = folded(token("one"), finish("length"), of=request(beams=2)).view().parts
    assert not part.sampled


def test_the_view_of_a_measured_text_is_of_that_text() -> None:
    steps = (Step(1, "a"), Step(2, "b", -1.0, 1))
    done = folded(finish("stop", prompt_steps=steps, usage=Usage(2)), of=request("score"))
    assert [part.name for part in done.view().parts] == ["prompt"]
    assert "2 tokens · perplexity 2.72" in done.view().footer


def test_the_form_of_tokens_is_the_view() -> None:
    done = folded(token("one"), finish("length", prompt_steps=(Step(1, "Say"),)))
    assert done.bundle(form="tokens") == done.view().bundle()
