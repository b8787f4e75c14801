"""What the commands of a page ask of the model: to continue, rewrite or summarise a text, or to explain an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.text.sentences import last_end
from ..protocol.errors import BadOption
from ..session.session import Session
from ..session.stream import Stream

TASKS = {"continue": "", "rewrite": "rewrite", "summarize": "summarize", "explain": "explain"}
LEAST = 60  # tokens that another wording may have, however short the text

Tell = Callable[[dict[str, Any]], None]


class Acts:
    """Texts that commands asked for; each is told as it grows, by a thread of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._streams: dict[object, Stream] = {}

    def begin(self, message: Mapping[str, Any], tell: Tell) -> None:
        """Begin the text that a message {"act": name, "text": …, "after": …} asks for. Raises BadOption."""
        text, act, ask = str(message["text"]), str(message["act"]), message["ask"]
        if not text.strip():
            raise BadOption("There is no text here.", "Write some, or select some.")
        stream = self._session.stream(text, raw=True, **self._options(message, act, text))
        self._streams[ask] = stream
        threading.Thread(
            target=self._watch, args=(stream, ask, tell, act), daemon=True, name="jupyter_complete command"
        ).start()

    def stop(self, ask: object) -> None:
        """End a text; what is there stays."""
        if (stream := self._streams.get(ask)) is not None:
            stream.stop()

    def _options(self, message: Mapping[str, Any], act: str, text: str) -> dict[str, Any]:
        """The options of `Session.stream` for an act; raises LookupError for one that is none."""
        options: dict[str, Any] = {"task": TASKS[act], "num": 1, "chat": False, "thread": None, "trace": False}
        if act == "continue":
            after = str(message.get("after") or "")
            options |= {"end": "anywhere"} | ({"suffix": after} if after.strip() else {})  # so that the text grows
        if act == "rewrite":
            options["max_new_tokens"] = LEAST + len(text) // 2
        return options

    def _watch(self, stream: Stream, ask: object, tell: Tell, act: str) -> None:
        told = 0
        for _ in stream.ticks():
            text = stream.draft.texts[0]
            if act != "continue":
                text = text.lstrip()
            if len(text) > told and not len(stream.inbox):
                tell({"kind": "grown", "ask": ask, "text": text[told:]})
                told = len(text)
        done = stream.completion()
        self._streams.pop(ask, None)
        text = done.text if act == "continue" else done.text.strip()
        if done.finish_reason == "length" and act == "continue":
            text = text[: last_end(text, ended=True) or len(text)]
        error = str(stream.error) if stream.error is not None else ""
        tell({"kind": "whole", "ask": ask, "text": text, "reason": done.finish_reason, "why": error})
