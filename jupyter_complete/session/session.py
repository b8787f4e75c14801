"""The one path from a prompt to a Stream, which magics, panels, command line and Python share.

A Session owns the settings, the resident models and the history of a kernel.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import index
from typing import Any, SupportsIndex
from zlib import crc32

from ..prompt import compose as prompts
from ..prompt.tasks.registry import Tasks
from ..protocol.config import Complete
from ..protocol.errors import BadOption, BadPrompt, CompleteError
from ..protocol.events import Step
from ..protocol.phrases import count
from ..protocol.prompt_parts import Excerpt, Text, Turn, plain
from ..protocol.request import Framing, Mode, Request
from ..protocol.sampling import Sampling
from ..protocol.structure import Choices
from ..results.branches import bound
from ..results.completion import Completion
from ..results.draft import Answers, Done, Draft
from .history import History
from .residents import Models
from .resolve import Resolved, compose_prompt, resolve
from .stream import Pending, Stream

SEEDS = 2**63  # of which the last is the largest that an option takes


def draw_seed() -> int:
    """A seed for a request that was given none."""
    return random.SystemRandom().randrange(2**31)


def prompt_seed(seed: int, prompt: str, repeat: int) -> int:
    """The seed of one prompt among many: a sum with its checksum, and with how often the same prompt came before it."""
    return (seed + crc32(prompt.encode("utf-8", "surrogatepass")) + repeat) % SEEDS


class Session:
    """Settings, resident models and history. `namespace` is searched for who still holds an unloaded model."""

    def __init__(self, config: Complete | None = None, namespace: Mapping[str, Any] | None = None) -> None:
        self.config = config or Complete()
        self.models = Models(lambda: self.config.remotes, lambda: self.config.share)
        self.namespace = namespace if namespace is not None else {}
        self.history = History()
        self.tasks = Tasks(lambda: self.config.tasks_folder)
        self.threads: dict[str, tuple[Turn, ...]] = {}  # conversations by name
        self.unfinished: dict[str, Any] = {}  # columns that an interrupt left half filled, by what was asked for
        self.panels: dict[tuple[str, str], object] = {}  # by the document's name, or by the cell that shows it
        self.watch: Callable[[Pending[Any], str], None] | None = None  # how a notebook says what it waits for
        self.frame: Any = None  # the newest, whole or as an interrupt left it

    def known(self) -> dict[str, list[str]]:
        """The names that an option's tag `known` stands for."""
        return {"models": self.models.names(), "threads": list(self.threads), "tasks": self.tasks.names()}

    @property
    def last(self) -> Completion | None:
        """The newest completion."""
        return self.history[-1] if self.history else None

    @property
    def last_continued(self) -> Completion | None:
        """The newest completion that continued a text: none that only measured one."""
        continued = (one for one in reversed(self.history) if one.request and one.request.mode == "continue")
        return next(continued, None)

    def stream(
        self,
        prompt: str | Text,
        mode: Mode = "continue",
        source: str | None = None,
        excerpts: Sequence[Excerpt] = (),
        turns: Sequence[Turn] = (),
        behind: bool = False,
        **options: Any,
    ) -> Stream:
        """Begin to complete `prompt`; `options` are the names of `Complete`'s traits. Raises BadOption, BadPrompt
        or UnknownModel at once; what the model has to say comes with the stream.

        `source` is the text as typed where the prompt has values in it; `excerpts` are the cells that may be put ahead
        of it, and `turns` those of the conversation that a message goes on. Other requests go ahead of one that is
        `behind`.
        """
        request = self.request(prompt, mode, source, (tuple(excerpts), tuple(turns)), **options)
        return self._submit(request, Draft(request), behind)

    def request(
        self,
        prompt: str | Text,
        mode: Mode = "continue",
        source: str | None = None,
        earlier: tuple[tuple[Excerpt, ...], tuple[Turn, ...]] = ((), ()),
        **options: Any,
    ) -> Request:
        """The request that `stream` submits; `earlier` are its excerpts and turns. Raises BadOption or BadPrompt."""
        text = prompt if isinstance(prompt, tuple) else (prompts.check(prompt),)
        resolved = resolve(self.config, self.tasks, self.namespace, options)
        sampling = self._with_seed(self.config.to_sampling(resolved.settings), resolved.recommended)
        return self._request(text, resolved, sampling, mode, source, earlier)

    def suggest(
        self, prompt: str, excerpts: Sequence[Excerpt] = (), first: Sequence[int] = (), **options: Any
    ) -> Stream:
        """Begin to complete `prompt` with a text that is kept nowhere, behind all other requests.

        The cells of `excerpts` take up to `Complete.ghost_context` tokens. The ids `first` begin the text.
        """
        resolved = resolve(self.config, self.tasks, self.namespace, options)
        made = self._request((prompts.check(prompt),), resolved, self.config.to_sampling(resolved.settings))
        composed = compose_prompt((prompt,), resolved, (), tuple(excerpts), self.config)
        if composed is not None:
            composed = replace(composed, context_tokens=self.config.ghost_context)
        request = replace(made, composed=composed, forced=tuple(first), trace=0)
        resident = self.models.resident(request.model, *self.config.loading())
        return self.models.submit(resident, request, Draft(request), behind=True)

    def requests(self, texts: Mapping[int, str], **options: Any) -> dict[int, Request | CompleteError]:
        """A request for each prompt, by its key, or what is wrong with that prompt. The seed of each is that of all and
        the prompt's own (`prompt_seed`), wherever it stands among them. Raises BadOption or UnknownModel."""
        resolved = resolve(self.config, self.tasks, self.namespace, options)
        sampling = self._with_seed(self.config.to_sampling(resolved.settings), resolved.recommended)
        self.models.find(resolved.settings["model"])
        made: dict[int, Request | CompleteError] = {}
        seen: Counter[str] = Counter()
        for key, text in texts.items():
            seed = None if sampling.seed is None else prompt_seed(sampling.seed, text, seen[text])
            own = replace(sampling, seed=seed)
            seen[text] += 1
            try:
                made[key] = self._request((prompts.check(text),), resolved, own)
            except BadPrompt as error:
                made[key] = error
        return made

    def stream_many(self, requests: Mapping[int, Request], done: Done) -> Pending[Answers]:
        """Submit many requests to one model, in their order.

        `done` is called with each key and its Completion, or its error, while the stream is followed.
        """
        model = next(iter(requests.values())).model
        resident = self.models.resident(model, *self.config.loading())
        return self.models.submit_many(resident, requests.items(), Answers(requests, done))

    def _request(
        self,
        text: Text,
        resolved: Resolved,
        sampling: Sampling,
        mode: Mode = "continue",
        source: str | None = None,
        earlier: tuple[tuple[Excerpt, ...], tuple[Turn, ...]] = ((), ()),
    ) -> Request:
        if mode != "continue":
            sampling = replace(sampling, num=1, beams=1)
        if isinstance(resolved.structure, Choices):  # all are weighed, and nothing is drawn
            sampling = replace(sampling, num=1, beams=1, seed=None)
        excerpts, turns = earlier
        if resolved.framing.thread:
            turns = self.threads.get(resolved.framing.thread, ())
        return Request(
            prompt=prompts.check(plain(text) if source is None else source),
            sampling=sampling,
            framing=resolved.framing,
            composed=compose_prompt(text, resolved, turns, excerpts, self.config),
            beneath=resolved.beneath,
            mode=mode,
            model=resolved.settings["model"],
            inspect=resolved.settings["inspect"],
            lookup=resolved.settings["lookup"],
            structure=resolved.structure,
            trace=self._trace_bytes(resolved.settings, mode),
            recommended=resolved.recommended,
            quiet=resolved.settings["footer"] == "quiet",
            host=self.models.host(resolved.settings["model"]),
        )

    @staticmethod
    def _trace_bytes(settings: Mapping[str, Any], mode: Mode) -> int:
        """The bytes a trace may take; raises BadOption where there would be several continuations to trace."""
        if not settings["trace"] or mode != "continue":
            return 0
        if settings["num"] > 1 or settings["beams"] > 1:
            raise BadOption("A trace is of one continuation.", "Leave out num (-n) and beams (--beams).")
        return int(settings["trace_bytes"])

    def complete(self, prompt: str, **options: Any) -> Completion:
        """The completion of `prompt`, when it is done."""
        return self.stream(prompt, **options).result()

    def more(self, completion: Completion, **options: Any) -> Stream:
        """Begin to continue a completion where it ended, with its own settings but for `options`.

        With `inspect=True` the prompt's tokens are measured too, where they are not known yet.
        """
        return self._continue(completion, len(completion.tokens), (), {"seed": completion.seed}, options)

    def branch(self, completion: Completion, at: int, token: int | str | None = None, **options: Any) -> Stream:
        """Begin another continuation after a completion's first `at` tokens, with its own settings but for `options`.

        It begins with `token`, an id or a text of one token; without one the seed is another. With `inspect=True` the
        prompt's tokens are measured too, where they are not known yet. Raises BadOption.
        """
        place = _place(at, len(completion.tokens))
        if token is None:
            return self._continue(completion, place, (), {"seed": None}, options)
        return self._continue(
            completion, place, (_token(token, completion, place),), {"seed": completion.seed}, options
        )

    def _continue(
        self,
        completion: Completion,
        at: int,
        forced: tuple[int | str, ...],
        own: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> Stream:
        """Begin a continuation of a completion's first `at` tokens; its settings, then `own`, then `options` count."""
        request = self._continuation(completion, at, forced, own, options)
        return self._submit(request, Draft(request, completion, at))

    def preview(self, completion: Completion, at: int, **options: Any) -> Stream:
        """Begin a continuation of a completion's first `at` tokens that is kept nowhere, with its own seed."""
        own = {"seed": completion.seed}
        request = replace(self._continuation(completion, at, (), own, options), trace=0)
        resident = self.models.resident(request.model, *self.config.loading())
        return self.models.submit(resident, request, Draft(request, completion, at))

    def _continuation(
        self,
        completion: Completion,
        at: int,
        forced: tuple[int | str, ...],
        own: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> Request:
        """Return the request of a continuation."""
        options = self.config.drop_unset(options)
        for name in options:
            if name not in Sampling.__dataclass_fields__ and name != "inspect":
                raise BadOption(f"{name} cannot change in a continuation.", "Complete the text anew with it.")
        changed = {name: value for name, value in self.config.checked(options).items() if name in options}
        inspect = changed.pop("inspect", False)
        if "stop" in changed:
            changed["stop"] = tuple(changed["stop"])
        before = completion.request
        return Request(
            prompt=completion.prompt,
            sampling=self._with_seed(replace(completion.params, **{"num": 1, **own, **changed})),
            framing=before.framing if before else Framing(),
            beneath=before.beneath if before else {},
            model=before.model if before else self.config.model,
            prompt_ids=completion.prompt_ids or None,
            unfinished=completion.unfinished,
            thought=len(completion.thinking_tokens) if completion.unfinished else 0,
            prefix=() if before and before.host else tuple(_ids(completion.tokens[:at])),
            forced=forced,
            inspect=inspect and not completion.prompt_tokens,
            lookup=self.config.lookup,
            trace=self._trace_bytes_after(completion, changed),
            structure=before.structure if before and not isinstance(before.structure, Choices) else None,
            quiet=self.config.footer == "quiet",
            **_remote_part(completion, at),
        )

    def _trace_bytes_after(self, completion: Completion, changed: Mapping[str, Any]) -> int:
        """The bytes a trace may take of what goes on from a completion: none where that has none."""
        several = changed.get("num", 1) > 1 or changed.get("beams", completion.params.beams) > 1
        return 0 if completion.trace is None or several else self.config.trace_bytes

    def _submit(self, request: Request, draft: Draft, behind: bool = False) -> Stream:
        resident = self.models.resident(request.model, *self.config.loading())
        stream = self.models.submit(resident, request, draft, behind)
        stream.continue_with = self._resume
        stream.when_done = self._remember
        return stream

    def _remember(self, done: Completion) -> None:
        """Keep `done` as the newest; a request that failed before it had any text takes no completion's place."""
        if done.finish_reason == "error" and not (done.text or done.thinking):
            return
        self.history.append(done)
        self._add_turns(done)
        if done.parent is not None:
            for one in (done, *done.alternatives):
                done.parent.adopt(one)
            bound(done)

    def _add_turns(self, done: Completion) -> None:
        """Keep the turns of a conversation with a new one, or with more of the last one."""
        name = done.request.framing.thread if done.request and done.request.mode == "continue" else ""
        if not name or not done.text:
            return
        kept = self.threads.get(name, ())
        if done.turns[:-1] == kept or done.turns == kept[:-1]:
            self.threads[name] = (*done.turns, Turn("assistant", done.text))

    def _resume(self, completion: Completion, **options: Any) -> Completion:
        """What `Completion.more` and `Completion.branch` ask for."""
        begin = self.branch if "at" in options else self.more
        return begin(completion, **options).result(self.watch)

    def preload(self) -> None:
        """Begin to get the default model ready; what goes wrong is told by the first request."""
        with suppress(CompleteError):
            self.models.load(self.config.model, *self.config.loading())

    def close(self) -> None:
        """Stop what runs, and let go of all models."""
        for resident in self.models:
            self.models.unload(resident.name)

    @staticmethod
    def _with_seed(sampling: Sampling, recommended: Sequence[str] = ()) -> Sampling:
        """With a seed, drawn where none was given: every sampled run can be repeated. A model whose `recommended`
        temperature counts may sample too."""
        if sampling.greedy and not (sampling.beams == 1 and "temperature" in recommended):
            return replace(sampling, seed=None)
        return sampling if sampling.seed is not None else replace(sampling, seed=draw_seed())


def _ids(steps: Sequence[Step]) -> list[int]:
    return [step.id for step in steps if step.id is not None]


def _remote_part(completion: Completion, at: int) -> dict[str, Any]:
    """What a server needs of the completion that it continues: texts, for it takes no ids."""
    host = completion.request.host if completion.request else ""
    if not host:
        return {}
    whole = at >= len(completion.tokens)
    written = completion.text if whole else "".join(step.text for step in completion.tokens[:at])
    return {"host": host, "written": written, "turns": completion.turns}


def _place(at: int, tokens: int) -> int:
    """`at` counted from the beginning of so many tokens; the place behind the last one is one too."""
    if not isinstance(at, SupportsIndex):
        raise BadOption(f"at must be a whole number, but is {at!r}.", "Give the number of tokens to keep.")
    at = index(at)
    if not -tokens <= at <= tokens:
        ends = f" or -1 to -{tokens} from the end" if tokens else ""
        raise BadOption(f"at is {at}, and the completion has {count(tokens, 'token')}.", f"Give 0 to {tokens}{ends}.")
    return at + tokens if at < 0 else at


def _token(token: int | str, completion: Completion, at: int) -> int | str:
    """The token by its id, where the candidates recorded at its place tell it; a text that they do not know stays."""
    if isinstance(token, SupportsIndex):
        return index(token)
    if not isinstance(token, str):
        raise BadOption(f"A token is an id or a text, not {type(token).__name__}.", "Give an int or a str.")
    step = completion.tokens[at] if at < len(completion.tokens) else completion.end
    known = [candidate for candidate in (step.top if step else ()) if candidate.text == token]
    found = [candidate.id for candidate in known if candidate.id is not None]
    if completion.request is not None and completion.request.host:  # a server takes texts
        return token
    if len(found) > 1:
        raise BadOption(f"{token!r} is the text of {len(found)} candidates here.", f"Give one by its id: {found}.")
    return found[0] if found else token


_current: Session | None = None


def current() -> Session:
    """The kernel's session, made on first use."""
    global _current
    if _current is None:
        _current = Session()
    return _current
