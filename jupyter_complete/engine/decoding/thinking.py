"""The thinking before an answer: tokens up to the model's own end mark, or up to a limit, where that mark is put.

The answer's prompt is the prompt with the thinking behind it. So forms, choices, beams, several continuations, branches
and traces belong to the answer alone, and none of them knows of thinking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from threading import Event as StopEvent

from ...protocol.events import Finish, Prefill, Step, Thought
from ...protocol.request import Request
from ..runners.transformers_pass import Runner
from ..text.chat import Prompt
from ..text.encode import MARKS
from ..text.thinking_reader import ThinkingReader
from ..text.tokenizer import Vocabulary
from .continuations import step_of
from .loop import Row, decode_alone, prefill
from .prompt_lookup import Lookup
from .sampler import Choice, Draws, Sampler

OTHER = 0x5BD1E995  # makes the seed of the thinking from the request's seed, whose draws are the answer's


class Thinking:
    """The thinking of one request, and `prompt`: the ids that its answer follows.

    `held` are the ids of the runner's row, for which its cache may be kept. `count` is the number of tokens decoded.
    """

    def __init__(self, vocabulary: Vocabulary, ends: frozenset[int], request: Request, prompt: Prompt) -> None:
        marks = vocabulary.chat.markers
        assert marks is not None
        self._vocabulary, self._marks, self._ends = vocabulary, marks, ends
        self._request = request
        self._given = prompt.ids
        self._reader = ThinkingReader(marks, opened=prompt.thinks == "open")
        self._detokenizer = vocabulary.detokenizer(prompt.ids)
        self._whole = len(prompt.ids)  # ids up to the end of the last section that is whole
        self._ended = self._closed = False
        self._cached = 0
        self._pending = ""  # text to show with the next token
        self.prompt = list(prompt.ids)
        self.held = list(prompt.ids)
        self.count = 0

    def events(
        self,
        runner: Runner,
        cached: int,
        sampler: Sampler,
        limit: int,
        stop: StopEvent,
        places: Collection[int] = (),
    ) -> Iterator[Prefill | Thought]:
        """Read the prompt, of which the runner holds `cached` ids, and think up to `limit` tokens.

        `places` are those of prefill.
        """
        self._cached, total = cached, len(self._given)
        yield Prefill(cached, total, cached)
        for done in prefill(runner, self._given, cached, stop, places):
            yield Prefill(done, total, cached)
        if not stop.is_set():
            yield from self._think(runner, sampler, limit, stop)

    def _think(self, runner: Runner, sampler: Sampler, limit: int, stop: StopEvent) -> Iterator[Thought]:
        """Yield up to `limit` tokens of thinking, and then its end; nothing where the model answers at once.

        The runner holds all of the prompt but the last id. Sets `prompt` and `held`.
        """
        row = Row(0, list(self._given), self._draws(0))
        if self._reader.begun:
            row.draws = self._draws(OTHER, self._request.thought)
        if self._request.lookup and runner.at_once > 1:
            row.lookup = Lookup(row.ids)
        room = limit + MARKS if limit > 0 else 0
        for _, choice in decode_alone(runner, row, sampler, room, stop, self._ends):
            yield from self._take(row, choice, limit)
        self.held = row.ids
        yield from self._close(row.ids, stop)

    @property
    def request(self) -> Request:
        """The request for the answer, which ends at the mark that the model puts there."""
        if not self._marks.ends or not self._reader.begun:
            return self._request
        sampling = self._request.sampling
        return replace(self._request, sampling=replace(sampling, stop=(*sampling.stop, self._marks.ends)))

    def finish(self, finish: Finish) -> Finish:
        """The end of the request, whose prompt is what was given and not the thinking."""
        given = len(self._given)
        usage = replace(finish.usage, prompt_tokens=given, cached_tokens=self._cached, thinking_tokens=self.count)
        unfinished = self._reader.state == "thinking" and not self._closed
        return replace(finish, usage=usage, prompt_steps=finish.prompt_steps[:given], unfinished=unfinished)

    def _draws(self, other: int, skip: int = 0) -> Draws | None:
        sampling = self._request.sampling
        return None if sampling.greedy or sampling.seed is None else Draws(sampling.seed ^ other, skip)

    def _take(self, row: Row, choice: Choice, limit: int) -> Iterator[Thought]:
        """Read a token; yields it if it belongs to the thinking, and ends the row where the thinking ends."""
        reader, before = self._reader, self._reader.state
        text = self._detokenizer.push(choice.id)
        special = self._vocabulary.is_special(choice.id)
        name = self._vocabulary.token_text(choice.id) if special else ""
        if choice.id in self._ends and name != self._marks.closes:
            self._ended, row.open = True, False
            return
        self._pending += reader.push(text + name)
        if reader.state == "thinking" and before == "thinking":
            self.count += 1
            yield Thought(step_of(choice, text, self._vocabulary), self._pending)
            self._pending = ""
        if before == "header" and reader.state == "thinking":
            row.draws = self._draws(OTHER)
        elif before == "thinking" and reader.state != "thinking":
            self._whole = len(row.ids)
        row.open = reader.state in ("header", "thinking") and self.count < limit

    def _close(self, ids: list[int], stop: StopEvent) -> Iterator[Thought]:
        """Set `prompt` to what the answer follows, and yield the end of the thinking, if there was any."""
        reader, marks = self._reader, self._marks
        if not reader.begun:  # the answer begins at once, and is decoded anew; gpt-oss has put a mark before it
            self.prompt = list(ids) if reader.state == "answer" and not self._ended else list(self._given)
            return
        if stop.is_set() and reader.state == "thinking":
            self.prompt = list(ids)
            if held := self._pending + reader.flush():
                yield Thought(Step(ids[-1], ""), held, end=True)
            return
        cut, self._closed = reader.state == "thinking", True
        if cut:
            kept = ids[:-1] if self._ended else ids
            self.prompt = [*kept, *self._vocabulary.template_ids(marks.closes + marks.answer)]
        elif reader.state == "answer" and marks.channel:
            self.prompt = list(ids)
        else:
            self.prompt = [*ids[: self._whole], *self._vocabulary.template_ids(marks.answer)]
        shown = self._pending + reader.flush()
        yield Thought(Step(self.prompt[-1], ""), shown, end=True, cut=cut and not self._ended)
