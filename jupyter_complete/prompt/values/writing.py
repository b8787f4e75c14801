"""What every form shares: numbers and nested values in bounded space, and a row of forms that only get shorter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ...protocol.phrases import shortened
from ...protocol.prompt_parts import Form

_LONG = 40  # characters of a value in a table
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def module_of(value: object) -> str:
    """The library that the type of `value` is of: "pandas"."""
    module = type(value).__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def falling(forms: Iterable[Form]) -> tuple[Form, ...]:
    """`forms` without those that are no shorter than one before them."""
    kept: list[Form] = []
    for form in forms:
        if re.search("[\ud800-\udfff]", form.text):  # half a character, which no model can read
            form = Form(re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", form.text), form.left_out)
        if not kept or len(form.text) < len(kept[-1].text):
            kept.append(form)
    return tuple(kept)


def number(value: object) -> str:
    """A number with six significant digits; other values as they write themselves, in at most 40 characters; of one
    that raises when asked for it, its type."""
    try:
        return _number(value)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"<{type(value).__name__}>"


def is_shortened(text: str) -> bool:
    """Whether `text`, what `number` made of a value, is only its beginning."""
    return len(text) == _LONG and text.endswith("…")


def _number(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, str):
        return line(value, _LONG).removesuffix(" 00:00:00")  # of a day without a time
    if isinstance(value, int) or (hasattr(value, "dtype") and getattr(value.dtype, "kind", "") in "iu"):
        return line(value, _LONG)
    return "missing" if value != value else f"{float(value):.6g}"


def line(value: object, most: int) -> str:
    """`value` in one line of at most `most` characters."""
    text = " ".join(_ADDRESS.sub("", _whole(value)[: 20 * most]).split())
    return shortened(text, most)


def share(shown: int, total: int, noun: str) -> str:
    """What showing the first `shown` of `total` leaves out: "first 5 of 1,797 rows"; "" where it is all."""
    return f"first {shown:,} of {total:,} {noun}" if shown < total else ""


def both(*left_out: str) -> str:
    """What is left out, in one phrase."""
    return ", ".join(filter(None, left_out))


def _whole(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 10_000:  # Python writes no number of more than 4,300 digits
        return f"a number of about {int(value.bit_length() * 0.30103):,} digits"
    return str(value)


class Nested:
    """Writes lists, dicts and what they hold as Python does: at most `items` of each, `chars` of a text, `deep` levels,
    `most` characters in all. `cut` tells whether anything was left out inside."""

    def __init__(self, items: int, chars: int, deep: int, most: int) -> None:
        self.items, self.chars, self.deep, self.room = items, chars, deep, most
        self.cut = False

    def write(self, value: object, deep: int = 0) -> str:
        """`value` as text; what a part of it raises when asked for its own becomes its type's name."""
        if self.room <= 0:
            return self._left()
        kind = type(value)
        if kind in _BRACKETS:
            return self._held(value, deep)  # type: ignore[arg-type]
        text = self._one(value)
        self.room -= len(text)
        return text

    def _held(self, value: Mapping[object, object] | Sequence[object], deep: int) -> str:
        opening, closing = _BRACKETS[type(value)]
        if not value and isinstance(value, (set, frozenset)):
            return "set()"
        if deep >= self.deep and value:
            return opening + self._left() + closing
        if isinstance(value, dict):
            parts = [
                f"{self.write(key, deep + 1)}: {self.write(one, deep + 1)}"
                for key, one in islice(value.items(), self.items)
            ]
        else:
            parts = [self.write(one, deep + 1) for one in islice(value, self.items)]
        if len(value) > self.items:
            parts.append(self._left())
        elif type(value) is tuple and len(parts) == 1:
            parts.append("")
        self.room -= 2 * len(parts)
        return opening + ", ".join(parts).rstrip(" ") + closing

    def _one(self, value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            return _whole(value)
        if isinstance(value, (str, bytes)):
            self.cut |= len(value) > self.chars
            return repr(value[: self.chars]) + "…" * (len(value) > self.chars)
        try:
            if module_of(value) == "numpy" and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
                value = value.item()
            if shape := getattr(value, "shape", ()):
                return self._shaped(value, shape)
            text = _ADDRESS.sub("", repr(value))
        except KeyboardInterrupt:
            raise
        except BaseException:
            self.cut = True
            return f"<{type(value).__name__}>"
        self.cut |= len(text) > self.chars
        return text if len(text) <= self.chars else text[: self.chars] + "…"

    def _shaped(self, value: object, shape: tuple[int, ...]) -> str:
        """An array or frame inside of something else: short ones of one dimension as a list, others by their shape."""
        if len(shape) == 1 and shape[0] <= self.items and hasattr(value, "tolist"):
            return self._held([_item(one) for one in value.tolist()], self.deep - 1)
        self.cut = True
        return f"<{type(value).__name__} {' × '.join(map(str, shape))}>"

    def _left(self) -> str:
        self.cut = True
        return "…"


def _item(value: object) -> Any:
    """A number of an array with six significant digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


_BRACKETS: dict[type, tuple[str, str]] = {
    dict: ("{", "}"),
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
}
