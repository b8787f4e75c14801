"""The Transformer's station of the inside panel: where heads look, one head in numbers, what every layer adds and would
say."""

from __future__ import annotations

from traitlets import Dict

from ..protocol.question import AttentionKind
from . import inside_data
from .inside_view import InsideWidget, page_tokens
from .view import module, styles

PARTS = (
    "common",
    "control_channel",
    "alive",
    "notebook",
    "drawing",
    "whole",
    "attention",
    "matrices",
    "residual",
    "layers",
    "transformer",
)


class Transformer(InsideWidget):
    """The model asked about its passes. The panel around it says in the page, by `at`, which step is looked at."""

    said = "The Transformer's station of the inside panel."

    _esm = module(*PARTS)
    _css = styles("common", "inside")
    at = Dict().tag(sync=True)

    def publish(self) -> None:
        self.show(**page_tokens(self.inside), held=None if self.inside.can_ask else inside_data.held(self.inside))

    def do_whole(self, step: int) -> None:
        """The numbers of the picture of the whole model."""
        self.look("whole", {"step": step}, lambda inside: inside_data.whole(inside, step))

    def do_attention(self, layer: int, position: int, part: AttentionKind = "decoder") -> None:
        """What every head of a layer takes at one position."""
        self.look(
            "attention",
            {"layer": layer, "position": position, "part": part},
            lambda inside: inside_data.attention(inside.attention(layer, part), position),
        )

    def do_head(self, layer: int, head: int, position: int, part: AttentionKind = "decoder") -> None:
        """The matrices of one head."""
        self.look(
            "head",
            {"layer": layer, "head": head, "position": position, "part": part},
            lambda inside: inside_data.head(inside.head_steps(layer, head, part), position),
        )

    def do_occlusion(self, hidden: int, target: int) -> None:
        """What becomes of one token where none may look at another."""
        asked = {"hidden": hidden, "target": target}
        self.look("occlusion", asked, lambda inside: inside_data.occlusion(inside.occlusion(hidden, [target])))

    def do_lens(self, position: int) -> None:
        """What every layer would say next, at some positions up to this one."""
        begin, end = max(0, position + 1 - inside_data.COLUMNS), position + 1
        self.look("lens", {"position": position}, lambda inside: inside_data.lens(inside.lens(5, begin, end)))

    def do_added(self, position: int) -> None:
        """What every layer adds at one position."""
        self.look("added", {"position": position}, lambda inside: inside_data.added(inside.added(), position))

    def do_path(self, position: int, tokens: list[int]) -> None:
        """The way of some tokens through the layers."""
        asked = {"position": position, "tokens": tokens}
        self.look("path", asked, lambda inside: inside_data.path(inside.path(tokens, position)))
