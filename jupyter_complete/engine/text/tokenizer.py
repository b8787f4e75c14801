"""Text to ids and back, for any tokenizer of transformers, with nothing trimmed and special strings as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

from ...protocol.errors import BadOption
from ...protocol.events import Step
from ...protocol.phrases import REPLACEMENT
from ...protocol.prompt_parts import Think, Turn
from ...results.token_bytes import Pieces, bytes_of_name, is_byte
from .chat import ChatTemplate, Prompt
from .gap import Gap, find_gap
from .text_stream import ByteDetokenizer, Detokenizer, TextStream, WholeDetokenizer, WindowDetokenizer


class Vocabulary:
    """A tokenizer seen from a completion: exact encoding, and decoding that can be done token by token."""

    def __init__(self, tokenizer: Any, trailing_end: bool, begins: bool = False) -> None:
        """`trailing_end`: keep an end-of-text token that the tokenizer appends (an encoder expects it). `begins`: the
        model is of a family that reads every text after the token that begins one."""
        self.tokenizer = tokenizer
        self._begins = begins
        self._trailing_end = trailing_end
        self._byte_level = _is_byte_level(tokenizer)
        self._fast = bool(getattr(tokenizer, "is_fast", True))
        self._rewrites = not self._fast and _rewrites(tokenizer)
        self.token_bytes: Callable[[int], bytes] = lru_cache(maxsize=65536)(self._token_bytes)
        self.token_text: Callable[[int], str] = lru_cache(maxsize=65536)(self._token_text)
        self.pieces: Callable[[int], Pieces] = lru_cache(maxsize=1)(self._pieces)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; strings that look like special tokens are encoded as the characters they are."""
        ids = self._literal(text, add_special_tokens=True)
        if self._lacks_bos:
            ids.insert(0, int(self.tokenizer.bos_token_id))
        end = self.tokenizer.eos_token_id
        if not self._trailing_end and len(ids) > 1 and ids[-1] == end:
            ids.pop()
        return ids

    @cached_property
    def _lacks_bos(self) -> bool:
        """Whether the tokenizer leaves out the token that begins every text the model was trained on.

        The chat template writes that token, in Gemma 4's case; a base model has no template.
        """
        bos = self.tokenizer.bos_token_id
        if bos is None or self._literal("a", add_special_tokens=True)[:1] == [bos]:
            return False
        return self._begins or self.chat.begins_with_bos

    def encode_gap(self, before: str, after: str) -> list[int]:
        """Ids of two texts with a gap between them, up to where the text that fills it begins."""
        gap = self._gap
        assert gap is not None
        whole, bare = self.encode(before), self._literal(before, add_special_tokens=False)
        begin = whole[: len(whole) - len(bare)] if whole[len(whole) - len(bare) :] == bare else []
        try:
            follows = self.continuation(after, [gap.suffix])
        except BadOption:  # an encoder that always puts a space before a text
            follows = self._literal(after, add_special_tokens=False)
        return [*begin, *gap.around(bare, follows)]

    @property
    def gap_ends(self) -> frozenset[int] | None:
        """The tokens that end what fills a gap; None for a model that fills none."""
        return self._gap.ends if self._gap else None

    @cached_property
    def _gap(self) -> Gap | None:
        return find_gap(self.tokenizer.get_vocab())

    def count(self, text: str) -> int:
        """Tokens of a text that stands inside another."""
        return len(self._literal(text, add_special_tokens=False))

    def encode_chat(self, turns: Sequence[Turn], think: Think = "auto") -> Prompt:
        """A conversation in the model's own chat template, up to where its answer, or its thinking, begins.

        Raises BadPrompt for a conversation that the template refuses, BadOption for thinking that the model lacks.
        """
        parts, thinks = self.chat.render(turns, think)
        ids = list[int]()
        for part in parts:
            ids += self._literal(part.text, add_special_tokens=False) if part.literal else self.template_ids(part.text)
        return Prompt(ids, thinks)

    @cached_property
    def chat(self) -> ChatTemplate:
        """The model's own chat template."""
        added = self.tokenizer.added_tokens_decoder.values()
        special = [one.content for one in added if one.special]
        return ChatTemplate(self.tokenizer, special, [one.content for one in added])

    @cached_property
    def turn_ends(self) -> frozenset[int]:
        """The control token that ends an answer in the chat template, besides those that end a text."""
        name = self.chat.after_answer
        return frozenset([int(self.tokenizer.convert_tokens_to_ids(name))] if name else [])

    def template_ids(self, text: str) -> list[int]:
        """Ids of a template's text, in which the names of control tokens stand for these tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def only_token(self, text: str) -> int:
        """The id of the one token that is `text` inside a text; raises BadOption, which says what `text` encodes to."""
        spelled = self._literal(text, add_special_tokens=False)
        names = [text.replace(" ", "▁"), "##" + text]  # an encoder may put a space before what begins a text
        single = spelled if len(spelled) == 1 else []
        for id in (*single, *self.tokenizer.convert_tokens_to_ids(names)):
            if id is not None and not self.is_special(id) and self.token_text(id) == text:
                return int(id)
        told = ", ".join(f"{self.token_text(id)!r} ({id})" for id in spelled[:8]) + ", …" * (len(spelled) > 8)
        raise BadOption(f"{text[:60]!r} is not one token: it encodes to {told or 'nothing'}.", "Give one by its id.")

    def decode(self, ids: Sequence[int], prompt_ids: Sequence[int] = ()) -> str:
        """Text of `ids` as they stand after `prompt_ids`: what the pieces of `detokenizer` join to."""
        if self._byte_level:
            return self._decode(ids)
        context = self._context(prompt_ids)
        return self._decode([*context, *ids])[len(self._decode(context)) :]

    def detokenizer(self, prompt_ids: Sequence[int] = ()) -> Detokenizer:
        if self._byte_level:
            return ByteDetokenizer(self.token_bytes)
        if self._rewrites:
            return WholeDetokenizer(self._decode, self._context(prompt_ids))
        return WindowDetokenizer(self._decode, self._leaves_open, self._context(prompt_ids))

    def texts(self, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Each id with the text it adds; a special token, which adds none, with its name."""
        stream = TextStream(self.detokenizer())
        for place, token in enumerate(ids, 1):
            text = stream.push(token, "stop" if place == len(ids) else None).text
            yield token, self.token_text(token) if self.is_special(token) else text

    def steps(self, ids: Sequence[int]) -> list[Step]:
        """Each id as a step of which nothing was measured."""
        return [Step(id, text) for id, text in self.texts(ids)]

    def continuation(self, text: str, prompt_ids: Sequence[int]) -> list[int]:
        """Ids that add exactly `text` after `prompt_ids`; raises BadOption where no spelling of the tokenizer does."""
        spellings = [text, text[1:]] if text.startswith(" ") else [text]  # an encoder may put a space before
        for spelled in spellings:
            ids = self._literal(spelled, add_special_tokens=False) if spelled else []
            if ids and self.decode(ids, prompt_ids) == text:
                return ids
        for before in ("\n", ")", "a"):
            begun = self._literal(before, add_special_tokens=False)
            ids = self._literal(before + text, add_special_tokens=False)
            if ids[: len(begun)] == begun and self.decode(ids[len(begun) :], prompt_ids) == text:
                return ids[len(begun) :]
        raise BadOption(f"The model's tokenizer has no tokens that add {text[:60]!r} here.", "Write it otherwise.")

    def bytes_of(self, token: int) -> bytes:
        """What a token adds inside a text; nothing for control tokens, and for parts of characters it does not name."""
        name = self._name(token)
        if self.is_special(token) or not name:
            return b""
        if (raw := bytes_of_name(name, self._byte_level)) is not None:
            return raw
        text = self.token_text(token)
        return b"" if REPLACEMENT in text else text.encode(errors="surrogatepass")

    @cached_property
    def drops_first_space(self) -> bool:
        """Whether a word's first token has a space inside a text, and none where it begins one."""
        for token in range(len(self.tokenizer)):
            if (text := self.token_text(token)).startswith(" ") and text.strip() and not self.is_special(token):
                return not self._decode([token]).startswith(" ")
        return False

    def is_special(self, token: int) -> bool:
        """Whether `token` is a control token, which has no text."""
        return token in self._specials

    @cached_property
    def _specials(self) -> frozenset[int]:
        return frozenset(token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special)

    def piece(self, token: int) -> bytes:
        """The bytes that a token adds inside a text; of a control token, its name."""
        name = self._name(token)
        if self.is_special(token):
            return name.encode()
        raw = bytes_of_name(name, self._byte_level)
        return self.token_text(token).encode("utf-8", errors="replace") if raw is None else raw

    def _pieces(self, size: int) -> Pieces:
        """The bytes of the first `size` ids; those that the tokenizer does not know have none."""
        return Pieces.joined(map(self.piece, range(size)), filter(self.is_special, range(size)))

    def _token_text(self, token: int) -> str:
        """One token by itself, as it would stand inside a text."""
        if self._byte_level:
            return self._token_bytes(token).decode("utf-8", errors="replace") or self._name(token)
        inside = self._inside
        return self._decode([*inside, token])[len(self._decode(inside)) :] or self._name(token)

    def _decode(self, ids: Sequence[int]) -> str:
        if not self._fast:  # one written in Python raises for rows of the embedding that only pad it
            ids = [id for id in ids if id < self._length]
        if not ids:
            return ""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _context(self, prompt_ids: Sequence[int]) -> list[int]:
        """A token that gives the first new one its leading space: the prompt's last one with a text of its own, or,
        where the prompt's text is all byte tokens, any such token."""
        return self._anchor(prompt_ids) or (self._inside if self._decode(prompt_ids) else [])

    def _anchor(self, ids: Sequence[int]) -> list[int]:
        for token in reversed(ids):
            joins = self._is_byte(token) or (self._rewrites and self._name(token).endswith("@@"))
            if not joins and self._decode([token]):
                return [token]
        return []

    @cached_property
    def _inside(self) -> list[int]:
        return self._anchor(self.encode("a"))

    @cached_property
    def _length(self) -> int:
        return len(self.tokenizer)

    def _name(self, token: int) -> str:
        if not self._fast and token >= self._length:
            return ""
        return str(self.tokenizer.convert_ids_to_tokens(token) or "")

    def _is_byte(self, token: int) -> bool:
        return is_byte(self._name(token))

    def _leaves_open(self, token: int) -> bool:
        """Whether a run of byte tokens goes on through `token`: one of them, or one that decoding leaves out."""
        return self._is_byte(token) or self.is_special(token) or not self._name(token)

    def _token_bytes(self, token: int) -> bytes:
        return b"" if self.is_special(token) else bytes_of_name(self._name(token), byte_level=True) or b""

    def _literal(self, text: str, add_special_tokens: bool) -> list[int]:
        """Ids of `text` as characters; the only control tokens are those that the tokenizer adds around it."""
        encoded = self.tokenizer(
            text,
            add_special_tokens=add_special_tokens,
            split_special_tokens=True,
            return_special_tokens_mask=True,
        )
        ids: list[int] = []
        for token, added in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            ids += [token] if added or not self._is_control(token) else self._spelled(token)
        return ids

    def _is_control(self, token: int) -> bool:
        return self.is_special(token) and token != self.tokenizer.unk_token_id

    def _spelled(self, token: int) -> list[int]:
        """A control token's name letter by letter: a unigram model (T5's) finds the whole name in its vocabulary."""
        ids = self.tokenizer.convert_tokens_to_ids(list(self._name(token)))
        return [id for id in ids if id is not None]


def _is_byte_level(tokenizer: Any) -> bool:
    from tokenizers.decoders import ByteLevel

    return isinstance(getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None), ByteLevel)


def _rewrites(tokenizer: Any) -> bool:
    """Whether a token can change the text of the tokens before it, for a tokenizer written in Python. ByT5's, which
    joins bytes, changes none."""
    from transformers import ByT5Tokenizer

    return not isinstance(tokenizer, ByT5Tokenizer)
