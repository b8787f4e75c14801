"""Values to text: short forms of what data scientists hold, each of which says what it leaves out.

A value is known by the module of its type, so that no library is imported for it: what is not imported yet is held by
nobody. `describe` gives several texts, from the fullest to the briefest; a tokenizer chooses later.
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.errors import BadPrompt
from ...protocol.prompt_parts import Form
from . import arrays, exceptions, fitted_models, frames, objects, plots
from .writing import falling

# the first that knows a value gives its forms; the others give none
_KINDS: tuple[Callable[[object], list[Form]], ...] = (
    frames.forms,
    plots.forms,
    arrays.forms,
    fitted_models.forms,
    exceptions.forms,
)


def describe(value: object, shown: str) -> tuple[Form, ...]:
    """The texts of `value`, the fullest first; `shown` is how an error names it. Raises BadPrompt if it has none."""
    for kind in _KINDS:
        try:
            if found := falling(kind(value)):
                return found
        except KeyboardInterrupt:
            raise
        except BaseException:  # an object that only looks like one of the kind, or holds one that raises SystemExit
            continue
    try:
        return falling(objects.forms(value))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the object's own __str__ raises
        raise BadPrompt(
            f"{shown} has no text: its {type(value).__name__} raised {type(error).__name__} when asked for it.",
            "Name a part of it that is text or a number.",
        ) from None
