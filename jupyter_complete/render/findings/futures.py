"""A tree of likely futures as a static picture: depth across, height the probability of the way there."""

from __future__ import annotations

from ...protocol.questions.futures import Futures
from ..blocks import HUE, Block, percent, token
from ..html import MONO, as_html, element, escape

WIDE, HIGH = 190, 420  # pixels of a depth, and of probability 1 where nothing is stretched
LETTER = 16
LEAST = 20  # pixels that a node needs to be named


def blocks(found: Futures) -> list[Block]:
    """The tree in SVG, and again as indented text with the same numbers."""
    lines = [
        f"{percent(float(found.rests[0]))} is cut off at the first token (dashed): ways less likely than "
        f"{percent(found.cutoff)}, and of each depth those behind the likeliest that were asked for."
    ]
    lines.append("P(w1 … wn) = P(w1) · P(w2 | w1) · … : the height of a box is the product of the way to it.")
    text = "\n".join([*_tree(found, -1, 0), *lines])
    html = _picture(found) + "".join(element("div", "", as_html(line)) for line in lines)
    listed = element("pre", f"font-size:16px;{MONO}", as_html("\n".join(_tree(found, -1, 0))))
    return [Block("What might come next", text, f"{html}<details><summary>as text</summary>{listed}</details>")]


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
    first = ", ".join(_label(found, child) for child in found.children()[:3])
    named = escape(f"A tree of likely futures; first {first}" if first else "A tree of likely futures, all cut off")
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{named}">{boxes}</svg>'


def _label(found: Futures, node: int) -> str:
    return f"{token(found.texts[node])} {percent(float(found.probs[node]))}"


def _boxes(found: Futures, node: int, top: float) -> list[str]:
    """The boxes of all that follows a node, which begins at pixel `top`, and below them what is cut off."""
    made = []
    for child in found.children(node):
        joint, depth = float(found.joints[child]), int(found.depths[child]) - 1
        fill = f"rgba({HUE[0]},{HUE[1]},{HUE[2]},{0.15 + 0.45 * float(found.probs[child]):.2f})"
        label, high = _label(found, child), joint * HIGH
        made.append(
            _box(depth, top, high, label, f"{label}, {percent(joint)} together", f'fill="{fill}" stroke="#888"')
        )
        made += _boxes(found, child, top)
        top += high
    depth = int(found.depths[node]) if node >= 0 else 0
    high = float(found.rests[node + 1]) * (float(found.joints[node]) if node >= 0 else 1.0) * HIGH
    if depth < found.depths.max(initial=1) and high >= 1:
        label = f"cut off {percent(float(found.rests[node + 1]))}"
        made.append(_box(depth, top, high, label, label, 'fill="none" stroke="#888" stroke-dasharray="4 4"'))
    return made


def _box(depth: int, top: float, high: float, label: str, title: str, looks: str) -> str:
    left, place = depth * WIDE, top + min(high / 2, 40) + LETTER / 3
    shape = f'x="{left}" y="{top:.1f}" width="{WIDE - 4}" height="{max(1.0, high - 1):.1f}"'
    box = f"<rect {shape} {looks}><title>{escape(title)}</title></rect>"
    if high < LEAST:
        return box
    letters = f'font-size="{LETTER}" font-family="monospace" fill="currentColor"'
    return f'{box}<text x="{left + 6}" y="{place:.1f}" {letters}>{escape(label)}</text>'
