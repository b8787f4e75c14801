"""What reaches out of the notebook is refused: files, the network, other programs."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from filling import refusal, wine
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@pytest.mark.parametrize(
    "template",
    [
        *("{{ x.__class__ }}", "{{ x|attr('__class__') }}", "{{ '{0.__class__}'.format(x) }}", "{{ x._private }}"),
        *("{{ x.append(1) }}", "{{ d.clear() }}", "{{ os.system('true') }}", "{{ subprocess.run(['true']) }}"),
        *("{{ os.remove('x') }}", "{{ opened('x') }}", "{{ run('1') }}", "{{ __builtins__ }}", "{{ f.__globals__ }}"),
        *(
            "{{ 9 ** 99999999 }}",
            "{{ 'x' * 999999999 }}",
            "{{ 999999999 * [0] }}",
            "{{ names * 99999999 }}",
            "{{ f.__code__ }}",
            "{{ g.gi_frame }}",
            "{{ str.format('{0.__class__}', x) }}",
            "{{ list.append(x, 2) }}",
        ),
    ],
)
def test_what_reaches_out_or_changes_a_value_is_refused(template: str) -> None:
    x = [1]
    d = {"a": 1}
    texts = pd.Series(["long", "texts"])
    names = {
        "names": texts,
        "x": x,
        "d": d,
        "os": os,
        "subprocess": subprocess,
        "opened": open,
        "run": exec,
        "__builtins__": {},
    }
    refusal(template, **names, f=refusal, g=(one for one in x))
    assert (x, d) == ([1], {"a": 1})


REACHING = [
    *("{{ sorted(t, key=os.system) }}", "{{ max(t, key=os.system) }}", "{{ pd.Series(t).map(os.system) }}"),
    *("{{ np.vectorize(os.system)(t) }}", "{{ pd.Series(t).apply(pd.io.common.os.system) }}", "{{ t|map(os.system) }}"),
    *("{{ os.environ }}", "{{ os }}", "{{ json.codecs }}", "{{ re.functools }}", "{{ '{0.path}'.format(os) }}"),
    *("{{ run(t[0]) }}", "{{ held['run'](t[0]) }}", "{{ held.values()|first }}{{ (held.values()|first)(t[0]) }}"),
    *("{{ pd.Series(t).map(held.values()|first) }}", "{{ wine.query('@pd') }}", "{{ wine.agg('to_csv') }}"),
    *("{{ pd.Series(t).map(wine.to_csv) }}", "{{ pd.Series(['@pd']).map(wine.query) }}", "{{ json.dump(t, run) }}"),
]


@pytest.mark.parametrize("template", REACHING)
def test_what_reaches_out_is_refused_wherever_it_stands(template: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    run = functools.partial(os.system)
    names = {"os": os, "pd": pd, "np": np, "json": json, "re": re, "t": [f"touch {made}"], "run": run, "wine": wine()}
    assert "is not allowed in a prompt" in refusal(template, **names, held={"run": os.system}).message
    assert not made.exists()


@pytest.mark.parametrize(
    "template",
    [
        *("{{ pd.read_pickle(p) }}", "{{ pd.read_csv(p) }}", "{{ np.load(p) }}", "{{ np.fromfile(p) }}"),
        *("{{ np.savetxt(p, [1]) }}", "{{ wine.to_csv(p) }}", "{{ wine.to_csv(path_or_buf=p) }}", "{{ load(p) }}"),
        *("{{ wine.to_pickle(p) }}", "{{ wine.hue.to_numpy().tofile(p) }}", "{{ np.memmap(p) }}", "{{ saved(p) }}"),
        *("{{ pl1.write_csv(p) }}", "{{ pl1.lazy().sink_csv(p) }}", "{{ pl.scan_csv(p) }}", "{{ pd.eval('1') }}"),
        *('{{ wine.query("hue.to_csv(p)") }}', "{{ Figure().savefig(p) }}", "{{ path.read_text() }}"),
        *("{{ canvas.print_png(p) }}", "{{ wine.groupby('hue').apply(pd.DataFrame.to_csv, p) }}"),
    ],
)
def test_what_reads_or_writes_files_is_refused(template: str, tmp_path: Path) -> None:
    frame = wine()
    names = {"pd": pd, "np": np, "pl": pl, "wine": frame, "pl1": pl.DataFrame({"a": [1]}), "saved": frame.to_csv}
    path, plots = tmp_path / "file", {"Figure": Figure, "canvas": FigureCanvasAgg(Figure())}
    error = refusal(template, **names, p=str(path), path=path, load=np.load, **plots)
    assert "is not allowed in a prompt" in error.message
    assert not path.exists()
