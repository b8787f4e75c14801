"""A transformers model in this kernel behind the engine's contract: a request in, events out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, partial
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, TypeAlias

from ..protocol.engine import Footprint
from ..protocol.errors import BadOption, CompleteError
from ..protocol.events import Answered, Event, Finish, ModelInfo, Prefill, Reason, Step, Timing, Usage
from ..protocol.question import InputIds, Question, TextQuestion
from ..protocol.request import Request
from ..protocol.structure import Choices
from .decoding import choices
from .decoding.batch import Batch, Rows, Seat, shares_passes
from .decoding.continuations import Answer, weigh_prompt
from .decoding.grammar import Constraints, Grammar
from .decoding.loop import Row, prefill, turn_ends
from .decoding.model_rules import beam_score, model_rules, own_sampling, recommended
from .decoding.sampler import Sampler, end_ids
from .decoding.thinking import Thinking
from .details import NO_DETAILS, Details
from .inside.answer import answer_question
from .inside.open_model import OpenModel
from .inside.recorder import sampler_of, trace_of
from .kernels.kv_forms import FLOAT32, KVForm
from .machine import forked, memory
from .runners import capabilities, longrope
from .runners.aside import aside_of
from .runners.chunk_check import Reading, reading
from .runners.cuda_graph import GraphRunner
from .runners.kv_choice import kv_choice
from .runners.padded_rows import PaddedRows, paddable
from .runners.prefix_cache import PrefixCache
from .runners.transformers_cache import TransformersCache
from .runners.transformers_pass import EXTRA_COST, CausalRunner, EncoderDecoderRunner, RereadingRunner, Runner
from .text.chat import Prompt
from .text.encode import Entry, finish_unwritten, shown
from .text.languages import Languages
from .text.open_tokenizer import note_of
from .text.text_stream import TextStream
from .text.tokenizer import Vocabulary
from .weights.int8_modules import renew_team, team_of
from .weights.own_weights import OwnWeights

if TYPE_CHECKING:  # heavy imports
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

    from .runners.int8 import Int8Model

Start: TypeAlias = tuple[list[int], Runner, int]


class LocalEngine:
    """One model with its tokenizer and KV cache. One thread calls it."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        origin: str,
        details: Details = NO_DETAILS,
        int8: Int8Model | None = None,
    ) -> None:
        """If `int8` holds the weights, `model` only describes them: its own weights are empty."""
        self.model, self.tokenizer = model, tokenizer
        self._int8, self._encodes = int8, bool(model.config.is_encoder_decoder)
        self._threads = int8 or team_of(model)  # None where torch multiplies the weights
        self._vocabulary = Vocabulary(tokenizer, self._encodes, begins=capabilities.begins_with_bos(model))
        self._ends = end_ids(model.generation_config) or end_ids(model.config)
        self._size, logits = model.get_input_embeddings().num_embeddings, capabilities.logit_count(model)
        self._languages = Languages(tokenizer, self._encodes)
        ends = self._ends | self._vocabulary.turn_ends
        self._constraints = Constraints(self._vocabulary, logits, ends, self._encodes)
        self._prefix, self._kv = PrefixCache(), kv_choice(int8, model, details)
        self._recordings = capabilities.recordings(model)
        self._kernels = self._threads is not None or capabilities.uses_compiled_sampler(model)
        self._weights = OwnWeights(model)
        self._border = None if int8 else longrope.border(model)
        self._info = ModelInfo(
            name=name,
            source=origin,
            revision=details.revision,
            dtype=details.dtype if self._threads else str(model.dtype).removeprefix("torch."),
            device="cpu" if int8 else str(model.device),
            parameters=sum(p.numel() for p in model.parameters()),
            window=capabilities.window(model),
            quantized=details.quantized,
            architecture=type(model).__name__,
            note=details.note,
            fault=details.fault,
            kind=capabilities.kind(model, tokenizer),
            tokenizer_note=note_of(tokenizer),
            recommended=recommended(model.generation_config),
            loss=details.probe.loss if details.probe else None,
        )
        self.probe = details.probe
        self.aside = aside_of(self._int8, self._recordings)
        self._entry = Entry(self._vocabulary, self._info, self._size, self._ends, logits)
        self._inside = OpenModel(model, self._vocabulary, name, self._reading, details.wide if self._threads else None)

    @property
    def info(self) -> ModelInfo:
        return self._info if self._info.revision else replace(self._info, revision=self._weights.revision)

    def footprint(self) -> Footprint:
        weights = (self._int8.nbytes if self._int8 else memory.weight_bytes(self.model)) + self._inside.nbytes
        recorded = self._recordings.bytes if self._recordings else 0
        return Footprint(weights, self._prefix.bytes + recorded, self._prefix.tokens, self._prefix.types)

    def after_fork(self) -> None:
        forked.compute_alone(self.info.name, self.info.device)
        self._forget()
        if self._int8 is not None:
            self._int8.after_fork()
        elif self._threads is not None:
            self._threads = renew_team(self.model)

    def _forget(self) -> None:
        """Let go of everything but the weights."""
        self._prefix.clear()
        self._inside.forget()
        if self._recordings:
            self._recordings.clear()

    def decode(self, ids: Sequence[int], prompt_ids: Sequence[int] = ()) -> str:
        """Text of `ids` after `prompt_ids`, all at once: what their stream joins to."""
        return self._vocabulary.decode(ids, self._before(prompt_ids))

    def stream(self, request: Request, stop: StopEvent) -> Iterator[Event]:
        """Answer `request`; see engine.Engine. Raises BadPrompt, BadOption or OutOfMemory."""
        self._inside.forget(old=True)
        yield from self._guarded(self._answer(request, stop, time.perf_counter()))

    def stream_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent) -> Iterator[Event]:
        """Answer many requests; see engine.Engine. Raises OutOfMemory."""
        yield from self._guarded(self._answer_many(requests, stop, time.perf_counter()))

    def examine(self, question: Question[Any], stop: StopEvent) -> Iterator[Event]:
        """Answer a question about the inside; see engine.Engine. Raises BadOption, Stopped or OutOfMemory."""
        yield from self._guarded(self._looked(question, stop, time.perf_counter()))

    def _looked(self, question: Question[Any], stop: StopEvent, started: float) -> Iterator[Event]:
        if isinstance(question, TextQuestion):
            self._entry.check_window(max(len(question.text.source), len(question.text.ids)), 0, new=0)
        found = yield from answer_question(self._inside, question, stop)
        yield Finish(("stop",), ("",), Usage(), Timing(total_s=time.perf_counter() - started), self.info, found=found)

    def _guarded(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events, while threads are awake and the model is not in training; memory that ran out is given back."""
        training = self.model.training
        self.model.eval()
        failure: CompleteError | None = None
        try:
            with self._threads.awake() if self._threads else nullcontext():
                yield from events
        except (RuntimeError, MemoryError) as error:
            failure = memory.out_of_memory(error, f"generating with {self.info.name}")
            if failure is None:
                raise
        finally:
            self.model.train(training)
        if failure is not None:  # raised out here, where the failed pass's tensors are gone
            self._forget()
            memory.release()
            raise failure

    def _answer(self, request: Request, stop: StopEvent, started: float) -> Iterator[Event]:
        request, told = self._entry.recommended(request)
        yield from told
        composed = self._entry.settle(request)
        if composed is not None:
            yield self._languages.noted(composed, request.framing)
        with self._languages.source(request.framing):
            prompt, thinks = entry = self._entry.prompt(request, composed)
        if request.mode == "preview":
            yield finish_unwritten(self.info, request, prompt, self._vocabulary.steps(prompt), started, stop)
            return
        self._entry.check_room(request, len(prompt), self._encodes, capabilities.source_window(self.model))
        if request.mode == "score":
            yield from self._score(request, prompt, stop, started)
        elif thinks == "no":
            yield from self._continue(request, prompt, shown(request, composed), stop, started)
        else:
            yield from self._think(request, entry, shown(request, composed), stop, started)

    def _think(self, request: Request, prompt: Prompt, shown: str, stop: StopEvent, started: float) -> Iterator[Event]:
        """The tokens of the thinking after a prompt, and then those of the answer."""
        self._constraints.of(request, [], stop=stop)  # a form that cannot be had is refused at once
        thinking = Thinking(self._vocabulary, self._entry.ends(request), request, prompt)
        total = len(prompt.ids)
        limit, ends = self._entry.thinking_limit(request, total), self._entry.ends(request)
        runner, cached = self._resumed(prompt.ids, stop, self._check_memory(1, total + limit))
        sampling = own_sampling(request.sampling, self._config(request))
        sampler = Sampler(sampling, self._rules(total, limit, request), self._kernels)
        places = [self._prefix.parted, *turn_ends(prompt.ids, ends)]
        yield from thinking.events(runner, cached, sampler, limit, stop, places)
        self._keep(runner, thinking.held)
        for event in self._continue(thinking.request, thinking.prompt, shown, stop, started):
            yield thinking.finish(event) if isinstance(event, Finish) else event

    def _rules(self, length: int, limit: int, request: Request, prompt: Sequence[int] = ()) -> list[tuple[str, Any]]:
        """The model's own rules for up to `limit` tokens behind so many ids; `prompt` is what an encoder reads."""
        begin, source = (1, prompt) if self._encodes else (length, ())
        return model_rules(self._config(request), begin, limit, source)

    def _config(self, request: Request) -> GenerationConfig:
        return self._languages.config(self.model.generation_config, request.framing)

    def _answer_many(self, requests: Iterable[tuple[int, Request]], stop: StopEvent, started: float) -> Iterator[Event]:
        waiting = list(requests)
        by_length = sorted((request for _, request in waiting), key=lambda request: -len(request.prompt))
        longest = next(filter(None, map(self._entry.longest, by_length)), 0)  # 0: of one that cannot be answered
        rows, kept = self._rows(longest), list[tuple[Runner, Sequence[int]]]()
        seated = partial(self._seated, together=rows is not None, stop=stop)
        read = partial(self._read, form=self._kv.of(longest), kept=kept, stop=stop)
        yield from Batch(rows, seated, read, self.info, stop).answers(waiting)
        for runner, ids in kept:
            self._keep(runner, ids)
        reason: Reason = "interrupted" if stop.is_set() else "stop"
        yield Finish((reason,), ("",), Usage(), Timing(total_s=time.perf_counter() - started), self.info)

    def _rows(self, longest: int) -> Rows | None:
        """Rows of up to so many tokens; None where each request has to be answered by itself."""
        if self._int8 is not None:
            from .runners.int8_rows import Int8Rows

            return Int8Rows(self._int8, longest, form=self._kv.of(longest))
        together = not self._encodes and self._way != "again" and paddable(self.model)
        return PaddedRows(self.model) if together else None

    def _seated(self, key: int, request: Request, together: bool, stop: StopEvent) -> Seat | Answered:
        started = time.perf_counter()
        composed = self._entry.settle(request)
        prompt, thinks = self._entry.prompt(request, composed)
        alone = self._is_long(self._entry.longest(request))
        if alone or not (together and shares_passes(request) and thinks == "no"):
            return Answered(key, tuple(self._answer(request, stop, started)))
        request, told = self._entry.recommended(request)
        self._entry.check_window(len(prompt), 0, new=1)
        grammar, _ = self._constraints.of(request, [], stop=stop)
        answer, sampler, limit = self._begun(request, prompt, len(prompt), grammar=grammar)
        row = Row(key, list(prompt), answer.draws(0), grammar=grammar)
        return Seat(row, prompt, answer, sampler, limit, started, told + ((composed,) if composed else ()))

    def _read(self, ids: Sequence[int], form: KVForm, kept: list[tuple[Runner, Sequence[int]]], stop: StopEvent) -> Any:
        """A cache of `ids`, kept for the next request when the rows that copy it are done."""
        head = [*ids, ids[-1]]  # of which the last one is left out
        runner, cached = self._resumed(head, stop, form)
        for _ in prefill(runner, head, cached, stop):
            pass
        kept.append((runner, ids))
        return runner.cache

    def _continue(
        self, request: Request, prompt: list[int], shown: str, stop: StopEvent, started: float
    ) -> Iterator[Event]:
        """The tokens after `prompt`, which stands there as the text `shown`."""
        forced = [self._entry.forced(token) for token in request.forced]
        first = self._config(request).forced_bos_token_id if self._encodes else None
        grammar, forced = self._constraints.of(request, forced, first, stop)
        paths = self._paths(request, prompt, shown)
        length, sampling = 0 if self._encodes else len(prompt) + len(request.prefix), request.sampling
        longest, texts = length + self._entry.limit(sampling.max_new_tokens, length), max(sampling.num, sampling.beams)
        head, runner, cached = self._start(request, prompt, self._check_memory(texts, longest), stop)
        total = len(prompt) + len(request.prefix)
        detokenizer = self._vocabulary.detokenizer(self._before(prompt))
        before = TextStream(detokenizer, request.sampling.stop, request.prefix).before
        yield Prefill(cached, total, cached, before.shown, len(before.text))
        read, steps = cached, list[Step]()
        if request.inspect and self._encodes:  # an encoder gives its text no probability
            steps = self._vocabulary.steps(prompt)
        elif request.inspect:
            steps = yield from weigh_prompt(runner, prompt, request.sampling, self._vocabulary, total, stop)
            read = len(steps) - 1
        for done in prefill(
            runner, head, read, stop, [self._prefix.parted, *turn_ends(head, self._entry.ends(request))]
        ):
            yield Prefill(done, total, cached)
        answer, sampler, limit = self._begun(request, prompt, len(head), forced, grammar)
        if not stop.is_set():
            if paths:
                yield from answer.choose(runner, head, paths, sampler, stop)
            else:
                yield from answer.tokens(runner, head, sampler, limit, stop)
            head = answer.held
        trace = trace_of(sampler, request, prompt, shown, self.info, self._vocabulary)
        self._keep(runner, head)
        usage = Usage(total, cached, answer.count)
        reasons, tails = answer.endings(stop)
        told = (answer.timing(started), self.info, tuple(prompt), tuple(steps))
        yield Finish(reasons, tails, usage, *told, answer.matches(tails), answer.scores, recorded=trace)

    def _check_memory(self, texts: int, tokens: int) -> KVForm:
        """The form of the KV cache of so many texts, for which kept caches make room; raises OutOfMemory."""
        free = memory.free_bytes(self.info.device) + self._prefix.bytes
        return self._kv.fit(self.info.name, texts, tokens, free)

    def _before(self, prompt: Sequence[int]) -> Sequence[int]:
        """The ids that stand before the text: none where an encoder reads them."""
        return () if self._encodes else prompt

    def _paths(self, request: Request, prompt: Sequence[int], shown: str) -> list[choices.Ids]:
        """The ids of each choice, which must fit behind the prompt; none where there are no choices."""
        if not isinstance(request.structure, Choices):
            return []
        before = "" if self._encodes else shown
        paths = choices.spell(request.structure.texts, before, self._before(prompt), self._vocabulary)
        self._entry.check_window(1 if self._encodes else len(prompt), 0, new=max(map(len, paths)))
        return paths

    def _begun(
        self,
        request: Request,
        prompt: list[int],
        length: int,
        forced: Sequence[int] = (),
        grammar: Grammar | None = None,
    ) -> tuple[Answer, Sampler, int]:
        """What a request's tokens are taken with, chosen by, and how many they can be, behind so many ids."""
        limit = self._entry.limit(request.sampling.max_new_tokens, length)
        config = self._config(request)
        request = replace(request, sampling=own_sampling(request.sampling, config))
        rules = self._rules(length, limit, request, prompt)
        answer = Answer(self._vocabulary, self._entry.ends(request), request, self._before(prompt), forced, grammar)
        answer.beam_score = beam_score(config)
        return answer, sampler_of(request, rules, self._kernels), limit

    def _start(self, request: Request, prompt: list[int], form: KVForm, stop: StopEvent) -> Start:
        """The ids the decoder begins from, a runner, and how many of those ids it holds already."""
        if self._encodes:
            begin = capabilities.decoder_start(self.model, self.info.name)
            return [begin, *request.prefix], EncoderDecoderRunner(self.model, prompt), 0
        head = [*prompt, *request.prefix]
        if request.inspect:  # a cache does not tell what was said of the tokens it holds
            return head, self._fresh(form=form), 0
        return head, *self._resumed(head, stop, form)

    def _resumed(self, head: Sequence[int], stop: StopEvent, form: KVForm) -> tuple[Runner, int]:
        """A runner that holds what is kept of `head`, less the last id, and how many ids that is."""
        if self._int8 is not None:
            kept, cached = self._prefix.pop(head, form=form)
            return self._int8.runner(kept, stop, form), cached
        if self._weights.changed:  # by training, say
            self._forget()
        tokens = len(head)  # of which those behind a cache come one by one, if a prompt is read whole
        least = tokens - int(1 + EXTRA_COST * tokens) if self._way == "whole" else 1
        kept, cached = self._prefix.pop(head, least, self._is_long(tokens))
        return self._fresh(kept), cached

    @cached_property
    def _way(self) -> Reading:
        """How the model can be read."""
        return "again" if self.probe is not None and self.probe.failure("pieces") else reading(self.model)

    def _is_long(self, tokens: int) -> bool:
        """Whether a text of so many tokens is read with the long factors of a longrope model."""
        return self._border is not None and tokens > self._border

    def _reading(self, text: InputIds, stop: StopEvent) -> Runner:
        """A runner that holds all of a text but its last id."""
        runner = EncoderDecoderRunner(self.model, text.source) if self._encodes else self._fresh()
        for _ in prefill(runner, text.ids, 0, stop):
            pass
        return runner

    def _fresh(self, cache: TransformersCache | None = None, form: KVForm = FLOAT32) -> Runner:
        """A runner that continues from a cache, or holds nothing yet."""
        if self._int8 is not None:
            return self._int8.runner(form=form)
        if self._way == "again":
            return RereadingRunner(self.model)
        if self._recordings is not None:
            return GraphRunner(self.model, self._recordings, cache)
        return CausalRunner(self.model, cache, whole=self._way == "whole")

    def _keep(self, runner: Runner, ids: Sequence[int]) -> None:
        """Keep the KV cache for the next request, as far as it stands for `ids`."""
        if self._encodes or runner.cache is None:
            return
        if held := runner.cache.reach(len(ids)):
            runner.cache.rewind(held)
            self._prefix.keep(ids[:held], runner.cache)

    def _score(self, request: Request, prompt: list[int], stop: StopEvent, started: float) -> Iterator[Event]:
        if self._encodes:
            raise BadOption(
                f"{self.info.name} is an encoder-decoder, which gives a text no probability.",
                "Use a decoder-only model.",
            )
        runner = self._fresh(form=self._check_memory(1, len(prompt)))
        steps = yield from weigh_prompt(runner, prompt, request.sampling, self._vocabulary, len(prompt), stop)
        self._keep(runner, prompt)
        yield finish_unwritten(self.info, request, prompt, steps, started, stop)
