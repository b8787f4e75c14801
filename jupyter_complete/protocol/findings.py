"""What was found inside a model: values of numpy arrays and texts, to draw, to compute with, to keep in a file.

Shapes: T tokens of the decoder's text, S tokens attended to, L layers, D numbers a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .errors import BadOption
from .questions import Part
from .sampling import Sampling
from .views import Displayed

Heads: TypeAlias = int | Literal["mean", "max"]


@dataclass(frozen=True, slots=True)
class Weight:
    """One token of a distribution.

    `logit` is the model's; `scaled` what it is after the repetition penalty, divided by the temperature; `raw` its
    probability with no settings at all. `cut` says what cut it, None where it could be drawn, with probability `prob`;
    a draw from `low` to `high` picks it.
    """

    id: int
    text: str
    logit: float
    scaled: float
    raw: float
    cut: str | None
    prob: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Distribution(Displayed):
    """What a step chose from: the likeliest tokens, and those that were and would be picked, the likeliest first.

    `kept` tokens of `size` could be drawn; `draw` is u, None where nothing was drawn; `chosen` the id recorded,
    `picked` the one that these settings pick.
    """

    step: int
    rows: tuple[Weight, ...]
    sampling: Sampling
    draw: float | None
    chosen: int
    picked: int
    kept: int
    size: int

    @property
    def shown(self) -> float:
        """The probability that the rows have together."""
        return sum(row.prob for row in self.rows)


@dataclass(frozen=True, eq=False)
class AttentionRow(Displayed):
    """What one position takes from every other: `weights` float32 [S], which sum to 1 but for "max".

    With the first token hidden, `hidden` is the weight it had; the others are given anew in proportion.
    """

    weights: np.ndarray
    tokens: tuple[str, ...]
    layer: int
    head: Heads
    position: int
    part: Part
    hidden: float | None = None


@dataclass(frozen=True, eq=False)
class Attention(Displayed):
    """The attention of one layer: `weights` float32 [heads, T, S], row t what position t takes from each of S."""

    layer: int
    part: Part
    weights: np.ndarray
    tokens: tuple[str, ...]
    sources: tuple[str, ...]

    def row(self, position: int, head: Heads = "mean", hide_first: bool = False) -> AttentionRow:
        """One position's weights, of one head or the mean or the largest over heads. Raises BadOption."""
        heads, length, _ = self.weights.shape
        position = placed(position, length, "position")
        if isinstance(head, str) and head not in ("mean", "max"):
            raise BadOption(f"There is no head {head!r}.", f'Give 0 to {heads - 1}, "mean" or "max".')
        head = head if isinstance(head, str) else placed(head, heads, "head")
        rows = self.weights[:, position] if isinstance(head, str) else self.weights[[head], position]
        over = np.max if head == "max" else np.mean
        one, hidden = over(rows, 0), None
        if hide_first and len(one) > 1:  # a first token that all look at is where a head looks that has nothing to do
            hidden = float(one[0])
            one = over(_without_first(rows if head == "max" else one[None]), 0)  # maxima are no distribution
        return AttentionRow(one, self.sources, self.layer, head, position, self.part, hidden)


def _without_first(rows: np.ndarray) -> np.ndarray:
    """Distributions [N, S] over the others than the first alone."""
    rest = rows[:, 1:].sum(1, keepdims=True)
    others: np.ndarray = np.where(rest > 0.0, rows / np.where(rest > 0.0, rest, 1.0), 0.0)
    others[:, 0] = 0.0
    return others


@dataclass(frozen=True, eq=False)
class HeadSteps(Displayed):
    """One head, step by step: `weights` = softmax(`masked`) [T, S], `output` = weights · `value` [T, D].

    `query` [T, D], `key` and `value` [S, D] are as they meet, positions turned in (RoPE). `scores` = query · keyᵀ;
    `scaled` is that times `scale` (1/√d_k of most models), capped at `cap` by tanh where that is not 0, with the
    position bias added of models that have one (T5); `masked` has -inf where a position must not look. Several query
    heads may share key and value, which are those of head `shared`.
    """

    layer: int
    head: int
    shared: int
    part: Part
    scale: float
    cap: float
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    scores: np.ndarray
    scaled: np.ndarray
    masked: np.ndarray
    weights: np.ndarray
    output: np.ndarray
    tokens: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Lens(Displayed):
    """What every layer would say next: `ids`, `texts` and `probs` [L+1, T, top], the likeliest first.

    The T positions are those from `begin` on, whose tokens are `tokens`. Row 0 is of the embeddings, row l of the state
    after layer l, each put through the model's last norm and its head; the last row is the model's own answer.
    """

    ids: np.ndarray
    texts: np.ndarray
    probs: np.ndarray
    begin: int
    tokens: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Added(Displayed):
    """What every layer adds to the vector of each position, which begins as the token's embedding: state after a layer
    = state before it + what attention adds + what the MLP adds.

    Lengths |·| of these vectors: `attention` and `mlp` [L, T], `states` [L+1, T], the embeddings first; the last state
    is that before the model's last norm.
    """

    attention: np.ndarray
    mlp: np.ndarray
    states: np.ndarray
    tokens: tuple[str, ...]

    def at(self, position: int) -> Added:
        """One position alone. Raises BadOption."""
        place = placed(position, len(self.tokens), "position")
        here = np.s_[:, place : place + 1]
        return Added(self.attention[here], self.mlp[here], self.states[here], self.tokens[place : place + 1])


@dataclass(frozen=True, eq=False)
class Path(Displayed):
    """How likely some tokens were after each layer, as what follows `position`: `ranks` and `probs` [tokens, L+1]."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    position: int
    ranks: np.ndarray
    probs: np.ndarray


@dataclass(frozen=True, eq=False)
class Embedding(Displayed):
    """The vectors that ids begin as: `rows` float32 [ids, hidden]."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class State(Displayed):
    """The last step to P(w_i | w_<i) = softmax(W h_i): `hidden` h_i float32 [hidden], which the head reads at
    `position`; of some tokens the `rows` of W float32 [ids, hidden], and the model's own `logits` there [ids].

    logits = rows · hidden where the head adds no bias and has no cap. `norm` is log Σ e^logit over the vocabulary, so
    that P = e^(logit - norm).
    """

    position: int
    hidden: np.ndarray
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    rows: np.ndarray
    logits: np.ndarray
    norm: float


@dataclass(frozen=True, eq=False)
class Occlusion(Displayed):
    """Log P of the tokens at `targets`, as it was (`before`) and where no token may look at `position` (`after`).

    The hidden token's own state is not emptied, so the token right behind it still knows it.
    """

    position: int
    hidden: str
    targets: tuple[int, ...]
    texts: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray

    @property
    def change(self) -> np.ndarray:
        """Δ log P: below 0 where the hidden token had helped."""
        less: np.ndarray = self.after - self.before
        return less


@dataclass(frozen=True, eq=False)
class Futures(Displayed):
    """A tree of what may come next, N nodes in the order of depth, a parent before its children.

    `probs` are P(w | all before it), `joints` P of the way there, the product of these; `parents` the number of the
    node before, -1 for the text itself. `rests` [N+1] is what was cut off behind each node, the text itself first: the
    probability, given the way there, of all tokens that are no node. At the last depth, where none was asked, it is 1.
    """

    ids: np.ndarray
    texts: tuple[str, ...]
    parents: np.ndarray
    depths: np.ndarray
    probs: np.ndarray
    joints: np.ndarray
    rests: np.ndarray
    cutoff: float

    def children(self, node: int = -1) -> list[int]:
        """Numbers of the nodes that follow one, the likeliest first; those of the text itself without one."""
        return [int(one) for one in np.flatnonzero(self.parents == node)]


@dataclass(frozen=True, eq=False)
class Change(Displayed):
    """What the change of one word does to what comes next: P of the likeliest tokens before and after it.

    `ids`, `texts` and both `probs` [tokens] are of the likeliest of either; `divergence` is KL(before ‖ after) in bits,
    0 for a model that looked at the last word alone.
    """

    position: int
    word: str
    other: str
    ids: np.ndarray
    texts: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    divergence: float
    tokens: tuple[str, ...]


Finding: TypeAlias = Attention | HeadSteps | Lens | Added | Path | Embedding | State | Occlusion | Futures | Change


def labelled(raw: bytes) -> str:
    """A token's bytes as text, and as numbers where they are no whole characters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{raw.hex(' ')}⟩"


def placed(place: int, length: int, what: str) -> int:
    """`place` from 0, counted from the end where it is negative; raises BadOption."""
    if not isinstance(place, int) or not -length <= place < length:
        raise BadOption(f"There is no {what} {place!r}.", f"Give 0 to {length - 1}.")
    return place % length
