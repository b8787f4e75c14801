"""Jinja's expressions with Python's powers and signs, and what of Python's own syntax they do not know."""

from __future__ import annotations

import ast
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.environment import Environment
    from jinja2.parser import Parser

_UNKNOWN: tuple[tuple[tuple[type[ast.AST], ...], str], ...] = (
    ((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), "a comprehension"),
    ((ast.Set,), "a set in braces"),
    ((ast.Lambda,), "a lambda"),
    ((ast.NamedExpr,), "the sign :="),
    ((ast.Starred,), "a star before a value"),
    ((ast.JoinedStr,), "an f-string"),
    ((ast.Invert,), "the sign ~"),
    ((ast.BitAnd,), "the sign &"),
    ((ast.BitOr,), "the sign |"),
    ((ast.BitXor,), "the sign ^"),
    ((ast.LShift,), "the sign <<"),
    ((ast.RShift,), "the sign >>"),
    ((ast.MatMult,), "the sign @"),
    ((ast.Await, ast.Yield, ast.YieldFrom), "await or yield"),
)
_CONVERSION = re.compile(r"(.*[^\s!])\s*!([rsa])(:.*)?", re.DOTALL)


def parse(environment: Environment, source: str) -> nodes.Expr:
    """The tree of an expression. Raises ValueError, which says why in a few words, and Jinja's errors for what is
    none."""
    from jinja2 import nodes

    parser = _parser()(environment, source, state="variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        raise ValueError(f"no sign stands before {parser.stream.current.value!s:.40}")
    whole = nodes.Tuple([tree], "load", lineno=1)  # for what is found in a tree is not its root
    if any(one.expr2 is None for one in whole.find_all(nodes.CondExpr)):
        raise ValueError("its if has no else")
    if any(isinstance(item, nodes.Slice) for one in whole.find_all(nodes.Tuple) for item in one.items):
        raise ValueError("it slices and chooses in one pair of brackets")
    return tree


def unknown(inner: str) -> str:
    """What in a text that Python can read is unknown in a prompt: "a comprehension"; "" if there is nothing."""
    if match := _CONVERSION.fullmatch(inner):
        return f"!{match[2]}" if _python(match[1]) else ""
    tree = _python(inner)
    if tree is None or (isinstance(tree.body, ast.Tuple) and not inner.startswith("(")):  # lists of another language
        return ""
    if re.search(r"(?<![\w.])\d+\.(?![\w.])", inner):
        return "a number that ends in a dot"
    kinds = {
        type(node.op) if isinstance(node, ast.BinOp) else type(node) for node in ast.walk(tree) if not _filters(node)
    }
    return next((said for known, said in _UNKNOWN if not kinds.isdisjoint(known)), "")


def _filters(node: ast.AST) -> bool:
    """Whether it is a value, a bar and a name, which is a filter here."""
    if isinstance(node, ast.operator):  # told with its two sides
        return True
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)):
        return False
    return isinstance(node.right.func if isinstance(node.right, ast.Call) else node.right, ast.Name)


def _python(text: str) -> ast.Expression | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # of a backslash in a text of the user's
            return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@cache
def _parser() -> type[Parser]:
    """Jinja's parser, for which -2 ** 2 is -4 and 2 ** 3 ** 2 is 512, as for Python."""
    from jinja2 import nodes
    from jinja2.parser import Parser

    class Powers(Parser):
        def parse_pow(self) -> nodes.Expr:
            return self.parse_unary()

        def parse_unary(self, with_filter: bool = True) -> nodes.Expr:
            sign: Any = {"sub": nodes.Neg, "add": nodes.Pos}.get(self.stream.current.type)
            lineno = self.stream.current.lineno
            if sign is not None:
                next(self.stream)
                node: nodes.Expr = sign(self.parse_unary(False), lineno=lineno)
            else:
                node = self.parse_postfix(self.parse_primary())
            if with_filter:
                node = self.parse_filter_expr(node)
            if self.stream.current.type == "pow":
                next(self.stream)
                node = nodes.Pow(node, self.parse_unary(with_filter), lineno=lineno)
            return node

    return Powers
