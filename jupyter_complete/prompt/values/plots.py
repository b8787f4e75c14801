"""Plots of matplotlib: titles, what the axes say and span, legends, and what is drawn."""

from __future__ import annotations

from typing import Any

from ...protocol.phrases import count
from ...protocol.prompt_parts import Form
from .writing import line, module_of, number, share

_LIBRARIES = ("matplotlib", "mpl_toolkits", "cartopy")
_ARRAY = 1_000  # axes in an array
_FEW = (20, 8, 3)  # axes or lines told


def forms(value: Any) -> list[Form]:
    """The texts of a Figure, of Axes or of an array of them; none for anything else."""
    if module_of(value) == "numpy" and str(getattr(value, "dtype", "")) == "object" and 0 < value.size <= _ARRAY:
        several = value.reshape(-1).tolist()
        return _plots(count(len(several), "plot"), several) if all(map(_is_axes, several)) else []
    if module_of(value) not in _LIBRARIES:
        return []
    if callable(getattr(value, "get_axes", None)) and callable(getattr(value, "savefig", None)):
        return _figure(value)
    if _is_axes(value):
        made = [Form(_axes(value, lines), share(lines, len(value.lines), "lines")) for lines in _FEW]
        return [*made, Form(_labels(value), "labels only"), Form("plot", "its kind only")]
    return []


def _is_axes(value: object) -> bool:
    named = ("get_xlabel", "get_legend_handles_labels")
    return module_of(value) in _LIBRARIES and all(callable(getattr(value, name, None)) for name in named)


def _figure(figure: Any) -> list[Form]:
    axes = figure.get_axes()
    title = figure.get_suptitle() if hasattr(figure, "get_suptitle") else ""
    return _plots(f"figure{_quoted(title)} with {count(len(axes), 'plot')}", axes)


def _plots(head: str, axes: list[Any]) -> list[Form]:
    """Several plots under a head, one a line."""
    made = [
        Form("\n".join([f"{head}:", *(_axes(one, 20) for one in axes[:few])]), share(few, len(axes), "plots"))
        for few in _FEW
    ]
    made.append(Form("\n".join([f"{head}:", *(_labels(one) for one in axes[:8])]), "labels only"))
    return [*made, Form(head, "title only")]


def _labels(axes: Any) -> str:
    """ "plot 'Wines': x 'alcohol', y 'colour'"."""
    return f"plot{_quoted(axes.get_title())}: x{_quoted(axes.get_xlabel())}, y{_quoted(axes.get_ylabel())}"


def _axes(axes: Any, lines: int) -> str:
    """Labels, spans, legend, and what is drawn in one plot."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x = f"x{_quoted(axes.get_xlabel())} from {number(left)} to {number(right)}"
    y = f"y{_quoted(axes.get_ylabel())} from {number(low)} to {number(high)}"
    parts = [f"plot{_quoted(axes.get_title())}: {x}, {y}"]
    parts += [_drawn(one) for one in axes.lines[:lines]]
    points = [(len(one.get_offsets()), _named(one)) for one in axes.collections]
    parts += [f"{count(many, 'point')}{named}" for many, named in points if many]
    if axes.patches:
        shapes = len(axes.patches)
        parts.append(f"{shapes:,} bars or shapes" if shapes > 1 else "1 bar or shape")
    if (legend := axes.get_legend()) is not None:
        parts.append("legend: " + ", ".join(line(text.get_text(), 40) for text in legend.get_texts()[:20]))
    parts += [f"text '{line(text.get_text(), 40)}'" for text in axes.texts[:5]]
    return "; ".join(parts)


def _drawn(one: Any) -> str:
    """A line: its label, how many points, from where to where."""
    heights = [float(value) for value in one.get_ydata()]
    if not heights:
        return f"an empty line{_named(one)}"
    return (
        f"line{_named(one)} of {count(len(heights), 'point')}, y from {number(heights[0])} to {number(heights[-1])}, "
        f"least {number(min(heights))}, most {number(max(heights))}"
    )


def _named(one: Any) -> str:
    label = str(one.get_label() or "")
    return "" if label.startswith("_") else _quoted(label)


def _quoted(text: object) -> str:
    return f" '{line(text, 80)}'" if text else ""
