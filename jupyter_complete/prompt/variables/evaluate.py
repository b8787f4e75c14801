"""Expressions of a prompt, evaluated by Jinja2: no assignment, no private attribute, no outside world.

An expression reads and calls what is known to only compute (permission.py), within bounds of size (limits.py), of time
and of memory (watch.py). Functions and classes of the notebook itself are called as a cell would call them.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...protocol.errors import BadPrompt
from ...protocol.phrases import near, shortened
from ..values.writing import module_of
from . import permission
from .grammar import parse
from .limits import FUNCTIONS, WITHIN, Bounded, bound
from .permission import RefusalError

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


class NotAnExpressionError(ValueError):
    """A text is no expression; the message says why, in a few words."""


class Expression:
    """An expression that can be evaluated. Raises NotAnExpressionError for a text that is none."""

    def __init__(self, source: str) -> None:
        from jinja2 import nodes
        from jinja2.exceptions import TemplateAssertionError

        self.source = source
        try:
            tree = nodes.Tuple([parse(_environment(), source)], "load")  # what is found in a tree is not its root
            self._names, self._excused = _names(tree)
            for operand in tree.find_all(nodes.Operand):
                if operand.op in ("in", "notin"):
                    operand.expr = nodes.Filter(operand.expr, WITHIN, [], [], None, None, lineno=1)
            for name in tree.find_all(nodes.Name):
                name.name = f"the_{name.name}"  # so that none is taken for one of Jinja's own: self, loop, caller
            tree.set_environment(_environment())
            body = nodes.Assign(nodes.Name("value", "store", lineno=1), tree, lineno=1)
            self._template = _environment().from_string(nodes.Template([body], lineno=1))
        except TemplateAssertionError as error:
            raise BadPrompt(f"{self} is no expression: {_sentence(str(error))}.", _hint_for(str(error))) from None
        except Exception as error:  # Jinja's own errors, and Python's of what is nested too deep or too long a number
            raise NotAnExpressionError(_reason(error)) from None

    def value(self, namespace: Mapping[str, Any], absent: Mapping[str, tuple[str, str]]) -> object:
        """What it comes to with the names of `namespace`; raises BadPrompt with one sentence, which for a name that is
        `absent` is given there, with what to do."""
        known = {name: namespace[name] for name in self._names if not name.startswith("__") and name in namespace}
        known = {name: FUNCTIONS[name] for name in self._names if name in FUNCTIONS} | known
        for name in self._names:
            if name not in known and name not in self._excused:
                raise self._unnamed(name, namespace, absent)
            try:
                permission.admit(known.get(name))
            except RefusalError as error:
                raise self.not_allowed(str(error)) from None
        try:
            context = self._template.new_context({f"the_{name}": bound(value) for name, value in known.items()})
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
        return f"{{{{ {shortened(' '.join(self.source.split()))} }}}}"

    def _unnamed(self, name: str, namespace: Mapping[str, Any], absent: Mapping[str, tuple[str, str]]) -> BadPrompt:
        """What to say of a name that is none."""
        if name in absent:
            message, hint = absent[name]
            return BadPrompt(message, hint)
        if hasattr(builtins, name):
            own = ", ".join(sorted(FUNCTIONS))
            return BadPrompt(f"{self} names {name}, which a prompt does not have.", f"Of Python's own it has {own}.")
        return BadPrompt(f"{self} names {name}, which is not defined.", _instead(name, namespace))

    def uses(self, library: str, namespace: Mapping[str, Any]) -> bool:
        """Whether a value of a library is among its names."""
        return any(module_of(namespace.get(name)) == library for name in self._names)

    def not_allowed(self, said: str) -> BadPrompt:
        """Say why it is refused."""
        return BadPrompt(f"{self} is not allowed in a prompt: {said}.", "Compute it in a cell, and name the result.")

    def _failed(self, error: BaseException) -> BadPrompt:
        from jinja2.exceptions import SecurityError, UndefinedError

        said = _reason(error)
        if isinstance(error, (SecurityError, RefusalError)):
            return self.not_allowed(said)
        if isinstance(error, UndefinedError):
            hint = getattr(error, "instead", "") or "Look at the object in a cell of its own."
            return BadPrompt(f"{self} has no value: {said}.", hint)
        if isinstance(error, MemoryError):
            return self.not_allowed("it takes more memory than there is")
        kind = type(error).__name__
        return BadPrompt(f"{self} raised {kind}: {said}.", "Try the expression in a cell of its own.")


def _environment() -> SandboxedEnvironment:
    """Jinja's sandbox, imported with the first expression."""
    from .sandbox import sandbox

    return sandbox()


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


def _hint_for(said: str) -> str:
    """A near filter or test for the one that Jinja does not know, which it names in quotes."""
    environment = _environment()
    name = said.split("'")[1] if said.count("'") > 1 else ""
    if said.startswith("No test"):
        return near(name, environment.tests) or "Compare with ==; is goes with None, defined, even and such words."
    hint = near(name, environment.filters) or "Jinja's documentation lists them; round, join and length are some."
    return f"{hint} (| stands before a filter, and is not Python's or.)" if not hint.startswith("Did") else hint


def _reason(error: BaseException) -> str:
    """What an error says, in a line of at most 200 characters."""
    try:
        said = str(getattr(error, "message", None) or error) or type(error).__name__
    except Exception:
        said = "no message"
    return _sentence(said)


def _sentence(said: str) -> str:
    said = " ".join(said[:2000].split()).rstrip(".").replace("'end of template'", "end")
    return shortened(said, 200)
