"""Plots of matplotlib: titles, what the axes say and span, legends, and what is drawn."""

from __future__ import annotations

from typing import Any

from ..composed import Form
from .writing import line, module_of, number, share

_FEW = (20, 8, 3)  # axes or lines told


def forms(value: Any) -> list[Form]:
    """The texts of a Figure or Axes; none for anything else."""
    if module_of(value) not in ("matplotlib", "mpl_toolkits"):
        return []
    if callable(getattr(value, "get_axes", None)) and callable(getattr(value, "savefig", None)):
        return _figure(value)
    if callable(getattr(value, "get_xlabel", None)) and callable(getattr(value, "get_legend_handles_labels", None)):
        made = [Form(f"plot {_axes(value, lines)}", share(lines, len(value.lines), "lines")) for lines in _FEW]
        return [*made, Form(f"plot {_labels(value)}", "labels only"), Form("plot", "its kind only")]
    return []


def _figure(figure: Any) -> list[Form]:
    axes = figure.get_axes()
    title = figure.get_suptitle() if hasattr(figure, "get_suptitle") else ""
    head = f"figure{_quoted(title)} with {len(axes)} plot{'s' if len(axes) != 1 else ''}"
    made = [
        Form("\n".join([f"{head}:", *(f"plot {_axes(one, 20)}" for one in axes[:few])]), share(few, len(axes), "plots"))
        for few in _FEW
    ]
    made.append(Form("\n".join([f"{head}:", *(f"plot {_labels(one)}" for one in axes[:8])]), "labels only"))
    return [*made, Form(head, "title only")]


def _labels(axes: Any) -> str:
    """ "'Wines': x 'alcohol', y 'colour'"."""
    said = f"{_quoted(axes.get_title())}: x{_quoted(axes.get_xlabel())}, y{_quoted(axes.get_ylabel())}"
    return said.strip()


def _axes(axes: Any, lines: int) -> str:
    """Labels, spans, legend, and what is drawn in one plot."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x = f"x{_quoted(axes.get_xlabel())} from {number(left)} to {number(right)}"
    y = f"y{_quoted(axes.get_ylabel())} from {number(low)} to {number(high)}"
    parts = [f"{_quoted(axes.get_title())}: {x}, {y}".strip()]
    parts += [_drawn(one) for one in axes.lines[:lines]]
    parts += [f"{len(one.get_offsets()):,} points{_named(one)}" for one in axes.collections if len(one.get_offsets())]
    if axes.patches:
        parts.append(f"{len(axes.patches):,} bars or shapes")
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
        f"line{_named(one)} of {len(heights):,} points, y from {number(heights[0])} to {number(heights[-1])}, "
        f"least {number(min(heights))}, most {number(max(heights))}"
    )


def _named(one: Any) -> str:
    label = str(one.get_label() or "")
    return "" if label.startswith("_") else _quoted(label)


def _quoted(text: Any) -> str:
    return f" '{line(text, 80)}'" if text else ""
