"""Expressions of a prompt, evaluated by Jinja2 in its sandbox: no assignment, no private attribute, no outside world.

Objects of the notebook are read and their methods called, as a cell would. Not to be had are attributes with an
underscore, methods that change lists and dicts, and functions of the standard library that reach beyond the values
(files, processes, the network, the shell itself), so that a text pasted into a cell cannot call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .config import near
from .errors import BadPrompt
from .harmless import APART, FUNCTIONS, Bounded, bounded, finite, reaches_out, too_large

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


class NotAnExpressionError(ValueError):
    """A text is no expression; the message says why, in a few words."""


class Expression:
    """An expression that can be evaluated. Raises NotAnExpressionError for a text that is none."""

    def __init__(self, source: str) -> None:
        from jinja2 import nodes
        from jinja2.exceptions import TemplateAssertionError
        from jinja2.parser import Parser

        self.source = source
        try:
            parser = Parser(_environment(), source, state="variable")
            tree = parser.parse_expression()
            if not parser.stream.eos:
                raise NotAnExpressionError(f"it does not end before {parser.stream.current.value!s:.40}")
            tree = nodes.Tuple([tree], "load")  # for what is found in a tree is not its root
            self._names, self._excused = _names(tree)
            for name in tree.find_all(nodes.Name):
                name.name = f"the_{name.name}"  # so that none is taken for one of Jinja's own: self, loop, caller
            tree.set_environment(_environment())
            body = nodes.Assign(nodes.Name("value", "store", lineno=1), tree, lineno=1)
            self._template = _environment().from_string(nodes.Template([body], lineno=1))
        except NotAnExpressionError:
            raise
        except TemplateAssertionError as error:
            raise BadPrompt(f"{self} is no expression: {_sentence(str(error))}.", _hint_for(str(error))) from None
        except Exception as error:  # Jinja's own errors, and Python's of what is nested too deep or too long a number
            raise NotAnExpressionError(_brief(error)) from None

    def value(self, namespace: Mapping[str, Any]) -> object:
        """What it comes to with the names of `namespace`; raises BadPrompt with one sentence."""
        known = {name: namespace[name] for name in self._names if not name.startswith("__") and name in namespace}
        known = {name: FUNCTIONS[name] for name in self._names if name in FUNCTIONS} | known
        for name in self._names:
            if name not in known and name not in self._excused:
                raise BadPrompt(f"{self} names {name}, which is not defined.", _instead(name, namespace))
        try:
            context = self._template.new_context({f"the_{name}": bounded(value) for name, value in known.items()})
            for _ in self._template.root_render_func(context):
                pass
            (value,) = context.vars["value"]
            _refuse_undefined(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a SystemExit of the user's object among them
            raise self._failed(error) from None
        return value.items if isinstance(value, Bounded) else value

    def __str__(self) -> str:
        source = " ".join(self.source.split())
        return f"{{{{ {source if len(source) <= 60 else source[:59] + '…'} }}}}"

    def _failed(self, error: BaseException) -> BadPrompt:
        from jinja2.exceptions import SecurityError, UndefinedError

        said = _brief(error)
        if isinstance(error, SecurityError):
            return BadPrompt(
                f"{self} is not allowed in a prompt: {said}.", "Compute it in a cell, and name the result."
            )
        if isinstance(error, UndefinedError):
            hint = getattr(error, "instead", "") or "Look at the object in a cell of its own."
            return BadPrompt(f"{self} has no value: {said}.", hint)
        kind = type(error).__name__
        return BadPrompt(f"{self} raised {kind}: {said}.", "Try the expression in a cell of its own.")


@cache
def _environment() -> SandboxedEnvironment:
    """Jinja's sandbox, without its globals, and with bounds on the numbers and texts that an expression can make."""
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError, UndefinedError
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Absent(StrictUndefined):
        """An attribute or item that is not there, which raises with the nearest one that is."""

        __slots__ = ()

        def __init__(self, hint: Any = None, obj: Any = None, name: Any = None, exc: Any = UndefinedError) -> None:
            def raised(message: str) -> Exception:
                error: Exception = exc(message)
                error.instead = _near_part(name, obj)  # type: ignore[attr-defined]
                return error

            super().__init__(hint, obj, name, raised)  # type: ignore[arg-type]

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**"))

        def is_safe_callable(self, obj: Any) -> bool:
            return super().is_safe_callable(obj) and not reaches_out(obj)

        def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
            if too_large(operator, left, right):
                raise SecurityError("the result would be too large")
            return super().call_binop(context, operator, left, right)

    sandbox = Sandbox(undefined=Absent)
    sandbox.globals.clear()
    sandbox.filters = {name: finite(function, name in APART) for name, function in sandbox.filters.items()}
    return sandbox


def _names(tree: Any) -> tuple[tuple[str, ...], set[str]]:
    """The names that an expression reads, and those of them that may be undefined: `x|default(0)`, `x is defined`."""
    from jinja2 import nodes

    excused = {
        node.node.name
        for node in tree.find_all((nodes.Filter, nodes.Test))
        if node.name in ("default", "d", "defined", "undefined") and isinstance(node.node, nodes.Name)
    }
    return tuple(dict.fromkeys(name.name for name in tree.find_all(nodes.Name))), excused


def _refuse_undefined(value: object) -> None:
    """Raise what Jinja's strict undefined has to say, if `value` is one."""
    from jinja2 import StrictUndefined

    if isinstance(value, StrictUndefined):
        str(value)


def _instead(name: str, namespace: Mapping[str, Any]) -> str:
    own = [one for one in namespace if not one.startswith("_")]
    return near(name, [*own, *FUNCTIONS]) or "Run the cell that defines it, or send the braces as typed (--raw)."


def _near_part(name: object, owner: object) -> str:
    """A near attribute or key of `owner` for one that it does not have."""
    try:
        keys = [str(key) for key in owner] if isinstance(owner, dict) else []
        return near(str(name), [*keys, *(one for one in dir(owner) if not one.startswith("_"))])
    except Exception:
        return ""


def _hint_for(said: str) -> str:
    """A near filter or test for the one that Jinja does not know, which it names in quotes."""
    environment = _environment()
    name = said.split("'")[1] if said.count("'") > 1 else ""
    known: Iterator[str] = iter([*environment.filters, *environment.tests])
    return near(name, known) or "Jinja's documentation lists its filters; round, join and length are some."


def _brief(error: BaseException) -> str:
    """What an error says, in a line of at most 200 characters."""
    try:
        said = str(getattr(error, "message", None) or error) or type(error).__name__
    except Exception:
        said = "no message"
    return _sentence(said)


def _sentence(said: str) -> str:
    said = " ".join(said[:2000].split()).rstrip(".").replace("'end of template'", "end")
    return said if len(said) <= 200 else said[:199] + "…"
