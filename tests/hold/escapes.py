"""Expressions that try to act, to change what they read, or never to end: each is to be refused, or harmless.

Run as a program, it evaluates all of them and prints, as JSON, what became of each, with what it cost in seconds and in
bytes, and what it changed. A kernel that one of them ends would end the program, which a test then sees.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ATTRIBUTES = r"""
x.__class__
x.__class__.__mro__
x.__class__.__base__.__subclasses__()
text.__init__.__globals__
own.__globals__
own.__code__
own.__closure__
own.__builtins__
own.__call__(1)
own.__get__
''.__class__.__mro__[1].__subclasses__()
().__class__.__bases__
x|attr("__class__")
x|attr("_" ~ "_class__")
[x]|map(attribute="__class__")|list
[x]|map("attr", "__class__")|list
[x]|sum(attribute="__class__")
[x]|groupby("__class__")
[x]|sort(attribute="__class__")
[x]|selectattr("__class__")|list
[x]|rejectattr("__class__")|list
[x]|unique(attribute="__class__")|list
[x]|min(attribute="__class__")
[[x, 1]]|map(attribute="0.__class__")|list
x["__class__"]
text["__class__"]
own["__globals__"]
generator.gi_frame
generator.gi_code
generator.gi_frame.f_globals
coroutine.cr_frame
err.__traceback__
err.with_traceback(None)
err.add_note("x")
frame.f_locals
code.co_code
module.os
module.os.system(touch)
json.codecs
json.decoder
re.functools
re._compiler
statistics.sys
statistics.random
textwrap.re.functools
collections.abc
np.core
np.lib
np.ctypeslib
np.f2py
np.testing
np.random
pd.io
pd.core
pd.compat
pd.util
pd.api
pd.testing
pl.os
pl.plr
pl.io
pl.api
torch.os
torch.sys
torch.ops
torch.hub
torch.utils
torch.jit
torch.multiprocessing
scipy.io
sklearn.utils
sklearn.externals
sm.stats
sm.datasets
smf
os
sys
subprocess
builtins
importlib
socket
shutil
ctypes
pickle
threading
gc.get_objects()
inspect
lipsum.__globals__
range.__class__
dict.__class__
str.format
str.format_map
"".format.__self__
object.__subclasses__()
type(x)
getattr(x, "real")
vars(own)
globals()
locals()
eval("1")
exec("1")
compile("1", "", "eval")
open(touch)
input()
breakpoint()
__import__("os")
"""
FORMATS = r"""
"{0.__class__}".format(x)
"{0.__class__.__mro__}".format(x)
"{0[__class__]}".format(x)
"{x.__init__.__globals__}".format(x=own)
"{x.__class__}".format_map({"x": x})
"{0.system}".format(os)
"{0.os}".format(module)
"{:{}}".format(1, 10**9)
"{:1000000000}".format(1)
"{:>{w}}".format("a", w=10**9)
"{:.1000000000f}".format(1.0)
"%1000000000d" % 5
"%*d" % (10**9, 5)
"%.*f" % (10**9, 1.0)
"%-1000000000s" % "a"
"%(a)1000000000s" % {"a": 1}
"%s"|format(x.__class__)
"%*d"|format(10**9, 5)
"%(gone)s" % default
day.strftime("%1000000000d")
day.strftime("%99999999Y")
"{:%99999999Y}".format(day)
"{:%1000000000d}".format(day)
str.format("{0.__class__}", x)
str.format_map("{x.__class__}", {"x": x})
names|map("format", x)|list
text.format(**{"a": x.__class__})
format(x, "1000000000")
"{0}".format(exit)
"""
FILES = r"""
np.load(touch)
np.save(touch, a)
np.savetxt(touch, a)
np.savez(touch, a)
np.fromfile(touch)
np.memmap(touch)
np.genfromtxt(touch)
np.loadtxt(touch)
np.lib.npyio.NpzFile(touch)
npz_file(touch)
a.tofile(touch)
a.dump(touch)
a.dumps()
a.ctypes.data
pd.read_csv(touch)
pd.read_pickle(touch)
pd.read_html(touch)
pd.read_json(touch)
pd.read_sql("x", touch)
pd.eval("1 + 1")
pd.eval("__import__('os')")
pd.ExcelFile(touch)
pd.HDFStore(touch)
pd.io.common.os.mkdir(touch)
pd.core.common.os
pd.util.testing
df.to_csv(touch)
df.to_csv(path_or_buf=touch)
df.to_pickle(touch)
df.to_parquet(touch)
df.to_json(touch)
df.to_html(touch)
df.to_latex(touch)
df.to_markdown(touch)
df.to_string(touch)
df.to_string(buf=touch)
df.to_excel(touch)
df.to_sql("x", touch)
df.to_clipboard()
df.to_xml()
df.to_xml(stylesheet=touch)
df.to_hdf(touch, "x")
df.style.to_html(touch)
df.style.to_typst(touch)
df.style.to_excel(touch)
df.agg("to_csv")
df.agg(["to_csv"])
df.agg({"a": "to_csv"})
df.agg(pd.Index(["to_csv"]))
df.agg(np.array(["to_pickle"]))
df.agg({"to_csv": "x"}.keys())
df.agg(x=("a", "to_csv"))
df.a.agg("to_csv")
df.transform("to_csv")
df.apply("to_csv", args=(touch,))
df.pipe("to_csv")
df.groupby("b").agg("to_csv")
df.groupby("b").apply("to_csv")
df.groupby("b").transform("to_pickle")
df.pivot_table(index="b", aggfunc="to_csv")
df.pivot_table("a", "b", None, "to_csv")
df.rolling(2).agg("to_csv")
pd.crosstab(df.a, df.b, df.a, aggfunc="to_csv")
df.query("a.to_csv(@touch)")
df.query("@os.mkdir('x')")
df.query("a.to_csv('x') > 1", engine="python")
df.query("__import__('os')")
df.query("9**9**9 > 1")
df.query("'x' * 999999999 == 'y'")
df.eval("b = a.to_csv()")
df.plot()
df.plot(backend="evil")
df.plot.line(backend="evil")
df.a.plot(backend="evil")
df.hist()
df.boxplot()
import_optional("evil")
pd.compat._optional.import_optional_dependency("evil")
plt.switch_backend("module://evil")
plt.savefig(touch)
fig.savefig(touch)
fig.canvas.print_png(touch)
pl.read_csv(touch)
pl.scan_csv(touch)
pl.sql("select * from read_csv('x')")
pl.DataFrame.deserialize(touch)
pdf.write_csv(touch)
pdf.write_parquet(touch)
pdf.write_json(touch)
pdf.write_csv(file=touch)
pdf.lazy().sink_csv(touch)
pdf.serialize(touch)
pdf.sql("select 1")
torch.load(touch)
torch.save(t, touch)
torch.utils.collect_env.run("touch x")
torch.hub.load("x", "y")
t.storage()
t.untyped_storage()
collect_run("touch x")
joblib_load(touch)
json.load(opened)
json.dump(d, opened)
opened.read()
opened.write("x")
opened|list
"x" in opened
path.write_text("x")
path.mkdir()
path.read_text()
path.exists()
path.unlink()
path.open()
fit.save(touch)
fit.remove_data()
fit.summary().tables[0].as_text.__self__
smf.ols("a ~ __import__('os').mkdir('made')", df)
smf.ols("a ~ os.mkdir(touch)", df)
smf.ols("a ~ I(exit())", df)
smf.ols("a ~ x['y']", df)
os.mkdir(touch)
mkdir(touch)
held["mkdir"](touch)
held.mkdir(touch)
(held.values()|first)(touch)
partial_mkdir(touch)
subprocess.run(["true"])
shell.run_cell("1")
shell.user_ns
"""
PASSED = r"""
sorted([0], key=exit)
sorted([touch], key=mkdir)
max([0], key=exit)
min([touch], key=os.mkdir)
[touch]|map(mkdir)|list
list(map(mkdir, [touch]))
pd.Series([touch]).map(mkdir)
pd.Series([touch]).apply(mkdir)
df.pipe(exit)
df.pipe((exit, "x"))
df.apply(exit)
df.apply([exit])
df.apply({"a": exit})
df.map(exit)
df.agg(exit)
df.agg({"a": [exit]})
df.transform(exit)
df.groupby(exit)
df.groupby("b").apply(exit)
df.groupby("b").filter(exit)
df.groupby("b").pipe(exit)
df.assign(c=exit)
df.rename(columns=exit)
df.loc[exit]
df[exit]
df.iloc[exit]
df.a[exit]
df.loc[exit, "a"]
df.a.where(exit)
df.a.mask(exit)
df.rolling(2).apply(exit)
df.a.rolling(2).apply(exit)
df.a.combine(df.a, exit)
df.sort_values("a", key=exit)
df.corr(exit)
df.to_string(formatters=[exit])
df.to_string(float_format=exit)
df.b.str.replace("x", exit, regex=True)
df.a.map(default)
df.reindex(exit)
df.interpolate(exit)
df.resample(exit)
df.pivot_table(index="b", aggfunc=exit)
pdf.map_rows(exit)
pdf.pipe(exit)
pdf["a"].map_elements(exit)
pdf.select(pl.col("a").map_batches(exit))
pdf.select(pl.col("a").map_elements(exit))
pl.map_batches(["a"], exit)
pl.fold(0, exit, ["a"])
pl.reduce(exit, ["a"])
pdf.group_by("a").map_groups(exit)
re.sub("a", exit, text)
re.compile("a").sub(exit, text)
json.dumps(x, default=exit)
json.dumps(own, default=exit)
json.dumps(x, cls=encoder)
json.loads("{}", object_hook=exit)
json.loads("1", parse_int=exit)
json.JSONEncoder(default=exit)
itertools.starmap(exit, [[]])|list
itertools.groupby([0], exit)|list
itertools.filterfalse(exit, [0])|list
itertools.accumulate([0, 1], exit)|list
functools.reduce(exit, [0, 1])
functools.partial(exit)()
operator.methodcaller("clear")(d)
operator.attrgetter("__class__")(x)
np.vectorize(exit)(a)
np.apply_along_axis(exit, 0, a)
np.apply_over_axes(exit, a, 0)
np.frompyfunc(exit, 1, 1)(a)
np.piecewise(a, [a > 0], [exit])
np.fromfunction(exit, (2,))
np.array2string(a, formatter={"all": exit})
np.histogram(a, bins=exit)
scipy.optimize.minimize(exit, 0)
scipy.integrate.quad(exit, 0, 1)
scipy.stats.bootstrap((a,), exit)
scipy.stats.kstest(a, exit)
torch.vmap(exit)(t)
t.apply_(exit)
t.map_(t, exit)
t.register_hook(exit)
sklearn.metrics.make_scorer(exit)
sklearn.metrics.silhouette_score([[0], [1]], [0, 1], metric=exit)
dict(a=exit).a()
held.exit()
[exit][0]()
exit()
hostile_partial()
"""
CHANGES = r"""
np.multiply(a, 0, a)
np.add(a, 1, out=a)
np.add(a, 1, a)
np.clip(a, 0, 0, a)
np.mean(a, 0, None, a)
np.cumsum(a, 0, None, a)
np.median(a, None, None, True)
np.median(a, overwrite_input=True)
np.percentile(a, 50, overwrite_input=True)
np.nan_to_num(a, copy=False)
np.nan_to_num(a, False)
np.put(a, 0, 9)
np.place(a, a > 0, 9)
np.copyto(a, 9)
np.fill_diagonal(a, 9)
np.random.shuffle(a)
np.add.at(a, 0, 9)
np.seterr(all="ignore")
np.set_printoptions(precision=1)
np.random.seed(0)
np.random.rand()
np.random.default_rng(0)
a.clip(0, 0, a)
a.cumsum(0, None, a)
a.round(0, a)
a.max(0, a)
a.dot(a, a)
a.take([0], 0, a)
a.byteswap(True)
a.sort()
a.fill(0)
a.partition(1)
a.resize(1)
a.setflags(write=False)
a.flat.__setitem__(0, 9)
a.flags.writeable
a.view("int8")
df.insert(0, "z", 1)
df.pop("a")
df.update(df * 0)
df.drop(columns="a", inplace=True)
df.fillna(0, inplace=True)
df.isetitem(0, 1)
df.a.update([9])
df.attrs.update(x=1)
df.flags
df.sample(1)
df.a.sample(1)
df.set_flags(copy=False)
pd.set_option("display.width", 1)
pd.options.display.width
pd.DataFrame.insert(df, 0, "z", 1)
pdf.drop_in_place("a")
pdf.extend(pdf)
pdf.insert_column(0, pdf["a"])
pdf.replace_column(0, pdf["a"])
pdf["a"].append(pdf["a"])
pdf["a"].set_sorted()
pdf.sample(1)
pdf["a"].shuffle()
pl.set_random_seed(1)
pl.Config.set_tbl_rows(1)
t.zero_()
t.add_(1)
t.fill_(0)
t.requires_grad_()
t.data.zero_()
t.backward()
torch.nn.init.zeros_(t)
torch.nn.functional.dropout(t, 0.5, True, True)
torch.ops.aten.zero_(t)
torch.ops.aten.add_(t, 1)
torch.add(t, 1, out=t)
torch.manual_seed(0)
torch.rand(1)
torch.set_num_threads(1)
init_zeros(t)
names.append("x")
names.sort()
names.reverse()
names.clear()
list.append(names, 1)
d.clear()
d.update(x=1)
d.setdefault("x", 1)
d.pop("key")
s.add(1)
s.discard("b")
queue.append(1)
queue.rotate(1)
counter.subtract("a")
counter.update("a")
default["gone"]
default.gone
"%(gone)s" % default
"{x[gone]}".format(x=default)
random.random()
random.shuffle(names)
random.Random().shuffle(names)
random.setstate(state)
random.choices([1], k=10**9)
names|random
ax.plot([1])
ax.set_title("x")
ax.clear()
plt.title("x")
plt.plot([1])
fig.add_axes([0, 0, 1, 1])
fig.clf()
decimal.setcontext(decimal.Context())
decimal.getcontext()
clf.fit(X, y)
clf.set_params(C=9)
clf.coef_.sort()
locale.setlocale(0, "C")
warnings.simplefilter("ignore")
time.sleep(1000)
"""
BOMBS = r"""
9**99999999
10**10**10
(10**30)**(10**9)
2**(2**40)
half**(10**9)
"x" * 999999999
999999999 * [0]
[[0] * 1000000] * 1000000
[text * 1000] * 1000000
names * 99999999
b"x" * 999999999
round(5, -10**9)
10**9|round(10**9)
5.5|round(10**9, "ceil")
math.factorial(10**7)
math.comb(10**7, 5 * 10**6)
math.perm(10**7)
math.prod([10**300] * 1000000)
math.lcm(10**9999 + 1, 10**9999 + 3) ** 9
np.power(object_array, 10**9)
object_array ** (10**9)
np.multiply(a, 10**400)
np.prod([10**300] * 1000000)
"x".ljust(10**10)
"x".center(10**10)
"x".rjust(10**10)
"5".zfill(10**10)
"\t".expandtabs(10**10)
"x"|center(10**10)
"a\nb"|indent(10**10)
[1]|batch(10**10, 0)|list
[1]|slice(10**10)|list
d|tojson(indent=10**9)
json.dumps(d, indent=10**9)
(5).to_bytes(10**10, "big")
x.to_bytes(10**10, "big")
text.replace("", text * 100000)
text|replace("a", text * 10000)
"".join([text * 1000] * 1000000)
(text * 1000).join(names * 10000)
range(10**12)|list
range(10**12)|sum
sum(long_range)
list(long_range)
max(long_range)
sorted(long_range)
0.5 in long_range
"a" not in long_range
long_range|length
long_range.count(0.5)
long_range.index(0.5)
-1 in itertools.count()
-1 in endless
"a" in endless
endless|list
endless|join
endless|sum
endless|map("string")|join
endless|length
endless|last
sum(endless)
list(endless)
"".join(endless_text)
sorted(endless)
max(endless)
dict(enumerate(endless))
zip(endless, endless)|list
set(endless)
tuple(endless)
all(endless_true)
[endless][0]|list
own_endless()|list
itertools.repeat("x")|join
itertools.product(range(1000000), repeat=9)|list
sum([names * 1000] * 1000, [])
re.match("(a+)+$", "a" * 40 + "b")
re.findall("(a|aa)+$", "a" * 60 + "b")
re.sub("(x+x+)+y", "", "x" * 60)
bombs.str.match("(a+)+$")
bombs.str.contains("(a|a)*b")
bombs.str.replace("(a+)+$", "", regex=True)
df.b.str.repeat(10**9)
df.b.str.pad(10**9)
df.b.str.zfill(10**9)
df.b.str.wrap(10**9)
df.reindex(range(10**9)).shape
df.iloc[[0] * 1000000].reindex(range(10**9))
pd.date_range("1700", "2200", freq="us")
pd.Series(range(10**10))
pd.cut(df.a, 10**9)
pd.merge(df, df, how="cross")
np.ones(10**11)
np.zeros((10**6, 10**6)).sum()
np.arange(10**12).sum()
np.linspace(0, 1, 10**10).sum()
np.tile(a, 10**9)
np.repeat(a, 10**9)
np.array([[0] * 1000000] * 1000000)
np.histogram(a, 10**9)
np.outer(large, large).sum()
large[:20000] * column
a.astype("U100000000")
np.pad(a, 10**6)
np.vander(large)
as_strided(a, (10**9,), (4096,)).sum()
np.lib.stride_tricks.as_strided(a, (10**9,), (4096,)).sum()
t.as_strided((10**9,), (4096,)).sum()
t.expand(10**6, 10**6, 3).sum()
t.repeat(10**9)
t.histc(10**11)
torch.zeros(10**12)
torch.ones(10**6, 10**6)
pl.int_range(10**12, eager=True)
pl.repeat("x", 10**11, eager=True)
pdf.join(pdf, how="cross")
pdf.select(pl.col("a").repeat_by(10**11))
pdf.select(pl.col("b").str.pad_start(10**11))
pdf.upsample("a", every="1ns")
Fraction("1e100000000")
Decimal("1e999999999")|int
int(huge_decimal)
huge_decimal|int
round(huge_decimal)
loop()
sleep()
grow()
hostile
hostile.anything
hostile + 1
hostile == 1
hostile["a"]
hostile|length
1 in hostile
hostile|list
[hostile]
hostile()
looping_text
looping_items|list
looping_attribute.value
growing_text
"""
ESCAPES = [
    line for part in (ATTRIBUTES, FORMATS, FILES, PASSED, CHANGES, BOMBS) for line in part.strip("\n").split("\n")
]


class Hostile:
    """Raises what it can wherever it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise SystemExit(name)

    __str__ = __repr__ = __len__ = __iter__ = __call__ = __add__ = lambda self, *given: sys.exit()
    __eq__ = __getitem__ = __contains__ = lambda self, *given: (_ for _ in ()).throw(GeneratorExit())
    __hash__ = None


class LoopingText:
    def __repr__(self) -> str:
        while True:
            pass


class LoopingItems:
    def __iter__(self) -> Any:
        while True:
            yield 1

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class LoopingAttribute:
    @property
    def value(self) -> Any:
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)


class GrowingText:
    def __str__(self) -> str:
        kept = []
        while True:
            kept.append(bytearray(2**22))


def own(value: Any) -> Any:
    return value


def loop() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(1_000)


def grow() -> None:
    GrowingText().__str__()


def endless_own() -> Any:
    return itertools.count()


def names(folder: Path) -> dict[str, Any]:
    """What a notebook holds: all of Python, and what an attack would like."""
    import builtins
    import ctypes
    import decimal
    import fractions
    import functools
    import gc
    import importlib
    import inspect
    import locale
    import operator
    import pickle
    import re
    import shutil
    import socket
    import statistics
    import textwrap
    import threading
    import types
    import warnings
    from _sitebuiltins import Quitter

    import numpy as np
    import pandas as pd
    import polars as pl
    import scipy.integrate
    import scipy.optimize
    import scipy.stats
    import sklearn.metrics
    import statsmodels.api as sm
    import statsmodels.formula.api as smf
    import torch
    import torch.utils.collect_env
    from IPython.core.interactiveshell import InteractiveShell
    from matplotlib import pyplot as plt
    from pandas.compat._optional import import_optional_dependency
    from sklearn.linear_model import LogisticRegression

    import_evil(folder)
    plt.switch_backend("agg")
    module = types.ModuleType("mine")
    module.os = os  # type: ignore[attr-defined]
    df = pd.DataFrame({"a": [1.0, 2.0, 3.5], "b": ["x", "y", "x"]})
    figure, axes = plt.subplots()
    features = np.array([[0.0], [1.0], [2.0], [3.0]])
    modules = {
        one.__name__: one
        for one in (
            *(builtins, collections, ctypes, decimal, functools, gc, importlib, inspect, itertools, json, locale),
            *(operator, os, pickle, random, re, shutil, socket, statistics, subprocess, sys, textwrap, threading),
            *(time, warnings, scipy, sklearn, torch),
        )
    }

    async def routine() -> None: ...

    coroutine = routine()
    coroutine.close()
    import math

    return modules | {
        "x": 5, "text": "a text of words " * 10, "own": own, "generator": (one for one in "ab"), "coroutine": coroutine,
        "err": ValueError("x"), "frame": sys._getframe(), "code": own.__code__, "module": module, "np": np, "pd": pd,
        "pl": pl, "sm": sm, "smf": smf, "plt": plt, "math": math, "touch": str(folder / "made"), "os": os,
        "a": np.array([3.0, 1.0, 2.0]), "df": df, "pdf": pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "fig": figure,
        "ax": axes, "t": torch.tensor([1.0, 2.0, 4.0]), "mkdir": os.mkdir,
        "held": {"mkdir": os.mkdir, "exit": Quitter("exit", "")},
        "partial_mkdir": functools.partial(os.mkdir), "exit": Quitter("exit", ""), "d": {"key": 1},
        "names": ["Ada", "bo", "Cyd"], "s": {"b", "c"}, "queue": collections.deque([1, 2]),
        "counter": collections.Counter("aab"), "default": collections.defaultdict(list),
        "state": random.Random(9).getstate(),
        "path": folder / "path", "opened": (folder / "opened").open("w+"), "npz_file": np.lib.npyio.NpzFile,
        "import_optional": import_optional_dependency, "collect_run": torch.utils.collect_env.run,
        "joblib_load": pickle.load, "init_zeros": torch.nn.init.zeros_, "as_strided": np.lib.stride_tricks.as_strided,
        "fit": smf.ols("a ~ b", df).fit(), "clf": LogisticRegression().fit(features, [0, 0, 1, 1]), "X": features,
        "y": [1, 1, 0, 0], "shell": InteractiveShell.instance(), "encoder": json.JSONEncoder,
        "hostile_partial": functools.partial(sys.exit), "half": fractions.Fraction(1, 2),
        "Fraction": fractions.Fraction,
        "Decimal": decimal.Decimal, "huge_decimal": decimal.Decimal("1e999999999"), "endless": itertools.count(),
        "endless_text": itertools.repeat("x"), "endless_true": itertools.repeat(True), "long_range": range(10**12),
        "own_endless": endless_own, "object_array": np.array([10**30], dtype=object),
        "bombs": pd.Series(["a" * 40 + "c"]),
        "large": np.arange(200_000.0), "column": np.arange(200_000.0)[:, None], "loop": loop, "sleep": sleep,
        "grow": grow,
        "hostile": Hostile(), "hostile_text": [Hostile()], "looping_text": LoopingText(),
        "looping_items": LoopingItems(),
        "looping_attribute": LoopingAttribute(), "growing_text": GrowingText(),
        "day": __import__("datetime").date(2024, 1, 2),
    }  # fmt: skip


def import_evil(folder: Path) -> None:
    """Put a module on the path that leaves a file where it is imported."""
    (folder / "evil.py").write_text(f"open({str(folder / 'imported')!r}, 'w')\n")
    sys.path.insert(0, str(folder))


def state(held: dict[str, Any]) -> dict[str, Any]:
    """What an expression might change: files, random numbers, and the values that it names."""
    import matplotlib
    import numpy as np
    import torch

    return {
        "files": sorted(os.listdir(Path(held["touch"]).parent)) + sorted(os.listdir(".")),
        "python's random numbers": hash(random.getstate()),
        "numpy's random numbers": np.random.get_state()[1].tobytes(),
        "torch's random numbers": torch.get_rng_state().numpy().tobytes(),
        "numpy's errors": np.geterr(),
        "plots": [len(held["ax"].lines), held["ax"].get_title(), len(held["fig"].axes), matplotlib.get_backend()],
        "array": held["a"].tobytes() + str(held["a"].flags).encode(),
        "tensor": [*held["t"].tolist(), held["t"].requires_grad],
        "frame": held["df"].to_json() + str(held["df"].attrs),
        "polars' frame": str(held["pdf"].to_dicts()),
        "others": repr([copy.copy(held[name]) for name in ("d", "names", "s", "queue", "counter", "default")]),
        "model": held["clf"].C + float(held["clf"].coef_.sum()),
        "sizes": [sys.getrecursionlimit(), resource.getrlimit(resource.RLIMIT_DATA)],
        "modules": "evil" in sys.modules,
    }


def main(folder: Path, seconds: float) -> None:
    from jupyter_complete.prompt.variables import watch
    from jupyter_complete.prompt.variables.fill import fill
    from jupyter_complete.protocol.errors import BadPrompt
    from jupyter_complete.protocol.prompt_parts import plain

    watch.SECONDS, watch.BYTES = seconds, 2**29
    os.chdir(folder)
    held = names(folder)
    held["opened"].write("kept")
    held["opened"].flush()
    for source in ESCAPES:
        before, began = state(held), time.monotonic()
        try:
            what, said = "text", plain(fill(f"{{{{ {source} }}}}", held))[:200]
        except BadPrompt as error:
            what, said = "refused", f"{error}"
        except BaseException as error:
            what, said = "raised", f"{type(error).__name__}: {error}"
        took, after = time.monotonic() - began, state(held)
        changed = [name for name, value in after.items() if value != before[name]]
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        row = {"source": source, "what": what, "said": said, "changed": changed, "seconds": took, "largest": largest}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
