"""Expressions that a prompt is written with: they must go on working. By what they read: the names are made below."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import functools
import json
import math
import re
import statistics
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import scipy.stats
import sklearn.metrics
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

PLAIN = """
x
x + 1
2 * x ** 2 - 1
x|round(2)
round(pi, 2)
"%.2f" % pi
"{:.2f}".format(pi)
"{:,}".format(1234567)
"{0:>8}|{1}".format("a", x)
"%s is %d" % ("x", x)
", ".join(names)
names|join(", ")
names[0].upper()
names[:2]
names[-1]|title
names|sort|first
names|map("upper")|join(" ")
sorted(names, key=str.lower)
sorted(names, key=len)[0]
max(names, key=len)
text.split()[0]
text.replace("a", "b")
text[:20]
text|truncate(20)
text|wordcount
text.strip().lower().count("a")
"yes" if x > 3 else "no"
x in [1, 4]
"key" in d
d["key"]
d.key
d.get("gone", "nothing")
d|length
d.items()|list
d.keys()|list
d|tojson
dict(a=1, b=x)
[x, x + 1]|sum
len(names)
sum([1, 2, 3]) / len([1, 2, 3])
min(1, x) + max(2, x)
range(3)|list
list(zip(names, [1, 2, 3]))
list(enumerate(names))
rows|map(attribute="age")|sum
rows|selectattr("age", "gt", 30)|map(attribute="name")|join(", ")
rows|groupby("city")|map("first")|join(", ")
nested.a.b[0].c
s|sort
s.union({"a": 1})|sort
missing|default("none")
gone|default(0)
math.sqrt(16)
math.factorial(10)
math.log(x)
statistics.mean([1, 2, 3])
statistics.stdev([1, 2, 4])
json.dumps(d)
json.dumps(d, indent=2)
json.loads('{"a": 1}').a
re.findall("[a-z]+", text)|length
re.sub("a+", "b", text)
match.group(1)
day.strftime("%d %B %Y")
day.year
day.isoformat()
(day - datetime.date(2024, 1, 1)).days
datetime.date(2024, 5, 1) > day
moment.date()
span.total_seconds() / 3600
money.quantize(Decimal_cents)
money * 2
half.numerator
path.name
path.suffix
path.parent.name
counter.most_common(2)
counter["a"]
point.x + point.y
person.name
person.greeting
person.greet("Bo")
person.age|round
colour.name
Colour.RED.value
own(4)
partial(3)
space.rate
In[0]
err.args[0]
"""
FRAMES = """
df
df.head()
df.head().to_string()
df.head(3).to_csv(index=False)
df[["alcohol"]].to_json()
df.describe()
df.describe().round(2).to_string()
df.describe().loc["mean", "hue"]
df.alcohol.mean().round(2)
df["alcohol"].std()|round(3)
df.shape
df.shape[0]
len(df)
df.columns|join(", ")
df.columns.tolist()
list(df.columns)
df.dtypes
df.dtypes.to_dict()
df.isna().sum().to_dict()
df.isnull().any().any()
df.alcohol.max() - df.alcohol.min()
df.iloc[0].to_dict()
df.iloc[0]["hue"]
df.loc[0, "hue"]
df.loc[df.alcohol.idxmax()].to_dict()
df[df.hue > 0.95].shape
df[df["kind"] == "red"].alcohol.mean()
df.query("hue > 0.9 and kind == 'red'").shape
df.groupby("kind").alcohol.mean().to_dict()
df.groupby("kind").agg({"alcohol": "mean", "hue": ["min", "max"]})
df.groupby("kind").agg(mean=("alcohol", "mean"))
df.groupby("kind").size().to_dict()
df.groupby("kind")["hue"].agg("max")
df.sort_values("alcohol", ascending=False).head(2)
df.nlargest(2, "alcohol").kind.tolist()
df.corr(numeric_only=True).round(2).to_string()
df.corr(numeric_only=True).loc["alcohol", "hue"]|round(2)
df.kind.value_counts().to_dict()
df.kind.value_counts(normalize=True).round(2).to_dict()
df.kind.unique()|join(", ")
df.kind.nunique()
df.kind.str.upper().tolist()
df.kind.str.contains("re").sum()
df.kind.mode()[0]
df.day.min().strftime("%Y-%m-%d")
df.day.dt.year.unique().tolist()
df.day.dt.month_name().iloc[0]
(df.day.max() - df.day.min()).days
df.alcohol.quantile(0.9)
df.alcohol.quantile([0.1, 0.9]).tolist()
df.alcohol.rolling(2).mean().round(2).tolist()
df.alcohol.apply(own_half).tolist()
df.alcohol.map(own_half).sum()
df.kind.map({"red": 1, "white": 2}).tolist()
df.alcohol.between(12, 14).sum()
df.alcohol.astype(int).tolist()
df.alcohol.clip(12, 13).tolist()
df.pivot_table(index="kind", values="hue", aggfunc="mean").to_dict()
df.drop(columns="day").agg({"alcohol": "mean"})
df.set_index("kind").hue.to_dict()
df.rename(columns={"hue": "colour"}).columns.tolist()
df.assign(double=df.hue * 2).double.tolist()
df.merge(df, on="alcohol").shape
df.set_index("day").alcohol.resample("D").mean().round(1).tolist()
df.sample(2, random_state=1).shape
df.T.shape
df.memory_usage().sum()
df.pct_change
pd.crosstab(df.kind, df.hue > 0.9).to_string()
pd.to_datetime("2024-01-31").month
pd.Timestamp("2024-01-31").day_name()
pd.cut(df.alcohol, 3).value_counts().tolist()
pd.DataFrame({"a": [1, 2]}).a.sum()
pd.concat([df, df]).shape
pdf.head()
pdf.shape
pdf.height
pdf.columns
pdf.select(pl.col("a").mean()).item()
pdf.filter(pl.col("a") > 1).height
pdf.group_by("b").agg(pl.col("a").sum()).sort("b").to_dicts()
pdf["a"].mean()
pdf["b"].str.to_uppercase().to_list()
pdf.describe()
pdf.rows()
pdf.write_csv()
pdf.lazy().select(pl.len()).collect().item()
pdf.with_columns((pl.col("a") * 2).alias("c")).columns
pdf.sort("a", descending=True).row(0)
"""
ARRAYS = """
a.mean()
a.mean().round(2)
a.std()|round(2)
a.shape
a.T.shape
a.min(), a.max()
a.sum(axis=0)
a[0]
a.tolist()
a.round(1)
a.argmax()
np.mean(a)
np.median(a)|round(2)
np.percentile(a, [25, 75])
np.percentile(a, 90)
np.corrcoef(a[0], a[1])[0, 1]|round(2)
np.unique(a).size
np.sqrt(16.0)
np.linalg.norm(a)
np.round(a.mean(), 2)
np.isnan(a).sum()
np.arange(5).tolist()
np.linspace(0, 1, 5).tolist()
np.array([1, 2, 3]).mean()
np.polyfit([1, 2, 3], [2, 4, 6], 1).round(2)
np.abs(a).max()
np.where(a > 0.2, 1, 0).sum()
np.pi
scipy.stats.pearsonr(a[0], a[1]).pvalue
ttest_ind(a[0], a[1]).pvalue|round(3)
scipy.stats.norm.ppf(0.975)|round(2)
scipy.stats.describe(a[0]).mean
t.mean().item()
t.shape
t.argmax().item()
t.float().std().item()
t.softmax(0).tolist()
torch.mean(t).item()
"""
MODELS = """
fit
fit.summary()
fit.summary().as_text()
fit.rsquared|round(3)
fit.params
fit.params["alcohol"]|round(2)
fit.params.to_dict()
fit.pvalues.round(4).to_dict()
fit.conf_int()
fit.nobs
fit.aic
fit.f_pvalue
fit.model.endog_names
fit.predict(df.head(1)).tolist()
smf.ols("hue ~ alcohol", df).fit().rsquared
smf.ols("hue ~ alcohol + C(kind)", data=df).fit().params.to_dict()
sm.OLS(df.hue, sm.add_constant(df.alcohol)).fit().params.round(2).to_dict()
clf
clf.score(X, y)|round(3)
clf.coef_.round(2)
clf.classes_.tolist()
clf.predict(X[:3]).tolist()
clf.predict_proba(X[:1]).max().round(2)
clf.get_params()["C"]
clf.n_features_in_
tree.feature_importances_.round(2)
tree.get_depth()
pipe.score(X, y)|round(2)
pipe.named_steps["logisticregression"].coef_.shape
pca.explained_variance_ratio_.sum()|round(2)
kmeans.inertia_|round(1)
accuracy_score(y, clf.predict(X))|round(3)
sklearn.metrics.confusion_matrix(y, clf.predict(X)).tolist()
classification_report(y, clf.predict(X))
iris.feature_names|join(", ")
iris.data.shape
iris["target_names"].tolist()
axes.get_title()
axes.get_xlabel()
fig.axes|length
axes.lines[0].get_ydata().max()
fig
"""
USEFUL = [line for part in (PLAIN, FRAMES, ARRAYS, MODELS) for line in part.strip().splitlines()]


class Colour(enum.Enum):
    RED = "r"


@dataclasses.dataclass
class Person:
    name: str
    age: float

    @property
    def greeting(self) -> str:
        return f"Hello {self.name}"

    def greet(self, other: str) -> str:
        return f"{self.name} greets {other}"


Point = collections.namedtuple("Point", "x y")


def own_half(value: float) -> float:
    return value / 2


@functools.cache
def names() -> dict[str, Any]:
    """What a notebook holds."""
    import torch

    matplotlib.use("agg")
    from matplotlib import pyplot

    df = pd.DataFrame(
        {
            "alcohol": [14.5, 12.5, 13.1, 12.2],
            "hue": [1.0, 0.9, 0.95, 0.85],
            "kind": ["red", "white", "red", "white"],
            "day": pd.date_range("2024-01-01", periods=4),
        }
    )
    iris = load_iris()
    features, classes = iris.data, iris.target
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    axes.set(title="Wine", xlabel="alcohol")
    pyplot.close(figure)
    plain = {
        "x": 4, "pi": math.pi, "names": ["Ada", "bo", "Cyd"], "text": "a banana and a band " * 5, "d": {"key": 1},
        "rows": [{"name": "Ada", "age": 36, "city": "Rome"}, {"name": "Bo", "age": 20, "city": "Oslo"}],
        "nested": {"a": {"b": [{"c": 5}]}}, "s": {"b", "c"}, "missing": "there", "math": math, "json": json, "re": re,
        "statistics": statistics, "match": re.match("a (b)", "a b"), "day": datetime.date(2024, 2, 1),
        "datetime": datetime, "moment": datetime.datetime(2024, 2, 1, 12), "span": datetime.timedelta(hours=5),
        "money": Decimal("12.345"), "Decimal_cents": Decimal("0.01"), "half": Fraction(1, 2), "path": Path("a/b.csv"),
        "counter": collections.Counter("aab"), "point": Point(1, 2), "person": Person("Ada", 36.6), "Colour": Colour,
        "colour": Colour.RED, "own": own_half, "partial": functools.partial(pow, 2) and functools.partial(own_half),
        "space": SimpleNamespace(rate=0.1), "In": ["cell"], "err": ValueError("wrong"), "own_half": own_half,
    }  # fmt: skip
    frames = {"df": df, "pd": pd, "pl": pl, "pdf": pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]})}
    arrays = {
        "a": np.array([[0.1, 0.2, 0.4], [0.3, 0.1, 0.2]]), "np": np, "scipy": scipy, "torch": torch,
        "ttest_ind": scipy.stats.ttest_ind, "t": torch.tensor([1.0, 2.0, 4.0]),
    }  # fmt: skip
    fitted = {
        "fit": smf.ols("hue ~ alcohol", df).fit(), "smf": smf, "sm": sm, "X": features, "y": classes,
        "clf": LogisticRegression(max_iter=500).fit(features, classes), "iris": iris, "sklearn": sklearn,
        "tree": DecisionTreeClassifier(max_depth=3).fit(features, classes), "fig": figure, "axes": axes,
        "pipe": make_pipeline(StandardScaler(), LogisticRegression()).fit(features, classes),
        "pca": PCA(2).fit(features), "kmeans": KMeans(3, n_init=1, random_state=0).fit(features),
        "accuracy_score": sklearn.metrics.accuracy_score,
        "classification_report": sklearn.metrics.classification_report,
    }  # fmt: skip
    return plain | frames | arrays | fitted
