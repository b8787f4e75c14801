"""What the tables list is there, in the libraries as they are installed: a slip of a name would allow nothing."""

from __future__ import annotations

import importlib

import matplotlib.artist
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from jupyter_complete.prompt.variables.tables import arrays, frames, models, python

KINDS = {
    "builtins.str": str,
    "builtins.dict": dict,
    "numpy.ndarray": np.ma.MaskedArray,
    "pandas.DataFrame": pd.DataFrame,
    "pandas.Series": pd.Series,
    "pandas.StringMethods": type(pd.Series(["a"]).str),
    "polars.DataFrame": pl.DataFrame,
    "polars.LazyFrame": pl.LazyFrame,
    "torch.Tensor": torch.Tensor,
    "matplotlib.Artist": matplotlib.artist.Artist,
}
TYPES = python.TYPES | arrays.TYPES | frames.TYPES | models.TYPES
MODULES = python.MODULES | arrays.MODULES | frames.MODULES | models.MODULES
ELSEWHERE = {"bool_", "trapz", "in1d", "sumprod", "cbrt", "exp2", "UTC", "dtypes", "eval"}
"""Names of other versions of a library than the one that is tested."""


@pytest.mark.parametrize("name", [name for name in KINDS if name != "matplotlib.Artist"])
def test_the_names_of_a_type_are_there(name: str) -> None:
    assert [one for one in TYPES[name].split() if not hasattr(KINDS[name], one) and one not in ELSEWHERE] == []


@pytest.mark.parametrize("path", MODULES)
def test_the_names_of_a_module_are_there(path: str) -> None:
    module = importlib.import_module(path)
    assert [one for one in MODULES[path].split() if not hasattr(module, one) and one not in ELSEWHERE] == []


@pytest.mark.parametrize("table", [*TYPES.values(), *MODULES.values()])
def test_no_name_is_private_or_listed_for_what_it_changes(table: str) -> None:
    changing = {"insert", "pop", "clear", "update_", "fill_", "set_params", "fit_transform", "to_pickle", "to_parquet"}
    assert not changing.intersection(table.split())
    assert not [name for name in table.split() if name.startswith("_")]
