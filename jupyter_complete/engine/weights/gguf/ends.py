"""Which tokens end an answer: those that the header names, and the token that the chat template puts after one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fields import Fields

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAMED = ("eos", "eot", "eom")
# Tokens of these names end a turn in every model that has them, whatever its header says.
TURN_ENDS = (
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|return|>",
)
HARMONY = ("<|return|>", "<|call|>")  # of gpt-oss, where <|end|> ends a channel and not the answer
ANSWER = "an answer"


def end_ids(fields: Fields, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of all tokens that end an answer; the header's EOS token is the first."""
    named = [id for name in NAMED if (id := fields.token(name)) is not None]
    known = tokenizer.get_vocab()
    ends = [known[token] for token in (*TURN_ENDS, *(HARMONY if HARMONY[0] in known else ())) if token in known]
    after = after_answer(tokenizer)
    if after is not None and not (HARMONY[0] in known and after == known.get("<|end|>")):
        ends.append(after)
    return list(dict.fromkeys([*named, *ends]))


def after_answer(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token that the chat template puts right after an answer, or None."""
    if tokenizer.chat_template is None:
        return None
    turns = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": ANSWER}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a template is a program of the model's own
        return None
    rest = text.rpartition(ANSWER)[2].lstrip()
    special = {str(one): id for id, one in tokenizer.added_tokens_decoder.items() if one.special}
    return next((special[token] for token in sorted(special, key=len, reverse=True) if rest.startswith(token)), None)
