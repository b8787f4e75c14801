"""Questions about the inside of a tiny model, asked of an engine."""

from __future__ import annotations

from threading import Event as StopEvent
from typing import Any

import tiny

from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.events import Finish
from jupyter_complete.protocol.question import InputIds, Question

PROMPT = "The mean of a sample estimates the mean of 数"


def text(name: str) -> InputIds:
    model, tokenizer = tiny.make(name)
    ids = tuple(tokenizer(PROMPT)["input_ids"])[:20]
    if model.config.is_encoder_decoder:
        return InputIds((model.config.decoder_start_token_id, *ids[3:9]), ids)
    return InputIds(ids)


def found(engine: LocalEngine, question: Question[Any], stop: StopEvent | None = None) -> Any:
    *_, finish = engine.examine(question, stop or StopEvent())
    assert isinstance(finish, Finish)
    return finish.found
