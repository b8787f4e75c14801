"""`{{ expression }}` in a text: what is filled in, what passes as typed, and what is refused in one sentence."""

from __future__ import annotations

import collections
import functools
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from jupyter_complete.prompt.variables.fill import fill, without_blanks
from jupyter_complete.protocol.errors import BadPrompt
from jupyter_complete.protocol.prompt_parts import Text, Value, plain


def text(template: str, **names: Any) -> str:
    return plain(fill(template, names))


def refusal(template: str, **names: Any) -> BadPrompt:
    with pytest.raises(BadPrompt) as caught:
        fill(template, names)
    assert caught.value.hint
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    return caught.value


def wine() -> pd.DataFrame:
    return pd.DataFrame({"alcohol": [14.5, 12.5], "hue": [1.0, 0.9]})


# -- what is filled in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("The mean is {{ x }}.", "The mean is 4."),
        ("{{ x }}{{ y }}", "4word"),
        ("{{ x}} and {{\ty\n}}", "4 and word"),
        ("{{ y|upper }} {{ y.title() }} {{ 2.345|round(1) }}", "WORD Word 2.3"),
        ('{{ ["a", y]|join(", ") }}', "a, word"),
        ("{{ d['a b'] }} {{ d.k }} {{ d['}}'] }}", "1 2 3"),
        ("{{ {'a': 1}['a'] }}", "1"),
        ("{{ len(y) + max(1, x) }}", "8"),
        ("{{ x if x > 3 else y }}", "4"),
        ("{{ gone|default('none') }} {{ gone is defined }}", "none False"),
        ("{{ self }} {{ result }} {{ caller }} {{ loop }}", "1 2 3 4"),
        ('{"mean": {{ x }}}', '{"mean": 4}'),
        ("${{ x }} and {{ '{{' }}", "$4 and {{"),
        ("{{ -2**2 }} {{ 2**3**2 }} {{ 2**-1 }} {{ -x.real**2 }} {{ (-2)**2 }}", "-4 512 0.5 -16 4"),
        ("{{ 2 * x**2 }} {{ -3|abs }} {{ 2**x|float }}", "32 3 16.0"),
        ("{{ x is None }} {{ x is not None }} {{ None is none }}", "False True True"),
    ],
)
def test_an_expression_becomes_its_value(template: str, result: str) -> None:
    names = {"x": 4, "y": "word", "d": {"a b": 1, "k": 2, "}}": 3}, "self": 1, "result": 2, "caller": 3, "loop": 4}
    assert text(template, **names) == result


def test_a_number_alone_is_what_python_writes() -> None:
    assert text("{{ x }} {{ n }}", x=13.00061797752809, n=12345678) == "13.00061797752809 12345678"


def test_text_around_a_value_is_kept_to_the_letter() -> None:
    assert fill("  a\n\n {{ x }} \n", {"x": 1}) == ("  a\n\n ", *fill("{{ x }}", {"x": 1}), " \n")


def test_a_value_says_which_expression_it_came_from() -> None:
    (value,) = fill("{{ x + 1 }}", {"x": 1})
    assert isinstance(value, Value)
    assert value.source == "x + 1"


def test_a_variable_named_like_a_function_wins() -> None:
    assert text("{{ max }}", max=7) == "7"


def test_what_a_value_contains_is_never_expanded_again() -> None:
    assert text("{{ a }}", a="{{ b }} {% if 1 %}", b="secret") == "{{ b }} {% if 1 %}"


def test_pieces_that_values_make_together_are_no_variable() -> None:
    assert text("{{{{ a }} b }}", a="{{ b }}", b=1) == "{{{{ a }} b }}"
    assert text("{{ a }} b {{ c }}", a="{{", c="}}", b=1) == "{{ b }}"


# -- what passes as typed ----------------------------------------------------------------------------------------

AS_TYPED = [
    *(
        "",
        "no braces",
        "{ x }",
        "{x}",
        "{{x}}",
        "{{x}}^2",
        r"\frac{{x}}{{y}}",
        r"\frac{{ x }}{{ y }}",
        r"$\sqrt[3]{{ x }}$",
    ),
    *('{"a": {"b": 1}}', '{{"a": 1}}', '{{ "a": 1 }}', "{{ 1, 2 }, { 3, 4 }}", "int a[2][2] = {{ 1, 2 }, { 3, 4 }};"),
    *("{{{ x }}}", "{{#if x}}", "{{ #if x }}", "{{ .Values.x }}", "{{- x -}}", "{% if x %}{# x #}{% endif %}", "{%"),
    *("style={{ color: 'red' }}", "{{ x: 1, y: 2 }}", "{{ x = 1 }}", "{{ x", "}} {{", "{{ }}", "{{  ", "}}", "{{ x }"),
    *("{{", "{{\n", "{{ \\alpha }}", "%s %d $x ${x}", "{{ 'x }}", "{{ ] }}", "{{ ( }}"),
]


@pytest.mark.parametrize("typed", AS_TYPED)
def test_braces_of_other_languages_pass_as_typed(typed: str) -> None:
    assert text(typed, x=1, y=2) == typed


def test_a_backslash_keeps_the_braces_and_goes() -> None:
    assert text(r"write \{{ x }} for {{ x }}", x=1) == "write {{ x }} for 1"


def test_two_backslashes_are_latex_s_new_line() -> None:
    assert text(r"a \\{{ x }}", x=1) == r"a \\1"


@pytest.mark.parametrize("typed", ["mean", "mean.real", "df['a b']"])
def test_a_variable_without_blanks_is_noticed(typed: str) -> None:
    assert without_blanks(f"It is {{{{{typed}}}}}.", {"mean": 1, "df": 2}) == typed


@pytest.mark.parametrize(
    "typed", ["{{gone}}", "{{x}}", "{{mean}}^2", r"\frac{{mean}}{{mean}}", "{{{mean}}}", "{{ mean }}"]
)
def test_other_braces_are_not_taken_for_one(typed: str) -> None:
    assert without_blanks(typed, {"mean": 1, "x": 2}) == ""


# -- what is refused ---------------------------------------------------------------------------------------------


def test_an_undefined_name_is_told_with_a_near_one() -> None:
    error = refusal("{{ maen }}", mean=1, other=2)
    assert error.message == "{{ maen }} names maen, which is not defined."
    assert error.hint == "Did you mean mean?"


def test_an_undefined_name_inside_a_list_is_told() -> None:
    assert "names b" in refusal("{{ [a, b] }}", a=1).message


@pytest.mark.parametrize("template", ["{{ citation needed }}", "{{ df[ }}", "{{ x +}}", "{{ x y }}", "{{ if x }}"])
def test_an_attempt_that_is_no_expression_is_told(template: str) -> None:
    assert "is no expression" in refusal(template, x=1, df=2).message


@pytest.mark.parametrize(
    ("template", "sign"),
    [
        ("{{ [c for c in x] }}", "a comprehension"),
        ("{{ sum(v for v in x) }}", "a comprehension"),
        ("{{ {1, 2} }}", "a set in braces"),
        ("{{ ~x }}", "the sign ~"),
        ("{{ x[(x > 1) & (x < 3)] }}", "the sign &"),
        ("{{ x[(x > 1) | (x < 3)] }}", "the sign |"),
        ("{{ f'{x}' }}", "an f-string"),
        ("{{ x!r }}", "!r"),
        ("{{ max(x, 1.)|round(2) }}", "a number that ends in a dot"),
    ],
)
def test_what_a_prompt_does_not_know_of_python_is_named(template: str, sign: str) -> None:
    error = refusal(template, x=1)
    assert error.message == f"{template} has {sign}, which is not known in a prompt."
    assert "Compute it in a cell" in error.hint


def test_a_filter_is_no_unknown_sign() -> None:
    assert "the sign" not in refusal("{{ max(x y)|round(2) }}", x=1).message
    assert "has a lambda" in refusal("{{ max(x, key=lambda y: y)|round(2) }}", x=1).message


@pytest.mark.filterwarnings("error")
def test_looking_for_a_sign_warns_of_nothing() -> None:
    assert "the sign &" in refusal(r"{{ x['\d' & 1 is 2] }}", x=1).message


def test_an_if_without_else_is_told() -> None:
    assert "its if has no else" in refusal("{{ y if x }}", x=0, y=1).message


def test_a_slice_beside_an_index_is_told() -> None:
    assert "slices and chooses" in refusal("{{ x.iloc[0:2, 1] }}", x=1).message


def test_a_test_that_is_none_is_told_to_compare() -> None:
    assert "Compare with ==" in refusal("{{ x is y }}", x=0, y=1).hint


def test_python_s_functions_that_a_prompt_does_not_have_are_told() -> None:
    error = refusal("{{ print(1) }}", integer=1)
    assert error.message == "{{ print(1) }} names print, which a prompt does not have."
    assert "len, list, max" in error.hint


def test_a_name_that_is_known_to_be_absent_is_told_as_given() -> None:
    with pytest.raises(BadPrompt, match=r"Not yet\. Wait\."):
        fill("{{ err }}", {}, {"err": ("Not yet.", "Wait.")})


def test_an_unknown_filter_is_told_with_a_near_one() -> None:
    assert refusal("{{ x|rond(2) }}", x=1).hint == "Did you mean round?"


@pytest.mark.parametrize("template", ["{{ x:.2f }}", "{{ x.mean():.1% }}", "{{ x:, }}"])
def test_a_format_of_f_strings_is_told_how_to_round(template: str) -> None:
    assert "|round(2) }}" in refusal(template, x=1).hint


def test_an_expression_that_raises_is_told_with_the_error() -> None:
    assert refusal("{{ 1 / x }}", x=0).message == "{{ 1 / x }} raised ZeroDivisionError: division by zero."


def test_a_missing_attribute_is_told_with_a_near_one() -> None:
    error = refusal("{{ x.tilte() }}", x="a")
    assert "has no attribute 'tilte'" in error.message
    assert error.hint == "Did you mean title?"


def test_a_missing_item_is_told_with_a_near_one() -> None:
    assert refusal("{{ d['alcohl'] }}", d={"alcohol": 1}).hint == "Did you mean alcohol?"


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


# -- hostile values ----------------------------------------------------------------------------------------------


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error

    def __getattr__(self, name: str) -> Any:
        raise self.__dict__["error"]


@pytest.mark.parametrize("error", [ValueError("no"), RecursionError(), MemoryError(), SystemExit(), GeneratorExit()])
def test_a_value_whose_repr_raises_is_one_sentence(error: BaseException) -> None:
    assert type(error).__name__ in refusal("{{ x }}", x=Raising(error)).message


def test_a_part_whose_repr_raises_is_named_by_its_type() -> None:
    assert text("{{ x }}", x=[1, Raising(ValueError())]) == "[1, <Raising>]"


def test_an_attribute_that_raises_is_one_sentence() -> None:
    assert "raised ValueError: no" in refusal("{{ x.y }}", x=Raising(ValueError("no"))).message


def test_an_error_s_long_message_is_bounded() -> None:
    def fail() -> None:
        raise ValueError("x\n" * 1_000_000)

    assert len(refusal("{{ fail() }}", fail=fail).message) < 300


def test_ten_megabytes_have_only_bounded_forms() -> None:
    (value,) = fill("{{ x }}", {"x": "word " * 2_000_000})
    assert isinstance(value, Value)
    assert all(len(form.text) < 20_000 and form.left_out for form in value.forms)


def test_an_infinite_generator_is_not_read() -> None:
    assert text("{{ x }}", x=itertools.count()) == "count, not read"


@pytest.mark.parametrize(
    "template",
    [
        "{{ x|list }}",
        "{{ list(x) }}",
        "{{ sum(x) }}",
        "{{ x|map('string')|join }}",
        "{{ range(10**12) }}",
    ],
)
def test_what_does_not_end_is_refused(template: str) -> None:
    assert "OverflowError" in refusal(template, x=itertools.count()).message


@pytest.mark.filterwarnings("ignore:Operation with Bounded")
def test_an_iterator_without_end_is_compared_to_no_frame() -> None:
    assert "raised" in refusal("{{ x == frame }}", x=itertools.count(), frame=pd.DataFrame({"a": [1]})).message


def test_a_long_text_is_not_taken_apart() -> None:
    assert "OverflowError" in refusal("{{ x|join(', ') }}", x="x" * 10_000_000).message


def test_half_a_character_in_data_becomes_a_sign() -> None:
    assert text("{{ x }}", x="a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("x", [10**5000, -(10**5000), [10**5000]], ids=["large", "negative", "in a list"])
def test_a_huge_number_is_told_by_its_length(x: Any) -> None:
    assert "a number of about 5,000 digits" in text("{{ x }}", x=x)


def test_a_list_that_holds_itself_ends() -> None:
    x: list[Any] = [1]
    x.append(x)
    assert text("{{ x }}", x=x).startswith("[1, [1, [1,")


def test_braces_nested_without_end_pass_as_typed() -> None:
    assert text("{{ " * 10_000 + "}}") == "{{ " * 10_000 + "}}"


def test_an_expression_nested_too_deep_is_no_traceback() -> None:
    refusal("{{ x" + "[(" * 400 + "1" + ")]" * 400 + " }}", x=1)


def test_a_text_without_double_braces_needs_no_jinja() -> None:
    result: Text = fill("{ a }", {})
    assert result == ("{ a }",)
