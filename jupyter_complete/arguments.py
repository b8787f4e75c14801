"""A magic's line to settings: the parser, its help and its Tab completions, all derived from config.Complete."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser, MagicHelpFormatter
from IPython.utils._process_common import arg_split
from traitlets import Bool, Enum, List

from .config import COMPLETE, MODEL, Complete, near
from .errors import BadOption

WORDS = ("use", "load", "list", "status", "unload")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


class Parser(MagicArgumentParser):
    """Reads options into texts; config.Complete checks what they say."""

    def __init__(self, prog: str, of: str, description: str) -> None:
        super().__init__(prog=prog.removeprefix("%"), description=description, formatter_class=MagicHelpFormatter)
        self.allow_abbrev = False
        self.name = prog
        for name, trait in Complete.flagged(of):
            flags: tuple[str, ...] = trait.metadata["flag"]
            text = str(trait.help).replace("%", "%%")
            if isinstance(trait, Bool):
                self.add_argument(*flags, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
            else:
                action = "append" if isinstance(trait, List) else "store"
                metavar = trait.metadata.get("metavar", "VALUE")
                self.add_argument(*flags, dest=name, action=action, metavar=metavar, default=None, help=text)

    def settings(self, words: list[str]) -> dict[str, Any]:
        """The options that `words` give, by trait name; raises UsageError with one sentence."""
        parsed, rest = self.parse_known_args(words)
        if rest:
            self._refuse(rest[0])
        given = {name: value for name, value in vars(parsed).items() if value is not None}
        return {name: _value(name, text) for name, text in given.items()}

    def takes_value(self, flag: str) -> bool | None:
        """Whether an option is followed by a value; None when there is no such option."""
        action = self._option_string_actions.get(flag)
        return None if action is None else action.nargs != 0

    def flags(self) -> list[str]:
        return sorted(self._option_string_actions, key=lambda flag: flag.lstrip("-").lower())

    def error(self, message: str) -> NoReturn:
        """One sentence, without argparse's usage block."""
        raise UsageError(message.removeprefix("argument ").rstrip(".") + f". {self.name}? lists the options.")

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            raise UsageError(f"{word!r} is no option of {self.name}; its text goes into the lines below.")
        flag = word.partition("=")[0]
        raise UsageError(
            f"{flag} is no option of {self.name}. {near(flag, self.flags()) or self.name + '? lists them.'}"
        )


CELL = Parser("%%complete", COMPLETE, "Complete the cell's text with a model that stays in the kernel.")
LINE = Parser(
    "%complete", COMPLETE, "Complete the text on this line, after the options (and after -- if it begins with a dash)."
)
MODELS = Parser(
    "%complete_model",
    MODEL,
    "The resident models. Words: use NAME (make it the default), load NAME, list, status, unload NAME.",
)


def cell_settings(line: str) -> dict[str, Any]:
    """Settings from the line of a %%complete cell."""
    return CELL.settings(_split(line))


def line_settings(line: str) -> tuple[dict[str, Any], str]:
    """Settings and text of a %complete line; the text begins at the first word that is no option, as typed."""
    at, options_end = 0, 0
    while match := _WORD.search(line, at):
        word = match[0]
        if word == "--":
            return LINE.settings(_split(line[:options_end])), line[match.end() :].removeprefix(" ")
        if not word.startswith("-") or len(word) == 1:
            return LINE.settings(_split(line[:options_end])), line[match.start() :]
        at = match.end()
        if LINE.takes_value(word) and (value := _WORD.search(line, at)):
            at = value.end()
        options_end = at
    return LINE.settings(_split(line[:options_end])), line[options_end:].lstrip()


def model_settings(line: str) -> tuple[str, str, dict[str, Any]]:
    """Word, model name and settings of a %complete_model line."""
    words = _split(line)
    plain: list[str] = []
    while words and not words[0].startswith("-") and len(plain) < 2:
        plain.append(words.pop(0))
    word, name = (*plain, "", "")[:2]
    if word and word not in WORDS:
        raise UsageError(
            f"%complete_model {word} means nothing. {near(word, WORDS) or 'Say ' + ', '.join(WORDS) + '.'}"
        )
    return word or "status", name, MODELS.settings(words)


def out_name(name: str) -> str:
    """`name` if it can be bound in the notebook."""
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"-o/--out needs the name of a variable, and {name!r} is none.")
    return name


def completions(before: str, names: Iterable[str]) -> list[str]:
    """What Tab offers after `before`, the line up to the cursor; `names` are model names."""
    parser = MODELS if before.startswith("%complete_model") else CELL
    head, _, token = before.rpartition(" ")
    words = head.split()
    if not words:
        return []
    previous = words[-1]
    values = _values_after(parser, previous, names)
    if values is None and parser is MODELS and not token.startswith("-"):
        values = (
            WORDS if len(words) == 1 else names if len(words) == 2 and previous in ("use", "load", "unload") else ()
        )
    if values is None:
        values = parser.flags() if token.startswith("-") else ()
    return [value for value in values if value.startswith(token)]


def _values_after(parser: Parser, flag: str, names: Iterable[str]) -> Iterable[str] | None:
    """What may follow an option that takes a value; None when `flag` takes none."""
    if not parser.takes_value(flag):
        return None
    if flag in ("-m", "--model"):
        return names
    for _, trait in (*Complete.flagged(COMPLETE), *Complete.flagged(MODEL)):
        if flag in trait.metadata["flag"] and isinstance(trait, Enum):
            return [str(value) for value in trait.values or ()]
    return ()


def _split(line: str) -> list[str]:
    try:
        return [_unquoted(word) for word in arg_split(line, posix=False, strict=True)]
    except ValueError:
        raise UsageError("A quotation mark on the line is not closed.") from None


def _unquoted(word: str) -> str:
    """`word` without the quotes around it (or around what follows an =); backslashes stay as typed."""
    match = re.fullmatch(r"""(--[\w-]+=)?(["'])(.*)\2""", word, re.DOTALL)
    return (match[1] or "") + match[3] if match else word


def _value(name: str, text: Any) -> Any:
    """The value of option `name` that the typed `text` means; texts that mean none go on to be refused as they are."""
    trait = Complete.class_traits()[name]
    if isinstance(trait, List):
        return [re.sub(r"\\[nt\\]", lambda match: _ESCAPES[match[0]], item) for item in text]
    if isinstance(trait, (Bool, Enum)) or isinstance(text, bool):
        return text
    try:
        return trait.from_string(text)
    except (ValueError, TypeError):
        return text


def usage_error(error: BadOption | Exception) -> UsageError:
    """The same sentence, as IPython shows a bad line."""
    return UsageError(str(error))
