"""The stations of a completion as static views: text to tokens, logits to a distribution to a token, tokens to text."""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence

from ..protocol.distribution import Distribution, Weight
from ..protocol.phrases import count
from ..protocol.questions.embedding import Embedding
from ..protocol.sampling import Sampling
from .blocks import BLOCKS, Block, Cell, bar, number, percent, tabled, token

Piece = tuple[int, bytes]  # a token: its id, and the bytes it stands for
CELLS = 24  # numbers of a vector that are drawn
TOKEN = "A token is a piece that is frequent in texts. It can be a word, a part of one, or a sign."
PENALISED = (
    "Penalised: the token is in the text already, so its logit was changed by the repetition penalty before it was "
    "divided by the temperature."
)


def preprocess(text: str, pieces: Sequence[Piece], vectors: Embedding | None = None) -> Block:
    """From characters to tokens, ids and bytes, with the vectors that the model begins from."""
    head = ["at", "token", "id", "bytes"]
    drawn = strips(vectors) if vectors else []
    rows: list[list[Cell | str]] = []
    for place, ((id, raw), shown) in enumerate(zip(pieces, _shown(pieces), strict=True)):
        rows.append([number(place, "d"), shown, number(id, "d"), raw.hex(" ")])
        if drawn:
            rows[-1].append(drawn[place])
    if vectors:
        size = vectors.rows.shape[1]
        head.append(f"vector, {min(CELLS, size)} of {size:,} numbers")
    length = f"{count(len(text), 'character')}, {count(len(text.encode(errors='replace')), 'byte')}"
    said = [f"{length} → {count(len(pieces), 'token')}. {TOKEN}"]
    return tabled(f"Preprocess: text → tokens → ids{' → vectors' if vectors else ''}", head, rows, said)


def distribution(found: Distribution, before: str = "") -> Block:
    """What a step chose from: logit, logit/T, what was cut and why, P, and where u fell."""
    asked = found.sampling
    warm = "greedy" if asked.greedy else f"logit/{asked.temperature:g}"
    head = ["token", "", "logit", warm, "P = softmax(logit)", "after settings", "", "cumulative", "id"]
    rows: list[list[Cell | str]] = []
    for row in found.rows:
        told = {
            "← picked": row.id == found.picked,
            "recorded": row.id == found.chosen,
            "penalised": penalised(row, asked),
        }
        marks = [mark for mark, on in told.items() if on]
        if row.cut:
            shown, place = Cell(f"cut: {row.cut}", True), ""
        else:
            shown, place = Cell(percent(row.prob), True, row.prob), f"{row.low:.4f}–{row.high:.4f}"
        mark, numbers = ", ".join(marks), [number(row.logit), number(row.scaled), Cell(percent(row.raw), True)]
        rows.append([token(row.text), mark, *numbers, shown, bar(row.prob), place, number(row.id, "d")])
    where = f"Step {found.step}" + (f", after {token(before[-24:])}" if before else "")
    said = [
        f"{where}: {count(found.kept, 'token')} of {found.size:,} could be drawn; those shown have "
        f"{percent(found.shown)} together. {_settings(found)}"
    ]
    if found.draw is not None:
        said.append(f"u = {found.draw:.4f} falls into the stretch of the picked token, in the order of ids.")
    if any(penalised(row, asked) for row in found.rows):
        said.append(PENALISED)
    return tabled("Distribution: logits → softmax → a token", head, rows, said)


def penalised(row: Weight, asked: Sampling) -> bool:
    """Whether the repetition penalty changed the token's logit."""
    if asked.repetition_penalty == 1.0 or not math.isfinite(row.scaled):
        return False
    return not math.isclose(row.scaled * asked.divisor, row.logit, rel_tol=1e-5)


def postprocess(pieces: Sequence[Piece], special: frozenset[int] = frozenset()) -> Block:
    """From ids to bytes to text; a character whose bytes are not whole is held back."""
    decoder, rows = codecs.getincrementaldecoder("utf-8")("replace"), list[list[Cell | str]]()
    for step, (id, raw) in enumerate(pieces):
        control = id in special
        added = "" if control else decoder.decode(raw)
        held = len(decoder.getstate()[0])
        part = f"{count(held, 'byte')} held: part of a character" if held else ""
        state = "control token, no text" if control else part
        rows.append([number(step, "d"), number(id, "d"), raw.hex(" "), token(added) if added else "", state])
    return tabled("Postprocess: ids → bytes → text", ["step", "id", "bytes", "adds", ""], rows)


def _settings(found: Distribution) -> str:
    asked = found.sampling
    parts = [f"temperature {asked.temperature:g}"]
    parts += [f"top_k {asked.top_k}"] * (asked.top_k > 0) + [f"top_p {asked.top_p:g}"] * (asked.top_p < 1.0)
    parts += [f"min_p {asked.min_p:g}"] * (asked.min_p > 0.0)
    parts += [f"repetition_penalty {asked.repetition_penalty:g}"] * (asked.repetition_penalty != 1.0)
    return f"Settings: {', '.join(parts)}."


def _shown(pieces: Sequence[Piece]) -> list[str]:
    """The text of each token; of tokens that share a character, the character and which part each is."""
    shown, at = [""] * len(pieces), 0
    while at < len(pieces):
        end, raw = at + 1, pieces[at][1]
        while end < len(pieces) and end - at < 8 and not _whole(raw):
            raw, end = raw + pieces[end][1], end + 1
        if not _whole(raw):
            end, raw = at + 1, pieces[at][1]
        text = token(raw.decode("utf-8", "replace"))
        for place in range(at, end):
            shown[place] = text if end - at == 1 else f"{text} {place - at + 1}/{end - at}"
        at = end
    return shown


def _whole(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def strips(vectors: Embedding) -> list[str]:
    """The first numbers of every vector as blocks, low to high, on one scale."""
    rows = vectors.rows[:, :CELLS]
    low, high = float(rows.min()), float(rows.max())
    levels = (rows - low) / ((high - low) or 1.0) * (len(BLOCKS) - 1)
    return ["".join(BLOCKS[round(float(level))] for level in row) for row in levels]
