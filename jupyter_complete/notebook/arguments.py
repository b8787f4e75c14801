"""A magic's line to settings: the parser, its help and its Tab completions, all derived from config.Complete."""

from __future__ import annotations

import argparse
import csv
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser, MagicHelpFormatter
from traitlets import Bool, Enum, List, Unicode

from ..protocol.config import COMPLETE, MODEL, PANEL, THREAD, Complete, shown_default
from ..protocol.errors import BadOption, EmptyPrompt
from ..protocol.phrases import near

WORDS = ("use", "load", "plan", "list", "status", "unload", "connect")
_BLANKS = " \t\r\n"
# quoted as a whole, or after an equals sign, or in parts beside commas; any other word is what is typed up to a blank
_WORD = re.compile(
    r"""((?:--[\w-]+=)?)(?:"([^"]*)"|'([^']*)')(?=[ \t\r\n]|$)"""
    r"""|(?!--[\w-]+=["'])(?:"[^"]*"(?=,)|[^ \t\r\n"'])(?:(?<=,)"[^"]*"|[^ \t\r\n])*"""
)
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


class Parser(MagicArgumentParser):
    """Reads options into texts; config.Complete checks what they say."""

    def __init__(self, prog: str, of: str, description: str) -> None:
        super().__init__(prog=prog.removeprefix("%"), description=description, formatter_class=MagicHelpFormatter)
        self.allow_abbrev = False
        self.name = prog
        for name, trait in Complete.flagged(of):
            flags: tuple[str, ...] = trait.metadata["flag"]
            default = shown_default(trait)
            text = (str(trait.help) + (f" Default: {default}." if default else "")).replace("%", "%%")
            if isinstance(trait, Bool):
                self.add_argument(*flags, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
            else:
                action = "append" if isinstance(trait, List) else "store"
                metavar = trait.metadata.get("metavar", "VALUE")
                self.add_argument(*flags, dest=name, action=action, metavar=metavar, default=None, help=text)

    def split(self, line: str) -> list[str]:
        """The words of a line, for `settings`; a quoted one after an option is its value, whatever it begins with."""
        words: list[str] = []
        while line := line.lstrip(_BLANKS):
            quoted = line[0] in "\"'"
            word, line = _word(line)
            if quoted and word.startswith("-") and words and self.takes_value(words[-1]):
                word = words[-1] + "=" * words[-1].startswith("--") + word
                words.pop()
            words.append(word)
        return words

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

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """An option's value; argparse drops one that is two dashes, which only a quoted one can be."""
        if arg_strings == ["--"] and action.option_strings:
            return self._get_value(action, "--")
        return super()._get_values(action, arg_strings)

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
    "The resident models. Words: use NAME (make it the default), load NAME, plan [NAME] (what loading it would do: "
    "nothing is loaded or fetched), list, status, unload [NAME], connect URL (the models of a server, by name).",
)
THREADS = Parser("%complete_thread", THREAD, "A conversation of --thread NAME: its turns; without a name, all of them.")
PANELS = Parser("%complete_panel", PANEL, "Open a text that you and the model write in turn.")
PANELS.usage = "complete_panel [--name NAME] [PROMPT]"
THREADS.usage = "complete_thread [NAME] [--drop]"
MODELS.usage = (
    "complete_model [use|load|plan|list|status|unload|connect] [NAME] [--dtype TYPE] [--device DEVICE] [--kv TYPE]"
)


def cell_settings(line: str) -> dict[str, Any]:
    """Settings from the line of a %%complete cell."""
    return CELL.settings(CELL.split(line))


def line_settings(line: str) -> tuple[dict[str, Any], str]:
    """Settings and text of a %complete line; the text begins at the first word that is no option, as typed."""
    return _settings_and_text(LINE, line)


def panel_settings(line: str) -> tuple[str, str]:
    """Name and text of a %complete_panel line."""
    settings, text = _settings_and_text(PANELS, line)
    return settings.get("name", ""), text


def _settings_and_text(parser: Parser, line: str) -> tuple[dict[str, Any], str]:
    rest = line
    while (rest := rest.lstrip(_BLANKS)).startswith("-"):
        word, after = _word(rest)
        if word == "-":
            break
        if word == "--":
            return parser.settings(parser.split(line[: -len(rest)])), after.removeprefix(" ")
        rest = after.lstrip(_BLANKS)
        if parser.takes_value(word) and rest:
            rest = _word(rest)[1]
    return parser.settings(parser.split(line[: -len(rest) or None])), rest


def model_settings(line: str) -> tuple[str, str, dict[str, Any]]:
    """Word, model name and settings of a %complete_model line."""
    plain, options = [], []
    words = iter(MODELS.split(line))
    for one in words:
        if not one.startswith("-"):
            plain.append(one)
            continue
        options.append(one)
        if MODELS.takes_value(one):
            options.extend(islice(words, 1))
    word, name = (*plain, "", "")[:2]
    if word and word not in WORDS:
        raise UsageError(
            f"%complete_model {word} means nothing. {near(word, WORDS) or 'Say ' + ', '.join(WORDS) + '.'}"
        )
    settings = MODELS.settings(options)
    if len(plain) > 2:
        raise UsageError(f"%complete_model {word} takes one name, not {' '.join(plain[1:])[:60]!r}.")
    return word or "status", name, settings


def thread_settings(line: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of a %complete_thread line."""
    words = THREADS.split(line)
    names = [word for word in words if not word.startswith("-")]
    if len(names) > 1:
        raise UsageError(f"%complete_thread takes one name, not {' '.join(names)[:60]!r}.")
    return "".join(names), THREADS.settings([word for word in words if word.startswith("-")])


def out_name(name: str) -> str:
    """`name` if it can be bound in the notebook."""
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"-o/--out needs the name of a variable, and {name!r} is none.")
    return name


def completions(before: str, known: Mapping[str, Iterable[str]]) -> list[str]:
    """What Tab offers after `before`, the line up to the cursor; `known` are the names of "models" and the like."""
    magic = before.lstrip("%").split(" ")[0]
    parser = {"complete_model": MODELS, "complete_thread": THREADS, "complete_panel": PANELS}.get(magic, CELL)
    head, _, token = before.rpartition(" ")
    words = head.split()
    if not words:
        return []
    if magic == "complete_tasks":
        return [name for name in known.get("tasks", ()) if len(words) == 1 and name.startswith(token)]
    previous, (flag, equals, begun) = words[-1], token.partition("=")
    if equals and (values := _values_after(parser, flag, known)):
        return [f"{flag}={value}" for value in values if value.startswith(begun)]
    values = _values_after(parser, previous, known)
    if values is None and parser is THREADS and len(words) == 1 and not token.startswith("-"):
        values = known.get("threads", ())
    if values is None and parser is MODELS and not token.startswith("-"):
        named = known.get("models", ()) if len(words) == 2 and previous in ("use", "load", "plan", "unload") else ()
        values = WORDS if len(words) == 1 else named
    if values is None:
        values = parser.flags() if token.startswith("-") else ()
    return [value for value in values if value.startswith(token)]


def _values_after(parser: Parser, flag: str, known: Mapping[str, Iterable[str]]) -> Iterable[str] | None:
    """What may follow an option that takes a value; None when `flag` takes none."""
    if not parser.takes_value(flag):
        return None
    for _, trait in (*Complete.flagged(COMPLETE), *Complete.flagged(MODEL)):
        if flag in trait.metadata["flag"]:
            values = trait.values if isinstance(trait, Enum) else trait.metadata.get("values")
            return [str(value) for value in values or known.get(trait.metadata.get("known", ""), ()) if value]
    return ()


def _word(line: str) -> tuple[str, str]:
    """The first word of `line`, without its quotes and with its backslashes as typed, and what follows it."""
    match = _WORD.match(line)
    if match is None:
        raise UsageError("A quotation mark on the line is not closed.")
    option, *quoted = match.groups()
    word = match[0] if option is None else option + (quoted[0] or quoted[1] or "")
    return word, line[match.end() :]


def _unescaped(text: str) -> str:
    return re.sub(r"\\[nt\\]", lambda match: _ESCAPES[match[0]], text)


def _value(name: str, text: Any) -> Any:
    """The value of option `name` that the typed `text` means; texts that mean none go on to be refused as they are."""
    trait = Complete.class_traits()[name]
    if trait.metadata.get("verbatim"):
        return text
    if isinstance(trait, List):
        if trait.metadata.get("separated") and len(text) == 1:
            line = r"\n".join(re.split(r"\r\n?|\n", text[0]))  # a line of CSV has none as such
            text = next(csv.reader([line], skipinitialspace=True), [])
        return [_unescaped(item) for item in text]
    if isinstance(trait, (Bool, Enum)) or isinstance(text, bool):
        return text
    if trait.metadata.get("escaped"):
        return _unescaped(text)
    if isinstance(trait, Unicode) and text != "None":  # traitlets takes quotes away that belong to the text
        return text
    try:
        return trait.from_string(text)
    except (ValueError, TypeError):
        return text


@contextmanager
def usage_errors() -> Iterator[None]:
    """A value out of bounds or an empty prompt is a bad line: one sentence, as IPython shows one."""
    try:
        yield
    except (BadOption, EmptyPrompt) as error:
        raise UsageError(str(error)) from None
