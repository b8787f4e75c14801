"""Objects of any other kind as text."""

from __future__ import annotations

import numpy as np
from described import WINE, Plain, forms, frame, fullest


def test_an_object_without_words_tells_its_public_attributes() -> None:
    assert fullest(Plain()) == "Plain(size=3)"


def test_a_function_is_told_by_its_source() -> None:
    assert fullest(frame).startswith("def frame(rows: int)")
    assert forms(frame)[1].text == "frame(rows: 'int') -> 'pd.DataFrame'"


def test_a_frame_inside_a_dict_is_told_by_its_shape() -> None:
    assert (
        fullest({"data": WINE.data, "few": np.array([1.0, 2.0])}) == "{'data': <DataFrame 178 × 13>, 'few': [1.0, 2.0]}"
    )
