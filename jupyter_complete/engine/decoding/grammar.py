"""Constrained decoding: llguidance's grammars as masks of the tokens that may be next.

One Grammar belongs to one continuation. A mask allows every token whose bytes can continue to a complete answer,
however the text is split into tokens. It allows the end of the text only where the answer is complete.
"""

from __future__ import annotations

import json
import math
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache, partial
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from ...protocol.errors import BadOption, Stopped
from ...protocol.request import Request
from ...protocol.structure import Choices, JsonSchema, Regex
from ..text.tokenizer import Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher

Made = TypeVar("Made")

OPTIONS = '%llguidance {"no_forcing": true}\n'  # without it, llguidance would choose tokens for text that is forced
SPACE = '" " '
SECONDS = 20.0  # that a grammar may take to be made
POLL = 0.05  # seconds between two looks at a stop
REMAINDERS = 10_000  # of all the multiples of a schema together
AHEAD = 1_000  # forced tokens after which a form is taken to have an end
STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}  # as json.dumps writes JSON


class Grammar:
    """The tokens that may follow in one continuation. `advance` it by each token; `copy` it for another one."""

    def __init__(self, matcher: LLMatcher, size: int, ends: frozenset[int], silent: Callable[[int], bool]) -> None:
        self._matcher = matcher
        self._size = size
        self._ends = ends
        self._silent = silent
        self._allowed: Tensor | None = None
        self._done: bool | None = None

    @property
    def allowed(self) -> Tensor:
        """Whether each token may be next: bool [V]."""
        if self._allowed is None:
            self._look()
        assert self._allowed is not None
        return self._allowed

    @property
    def done(self) -> bool:
        """Whether only the end of the text may follow: the answer is complete, or no token can continue it."""
        if self._done is None:
            self._look()
        return bool(self._done)

    @property
    def only(self) -> int | None:
        """The only token that may be next; None if there are several."""
        places = self.allowed.nonzero()
        return int(places[0]) if not self.done and len(places) == 1 else None

    @property
    def stuck(self) -> bool:
        """Whether no token can continue an answer that is not complete."""
        return self.done and not self._matcher.is_accepting()

    @property
    def whole(self) -> bool:
        """Whether the answer is complete: no limit of llguidance, on work or on states, has cut it."""
        return self.done and not self._matcher.is_error()

    def advance(self, token: int) -> bool:
        """Append a token. Returns whether it was allowed. Control tokens have no text and change nothing."""
        if token in self._ends:
            self._done = True
            return True
        if self._silent(token):
            return True
        self._allowed = self._done = None
        return bool(self._matcher.consume_token(token))

    def copy(self) -> Grammar:
        return Grammar(self._matcher.deep_copy(), self._size, self._ends, self._silent)

    def _look(self) -> None:
        import numpy as np

        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        known = min(self._size, len(bits))
        allowed = np.zeros(self._size, dtype=bool)  # by numpy, for torch would wake threads of its own
        allowed[:known] = bits[:known]
        self._allowed = torch.from_numpy(allowed)
        self._done = np.count_nonzero(allowed) == sum(bool(allowed[end]) for end in self._ends if end < self._size)


class Constraints:
    """Makes the grammars of one vocabulary, which is passed to llguidance once, with the first grammar."""

    def __init__(self, vocabulary: Vocabulary, size: int, ends: frozenset[int], opens: bool = False) -> None:
        """`size` is the number of the model's logits. `opens` says that the text has no prompt before it."""
        self._vocabulary = vocabulary
        self._size = size
        self._ends = ends
        self._opens = opens
        self._tokens: Any = None

    def of(
        self, request: Request, forced: list[int], first: int | None = None, stop: StopEvent | None = None
    ) -> tuple[Grammar | None, list[int]]:
        """Return the grammar after a request's prefix, and the forced tokens, each of which the grammar allows.

        `first` is a control token with which the model requires its text to begin. Raises BadOption, and Stopped once
        `stop` is set.
        """
        if request.structure is None or isinstance(request.structure, Choices):
            return None, forced
        grammar = self.begin(request.structure, request.prefix, stop)
        if first is not None and not request.prefix:
            forced = [first, *forced]
        ahead = grammar.copy()
        for token in forced:
            self._force(ahead, token)
        return grammar, forced

    def begin(
        self, structure: Regex | JsonSchema, prefix: Sequence[int] = (), stop: StopEvent | None = None
    ) -> Grammar:
        """Return the grammar of one continuation, advanced by the ids of `prefix`. Raises BadOption."""
        from llguidance import LLMatcher

        if self._tokens is None:
            self._tokens = _tokenizer(self._vocabulary, self._size, self._ends)
        spaced = self._opens and self._vocabulary.drops_first_space
        matcher = _in_time(partial(LLMatcher, self._tokens, _grammar(structure, spaced), log_level=0), stop)
        if matcher.is_error():
            raise BadOption(f"This form cannot be enforced: {_reason(matcher.get_error())}.", "Say it in another way.")
        made = Grammar(matcher, self._size, self._ends, self._vocabulary.is_special)
        for token in prefix:
            self._force(made, token)
        ahead = made.copy()
        for _ in range(AHEAD):
            if (only := ahead.only) is None:
                break
            ahead.advance(only)
        if ahead.stuck:
            raise BadOption("This model has no tokens for the form that was asked for.", "Use another model.")
        return made

    def _force(self, grammar: Grammar, token: int) -> None:
        """Advance a grammar by a forced token. Raises BadOption if the token is not allowed."""
        if not grammar.advance(token):
            text = self._vocabulary.token_text(token)
            raise BadOption(f"{text!r} does not fit the form that was asked for here.", "Give another token.")


def _in_time(make: Callable[[], Made], stop: StopEvent | None) -> Made:
    """Return what `make` makes, in a thread that is left to itself if it takes more than SECONDS, or `stop` is set.

    llguidance ends at limits of its own, but counts a remainder (`multipleOf`) for minutes before it does.
    """
    if (stop is not None) and stop.is_set():
        raise Stopped("The form was stopped while it was prepared.", "Run it again.")
    made: queue.SimpleQueue[Made | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            made.put(make())
        except BaseException as error:
            made.put(error)

    threading.Thread(target=work, name="grammar", daemon=True).start()
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        with suppress(queue.Empty):
            result = made.get(timeout=POLL)
            if isinstance(result, BaseException):
                raise result
            return result
        if stop is not None and stop.is_set():
            raise Stopped("The form was stopped while it was prepared.", "Run it again.")
    raise BadOption(
        f"This form takes more than {SECONDS:g} s to prepare.", "Say it in another way: with smaller numbers, or fewer."
    )


def matches(structure: Regex | JsonSchema, text: str) -> bool:
    """Whether a whole text matches a structure."""
    from llguidance import LLMatcher

    try:
        matcher = _in_time(partial(LLMatcher, _bytes(), _grammar(structure), log_level=0), None)
    except BadOption:  # what took too long once may have been in time before
        return False
    data = list(text.encode("utf-8", errors="surrogatepass"))
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


@lru_cache(maxsize=64)
def _grammar(structure: Regex | JsonSchema, spaced: bool = False) -> str:
    """Return a structure in llguidance's notation, after one space if `spaced`; JSON may begin with a space anyway.

    Raises BadOption with its reason.
    """
    from llguidance import LLMatcher, regex_to_lark

    if isinstance(structure, Regex):
        pattern = re.sub(r"(?s)\\(.)", lambda sign: "[0-9]" if sign[1] == "d" else sign[0], structure.pattern)
        what, before, body = "This regex", "", f"/{regex_to_lark(pattern, '')}/"
    else:
        what, before, body = "This schema", '" "? ', f"%json {_add_style(structure.schema)}"
    rules = f"start: {SPACE if spaced else before}body\nbody: {body}\n"
    made = json.dumps({"grammars": [{"lark_grammar": OPTIONS + rules}]})
    failed, messages = LLMatcher.validate_grammar_with_warnings(made)
    if failed:
        raise BadOption(f"{what} cannot be enforced: {_reason(messages[0])}.", "Say it in another way.")
    return made


def _add_style(schema: str) -> str:
    """Add the style of JSON to a schema, where the schema does not state its own."""
    read = json.loads(schema)
    _check_multiples(read)
    if not isinstance(read, dict):
        return schema if read is False else json.dumps({"x-guidance": STYLE})
    own = read.get("x-guidance", {})
    if not isinstance(own, dict):
        raise BadOption("This schema cannot be enforced: its x-guidance is no mapping.", "Leave that out.")
    return json.dumps({**read, "x-guidance": {**STYLE, **own}})


def _check_multiples(schema: object) -> None:
    """Raise BadOption for a multipleOf with more remainders than there is time to count."""
    waiting, together = [schema], 1
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(step := one.get("multipleOf"), (int, float)) and step > 0:
                digits = int("".join(map(str, Decimal(str(step)).as_tuple().digits)).rstrip("0") or "1")
                together = math.lcm(together, digits)
                if together > REMAINDERS:
                    raise BadOption(
                        f"This schema cannot be enforced: multipleOf {step} has too many remainders.",
                        f"Use one of at most {REMAINDERS:,}.",
                    )
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _reason(message: str) -> str:
    """Return the line of llguidance's message that states the reason."""
    told = re.search(r"error: (.+)", message)
    line = told[1] if told else message.strip().splitlines()[0]
    line = re.sub(r"^at \d+\(\d+\): |^failed to compile JSON schema: |^invalid regex .* \(in regex\): ", "", line)
    return re.sub(r"^failed to compile JSON schema: ", "", line).strip().rstrip(".")[:200]


class _TokenTable:
    """A vocabulary as llguidance reads it: the bytes of each token, empty for tokens without text."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, tokens: list[bytes], end: int, special: list[int]) -> None:
        self.tokens = tokens
        self.eos_token_id = end
        self.special_token_ids = special

    def __call__(self, text: str | bytes) -> list[int]:
        """Required by llguidance, and never called for a mask."""
        return []


def _tokenizer(vocabulary: Vocabulary, size: int, ends: frozenset[int]) -> Any:
    from llguidance import LLTokenizer

    known = {end for end in ends if end < size}
    tokens = [b"" if id in known else vocabulary.bytes_of(id) for id in range(size)]
    if not known:  # it wants an end of text, which is then one that the model does not know
        known, tokens = {size}, [*tokens, b""]
    for end in known:
        tokens[end] = f"<end {end}>".encode()
    told: Any = _TokenTable(tokens, min(known), sorted(known))
    return LLTokenizer(told, n_vocab=len(tokens), eos_token=sorted(known))


@lru_cache(maxsize=1)
def _bytes() -> Any:
    """Return a vocabulary of the 256 bytes."""
    from llguidance import LLTokenizer

    told: Any = _TokenTable([*(bytes([byte]) for byte in range(256)), b"<end>"], 256, [256])
    return LLTokenizer(told, n_vocab=257, eos_token=[256])
