"""Plots as text: titles, labels and what is drawn."""

from __future__ import annotations

import numpy as np
from described import fullest
from matplotlib.figure import Figure


def plotted() -> Figure:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([1, 2, 3], [3, 4, 1], label="train")
    left.set(title="Loss", xlabel="epoch")
    left.legend()
    right.bar(["a", "b"], [1, 2])
    figure.suptitle("Training")
    return figure


def test_a_figure_tells_titles_labels_legends_and_what_is_drawn() -> None:
    first, second, third = fullest(plotted()).splitlines()
    assert first == "figure 'Training' with 2 plots:"
    assert second.startswith("plot 'Loss': x 'epoch' from 0.9 to 3.1, y from 0.85 to 4.15; line 'train' of 3 points")
    assert second.endswith("; legend: train")
    assert third.endswith("; 2 bars or shapes")


def test_axes_are_told_by_themselves() -> None:
    assert fullest(plotted().axes[0]).startswith("plot 'Loss': x 'epoch'")


def test_axes_without_a_title_begin_with_what_they_are() -> None:
    assert fullest(plotted().axes[1]).startswith("plot: x from")


def test_an_array_of_axes_is_told_as_plots() -> None:
    first, second, third = fullest(np.array(plotted().axes)).splitlines()
    assert (first, second[:12], third[:7]) == ("2 plots:", "plot 'Loss':", "plot: x")
