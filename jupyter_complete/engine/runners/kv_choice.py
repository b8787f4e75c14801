"""Which form the KV cache of a text has: the form that was asked for, or a form by length and memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..details import Details
from ..kernels.kv_forms import BFLOAT16, FLOAT32, INT8, OF_NAME, KVForm
from ..machine import memory
from .capabilities import cache_bytes

if TYPE_CHECKING:  # heavy imports
    from transformers import PreTrainedModel

    from .int8 import Int8Model

LONG = 4096  # tokens from which a text's cache has 16 bits
SHARE = 4  # a cache takes one part in so many of the free memory; where it would take more, it has fewer bits


class KVChoice:
    """Chooses the form of a text's cache, as `auto` or another value of the option says.

    `bytes_of` returns the bytes of a token in a form, and `least` is the form of the fewest bytes that auto may use.
    """

    def __init__(self, bytes_of: Callable[[KVForm], int], asked: str = "float32", least: KVForm = INT8) -> None:
        self._bytes_of, self._asked, self._least = bytes_of, OF_NAME.get(asked), least

    def of(self, tokens: int, texts: int = 1, free: int | None = None) -> KVForm:
        """The form for texts of so many tokens each, where so many bytes of memory are free."""
        if self._asked is not None:
            return self._asked

        def crowds(form: KVForm) -> bool:
            return free is not None and SHARE * texts * tokens * self._bytes_of(form) > free

        if crowds(BFLOAT16):
            return self._least
        return BFLOAT16 if tokens >= LONG or crowds(FLOAT32) else FLOAT32

    def longest(self, form: KVForm) -> int:
        """How many tokens a text of this form may grow to."""
        return LONG - 1 if self._asked is None and form == FLOAT32 else sys.maxsize

    def fit(self, name: str, texts: int, tokens: int, free: int) -> KVForm:
        """The form for so many texts of a model; raises OutOfMemory where they do not fit in it."""
        form = self.of(tokens, texts, free)
        memory.check_texts(name, texts, tokens, self._bytes_of(form), free)
        return form


def kv_choice(int8: Int8Model | None, model: PreTrainedModel, details: Details) -> KVChoice:
    """The choice for a model: only the compiled step has forms to choose from."""
    if int8 is None:
        each = cache_bytes(model)
        return KVChoice(lambda form: each)
    holds = details.probe is None or not details.probe.failure("kv")
    return KVChoice(int8.token_bytes, details.kv, INT8 if holds else BFLOAT16)


def may_continue(held: object, form: KVForm | None) -> bool:
    """Whether a text whose cache has this form may go on from a kept cache, which must have at least as many bits.

    So a text does not become less exact by the texts before it.
    """
    own = getattr(held, "form", None)
    return own is None or form is None or own.number >= form.number
