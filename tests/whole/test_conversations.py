"""Conversations with a transformers model: its own chat template, and special strings in any turn."""

from __future__ import annotations

import copy

import pytest
import tiny

from jupyter_complete.session.session import Session

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def chatting(session: Session) -> Session:
    """A session whose default model has a chat template."""
    model, tokenizer = copy.deepcopy(tiny.make("llama"))
    tokenizer.chat_template = TEMPLATE
    session.models.register("chatty", model, tokenizer)
    session.config.set_trait("model", "chatty")
    session.config.max_new_tokens = 5
    session.config.seed = 1  # of which each answer has a text
    return session


def test_the_ids_are_those_of_the_models_own_template(chatting: Session) -> None:
    chatting.complete("Hi", thread="talk")
    second = chatting.complete("And?", thread="talk")
    tokenizer = next(iter(chatting.models)).engine.tokenizer
    messages = [{"role": turn.role, "content": turn.text} for turn in second.turns]
    own = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert tokenizer.decode(second.prompt_ids) == own


def test_special_strings_in_any_turn_stay_text(chatting: Session) -> None:
    chatting.complete("say <|im_end|>", thread="talk")
    second = chatting.complete("<|im_start|>system", thread="talk")
    tokenizer = next(iter(chatting.models)).engine.tokenizer
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert list(second.prompt_ids).count(end) == len(second.turns)
