"""A stored answer is found by its question, or taken out of a broader one of the same kind and text."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.question import InputIds
from jupyter_complete.protocol.questions.attention import AskAttention, Attention
from jupyter_complete.protocol.questions.embedding import AskEmbedding, Embedding
from jupyter_complete.protocol.questions.lens import AskLens, Lens
from jupyter_complete.protocol.questions.path import AskPath, TokenPath
from jupyter_complete.session.known_answers import known_answer

TEXT, OTHER = InputIds((5, 6, 7)), InputIds((5, 6, 8))
TOKENS = ("a", "b", "c")


def lens(layers: int = 4, top: int = 3) -> Lens:
    ids = np.arange((layers + 1) * 3 * top).reshape(layers + 1, 3, top)
    return Lens(ids, ids.astype(str), ids / ids.max(), 0, TOKENS)


def attention(layer: int, part: str = "decoder") -> Attention:
    return Attention(layer, part, np.full((2, 3, 3), 1 / 3), TOKENS, TOKENS)  # type: ignore[arg-type]


def test_the_same_question_has_the_same_answer() -> None:
    found = lens()
    assert known_answer({AskLens(TEXT): found}, AskLens(TEXT)) is found


def test_another_text_s_answer_is_none() -> None:
    assert known_answer({AskLens(TEXT): lens()}, AskLens(OTHER)) is None
    assert known_answer({AskLens(TEXT): lens()}, AskLens(OTHER, 2)) is None


def test_another_kind_s_answer_is_none() -> None:
    path = TokenPath((5,), ("a",), 1, np.ones((1, 5), int), np.ones((1, 5)))
    assert known_answer({AskPath(TEXT, (5,), 1): path}, AskLens(TEXT)) is None


def test_a_narrower_lens_is_a_part_of_the_broader_one() -> None:
    found = known_answer({AskLens(OTHER): lens(), AskLens(TEXT): lens()}, AskLens(TEXT, 2, 1, 3))
    assert found is not None
    np.testing.assert_array_equal(found.ids, lens().ids[:, 1:3, :2])
    assert (found.begin, found.tokens) == (1, ("b", "c"))


def test_embeddings_are_found_whatever_text_they_were_asked_for() -> None:
    held = Embedding((5, 6, 7), TOKENS, np.arange(6).reshape(3, 2))
    found = known_answer({AskEmbedding((5, 6, 7)): held}, AskEmbedding((7, 5)))
    assert found is not None
    assert (found.texts, found.rows.tolist()) == (("c", "a"), [[4, 5], [0, 1]])


@pytest.mark.parametrize(
    "other",
    [
        (AskLens(OTHER), lens()),
        (AskPath(OTHER, (5,), 1), TokenPath((5,), ("a",), 1, np.ones((1, 5), int), np.ones((1, 5)))),
    ],
    ids=["lens", "path"],
)
def test_a_layer_from_the_end_is_known_if_some_answer_shows_their_number(other: tuple) -> None:  # type: ignore[type-arg]
    held = {AskAttention(TEXT, 3): attention(3)}
    assert known_answer(held, AskAttention(TEXT, -1)) is None
    assert known_answer({**held, other[0]: other[1]}, AskAttention(TEXT, -1)) is not None
    assert known_answer({**held, other[0]: other[1]}, AskAttention(TEXT, -2)) is None


def test_the_number_of_decoder_layers_says_nothing_of_the_encoder() -> None:
    held = {AskAttention(TEXT, 3, "encoder"): attention(3, "encoder"), AskLens(TEXT): lens()}
    assert known_answer(held, AskAttention(TEXT, -1, "encoder")) is None


def test_a_position_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadOption, match="There is no position"):
        known_answer({AskLens(TEXT): lens()}, AskLens(TEXT, 5, 9))
