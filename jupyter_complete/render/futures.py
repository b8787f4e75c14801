"""A tree of likely futures as a static picture: depth across, height the probability of the way there."""

from __future__ import annotations

from ..findings import Futures
from .inside import HUE, Block, percent, token
from .page import MONO, element, escape, unmath

WIDE, HIGH = 190, 420  # pixels of a depth, and of probability 1 where nothing is stretched
LETTER = 16
LEAST = 20  # pixels that a node needs to be named


def futures(found: Futures) -> Block:
    """The tree in SVG, and again as indented text with the same numbers."""
    lines = [
        f"{percent(float(found.rests[0]))} is cut off at the first token; nodes below {percent(found.cutoff)} are."
    ]
    lines.append("P(w1 … wn) = P(w1) · P(w2 | w1) · … : the height of a box is the product of the way to it.")
    text = "\n".join([*_tree(found, -1, 0), *lines])
    html = _picture(found) + "".join(element("div", "", unmath(escape(line))) for line in lines)
    listed = element("pre", f"font-size:16px;{MONO}", unmath(escape("\n".join(_tree(found, -1, 0)))))
    return Block("What might come next", text, f"{html}<details><summary>as text</summary>{listed}</details>")


def _tree(found: Futures, node: int, depth: int) -> list[str]:
    lines = []
    for child in found.children(node):
        joint, share = float(found.joints[child]), float(found.probs[child])
        also = f", {percent(joint)} together" if depth else ""
        lines.append(f"{'   ' * depth}{token(found.texts[child])}  {percent(share)}{also}")
        lines += _tree(found, child, depth + 1)
    return lines


def _picture(found: Futures) -> str:
    depth = int(found.depths.max()) if len(found.depths) else 1
    boxes = "".join(_boxes(found, -1, 0.0))
    size = f'width="{depth * WIDE}" height="{HIGH}" viewBox="0 0 {depth * WIDE} {HIGH}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="a tree of likely futures">{boxes}</svg>'
    )


def _boxes(found: Futures, node: int, top: float) -> list[str]:
    """The boxes of all that follows a node, which begins at pixel `top`."""
    made = []
    for child in found.children(node):
        joint = float(found.joints[child])
        high, left = joint * HIGH, (int(found.depths[child]) - 1) * WIDE
        fill = f"rgba({HUE[0]},{HUE[1]},{HUE[2]},{0.15 + 0.45 * float(found.probs[child]):.2f})"
        label = f"{token(found.texts[child])} {percent(float(found.probs[child]))}"
        box = f'<rect x="{left}" y="{top:.1f}" width="{WIDE - 4}" height="{max(1.0, high - 1):.1f}" fill="{fill}"'
        made.append(f'{box} stroke="#888"><title>{escape(label)}, {percent(joint)} together</title></rect>')
        if high >= LEAST:
            place = f'x="{left + 6}" y="{top + min(high / 2, 40) + LETTER / 3:.1f}"'
            made.append(
                f'<text {place} font-size="{LETTER}" font-family="monospace" fill="currentColor">{escape(label)}</text>'
            )
        made += _boxes(found, child, top)
        top += high
    return made
