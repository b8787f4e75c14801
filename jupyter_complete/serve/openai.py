"""The OpenAI protocol: models, completions and chat completions, whole or as a stream of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

from ..protocol.errors import CompleteError
from ..protocol.events import Finish, Loading
from ..results.draft import Draft
from . import openai_request
from .fair_queue import Job
from .guard import Guarded
from .host import error_body
from .openai_answer import Writer
from .openai_request import Asked
from .outbox import Outbox, is_last

PATIENCE = 5.0  # seconds after which a stream that waits gets a comment, which keeps proxies from closing it
CLIENT = "openai"  # all who speak this protocol share one place in the queue, unless they give a user


class Models(Guarded):
    """Names that a body may ask for."""

    def get(self) -> None:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "user"} for name in self.host.names()]
        self.finish({"object": "list", "data": data})


class Answering(Guarded):
    """A body that is answered by a model. A client that is gone stops its requests."""

    read: ClassVar[Callable[..., Asked]]
    jobs: list[Job] = []

    def on_connection_close(self) -> None:
        for job in self.jobs:
            job.stop.set()

    async def post(self) -> None:
        body = self.body()
        try:
            asked = type(self).read(body, self.host.session)
        except (TypeError, ValueError) as error:
            if isinstance(error, CompleteError):
                raise
            raise CompleteError("The body has a value of the wrong type.", "See the OpenAI protocol.") from None
        outbox = Outbox(self.host.bell)
        client = f"{CLIENT} {str(body.get('user') or self.request.remote_ip or uuid4().hex)[:80]}"
        self.jobs = [Job(client, one, partial(outbox.put, number=place)) for place, one in enumerate(asked.requests)]
        self.host.submit(self.jobs, asked.model)
        try:
            await (self._stream(asked, outbox) if asked.stream else self._whole(asked, outbox))
        finally:
            outbox.close()

    async def _whole(self, asked: Asked, outbox: Outbox) -> None:
        drafts = [Draft(request) for request in asked.requests]
        while not all(draft.finish for draft in drafts):
            for place, item in await outbox.take(PATIENCE):
                if isinstance(item, CompleteError):
                    raise item
                drafts[place].take(item)
        self.finish(Writer(asked).whole([draft.completion() for draft in drafts]))

    async def _stream(self, asked: Asked, outbox: Outbox) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        writer, left, usages = Writer(asked), len(asked.requests), []
        while left:
            items = await outbox.take(PATIENCE)
            for place, item in items:
                left -= is_last(item)
                if isinstance(item, CompleteError):
                    self._send(error_body(item))
                elif not isinstance(item, Loading):
                    usages += [item.usage] if isinstance(item, Finish) else []
                    for chunk in writer.chunks(place, item):
                        self._send(chunk)
            if not items:
                self.write(": waiting\n\n")
            await self.flush()
        if asked.usage:
            self._send(writer.last(usages))
        self.write("data: [DONE]\n\n")
        await self.finish()

    def _send(self, value: dict[str, Any]) -> None:
        self.write(f"data: {json.dumps(value)}\n\n")


class Completions(Answering):
    """/v1/completions"""

    read = staticmethod(openai_request.completions)


class ChatCompletions(Answering):
    """/v1/chat/completions"""

    read = staticmethod(openai_request.chat)
