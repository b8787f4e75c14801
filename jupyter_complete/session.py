"""The one path from a prompt to a Stream, which magics, panels, command line and Python share.

A Session owns the settings, the resident models and the history of a kernel.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from . import prompt as prompts
from .completion import Completion, Draft
from .config import Complete
from .errors import BadOption, CompleteError
from .models import Models
from .request import Mode, Request, Sampling
from .worker import Stream

REMEMBERED = 200  # completions kept in the history


class Session:
    """Settings, resident models and history. `namespace` is searched for who still holds an unloaded model."""

    def __init__(self, config: Complete | None = None, namespace: Mapping[str, Any] | None = None) -> None:
        self.config = config or Complete()
        self.models = Models()
        self.namespace = namespace if namespace is not None else {}
        self.history: deque[Completion] = deque(maxlen=REMEMBERED)

    @property
    def last(self) -> Completion | None:
        """The newest completion."""
        return self.history[-1] if self.history else None

    @property
    def last_continued(self) -> Completion | None:
        """The newest completion that continued a text: none that only measured one."""
        continued = (one for one in reversed(self.history) if one.request and one.request.mode == "continue")
        return next(continued, None)

    def stream(self, prompt: str, mode: Mode = "continue", **options: Any) -> Stream:
        """Begin to complete `prompt`; `options` are the names of `Complete`'s traits. Raises BadOption, BadPrompt
        or UnknownModel at once; what the model has to say comes with the stream."""
        settings = self.config.checked(options)
        sampling = self._seeded(self.config.sampling(settings))
        if mode != "continue":
            sampling = replace(sampling, num=1, beams=1)
        request = Request(
            prompt=prompts.checked(prompt),
            sampling=sampling,
            chat=settings["chat"],
            mode=mode,
            model=settings["model"],
            lookup=settings["lookup"],
        )
        return self._submit(request, Draft(request))

    def complete(self, prompt: str, **options: Any) -> Completion:
        """The completion of `prompt`, when it is done."""
        return self.stream(prompt, **options).result()

    def more(self, completion: Completion, **options: Any) -> Stream:
        """Begin to continue a completion where it ended, with its own settings but for `options`."""
        for name in options:
            if name not in Sampling.__dataclass_fields__:
                raise BadOption(f"{name} cannot change in a continuation.", "Complete the text anew with it.")
        changed = {name: value for name, value in self.config.checked(options).items() if name in options}
        own = {**changed, **({"stop": tuple(changed["stop"])} if "stop" in changed else {})}
        sampling = replace(completion.params, **{"num": 1, "seed": completion.seed, **own})
        request = Request(
            prompt=completion.prompt,
            sampling=self._seeded(sampling),
            chat=completion.request.chat if completion.request else False,
            model=completion.request.model if completion.request else self.config.model,
            prompt_ids=completion.prompt_ids or None,
            prefix=tuple(step.id for step in completion.tokens),
            lookup=self.config.lookup,
        )
        return self._submit(request, Draft(request, earlier=completion))

    def _submit(self, request: Request, draft: Draft) -> Stream:
        resident = self.models.resident(request.model, self.config.dtype, self.config.device)
        stream = self.models.submit(resident, request, draft)
        stream.continue_with = lambda completion, **options: self.more(completion, **options).result()
        stream.when_done = self._remember
        return stream

    def _remember(self, done: Completion) -> None:
        """Keep `done` as the newest; a request that failed before it had any text takes no completion's place."""
        if done.finish_reason != "error" or done.text:
            self.history.append(done)

    def preload(self) -> None:
        """Begin to get the default model ready; what goes wrong is told by the first request."""
        with suppress(CompleteError):
            self.models.load(self.config.model, self.config.dtype, self.config.device)

    def close(self) -> None:
        """Stop what runs, and let go of all models."""
        for resident in self.models:
            self.models.unload(resident.name)

    @staticmethod
    def _seeded(sampling: Sampling) -> Sampling:
        """With a seed, drawn where none was given: every sampled run can be repeated."""
        if sampling.greedy:
            return replace(sampling, seed=None)
        return sampling if sampling.seed is not None else replace(sampling, seed=secrets.randbelow(2**31))


_current: Session | None = None


def current() -> Session:
    """The kernel's session, made on first use."""
    global _current
    if _current is None:
        _current = Session()
    return _current
