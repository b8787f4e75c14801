"""What would change an object is refused, and what only computes is called."""

from __future__ import annotations

import collections
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from filling import refusal, text, wine
from sklearn.linear_model import LogisticRegression


@pytest.mark.parametrize(
    "template",
    [
        *("{{ wine.drop(columns='hue', inplace=True) }}", "{{ wine.insert(0, 'z', 1) }}", "{{ wine.pop('hue') }}"),
        *("{{ wine.hue.update([9]) }}", "{{ insert(0, 'z', 1) }}", "{{ pd.DataFrame.insert(wine, 0, 'z', 1) }}"),
        *("{{ x.sort() }}", "{{ x.fill(0) }}", "{{ x.put(0, 9) }}", "{{ np.put(x, 0, 9) }}", "{{ x.partition(1) }}"),
        *("{{ np.add(x, 1, out=x) }}", "{{ np.add.at(x, 0, 1) }}", "{{ np.random.shuffle(x) }}", "{{ x.resize(1) }}"),
        *("{{ s.update([9]) }}", "{{ s.intersection_update([]) }}", "{{ c.subtract('a') }}", "{{ q.rotate() }}"),
        *("{{ pl1.drop_in_place('a') }}", "{{ pl1.extend(pl1) }}", "{{ wine|attr('insert') }}"),
        *("{{ model.set_params(C=2) }}", "{{ model.fit(wine, x) }}", "{{ wine.agg('insert') }}"),
    ],
)
def test_what_changes_an_object_is_refused(template: str) -> None:
    frame, x, s, model = wine(), np.array([3, 1, 2]), {1, 2}, LogisticRegression()
    c, q, pl1 = collections.Counter("aab"), collections.deque([1, 2]), pl.DataFrame({"a": [1], "b": [2]})
    names = {"wine": frame, "x": x, "s": s, "c": c, "q": q, "pl1": pl1, "np": np, "pd": pd, "model": model}
    assert "is not allowed in a prompt" in refusal(template, **names, insert=frame.insert).message
    assert frame.equals(wine())
    assert (x.tolist(), s, c["a"], list(q), pl1.shape, model.C) == ([3, 1, 2], {1, 2}, 2, [1, 2], (1, 2), 1.0)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ wine.to_csv(index=False) }}", "alcohol,hue\n14.5,1.0\n12.5,0.9\n"),
        ("{{ wine.drop(columns='hue').shape }}", "(2, 1)"),
        ("{{ wine.set_index('hue').alcohol.to_dict() }}", "{1.0: 14.5, 0.9: 12.5}"),
        ("{{ wine.query('hue < 1 and (alcohol < 13)').shape }}", "(1, 2)"),
        ("{{ wine.hue.agg('max') }} {{ wine.load.sum() }}", "1.0 3"),
        ("{{ np.sort(x).tolist() }} {{ np.append(x, 4).tolist() }}", "[1, 2, 3] [3, 1, 2, 4]"),
        ("{{ pl1.sort('a').shape }} {{ json.dumps([1]) }} {{ json.loads('[2]') }}", "(2, 1) [1] [2]"),
        ("{{ path.name }} {{ 'a-b'.partition('-') }} {{ {'load': 1}.load }}", "file ('a', '-', 'b') 1"),
        ("{{ pl1.select(pl.col('a').max()).item() }} {{ pl1.filter(pl.col.a > 1).height }}", "2 1"),
        ("{{ sorted(['b', 'A'], key=str.lower) }} {{ path.suffix }}", "['A', 'b'] "),
        ("{{ wine.hue.map(float.is_integer).tolist() }}", "[True, False]"),
        ("{{ ols('hue ~ alcohol', wine).fit().nobs }} {{ add(2) }}", "2.0 3"),
    ],
)
def test_what_only_computes_is_called(template: str, result: str) -> None:
    frame = wine()
    if "load" in template:
        frame = frame.assign(load=[1, 2])
    names = {"wine": frame, "x": np.array([3, 1, 2]), "pl": pl, "pl1": pl.DataFrame({"a": [2, 1]}), "np": np}
    names |= {"json": json, "path": Path("a/file"), "ols": smf.ols, "add": functools.partial(lambda x, y: x + y, 1)}
    assert text(template, **names) == result


def test_a_method_and_a_function_of_the_notebook_are_called() -> None:
    class Own:
        def double(self, x: int) -> int:
            return 2 * x

    assert text("{{ own.double(4) }} {{ f(5) }}", own=Own(), f=lambda x: x + 1) == "8 6"
