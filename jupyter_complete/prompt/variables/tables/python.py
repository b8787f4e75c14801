"""Python's own types and modules: the attributes and functions that only compute.

A type is named by its top module and its name, and holds what its subclasses inherit. What is not listed is refused.
"""

from __future__ import annotations

_MAPPING = "copy get items keys values"
_DATE = (
    "day month year weekday isoweekday isocalendar isoformat strftime replace toordinal timetuple ctime min max "
    "resolution today fromisoformat fromordinal fromisocalendar"
)

TYPES: dict[str, str] = {
    "builtins.str": (
        "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha "
        "isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower "
        "lstrip partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split "
        "splitlines startswith strip swapcase title upper zfill"
    ),
    "builtins.bytes": (
        "count decode endswith find hex index isalnum isalpha isascii isdigit lower lstrip removeprefix removesuffix "
        "rfind rstrip split splitlines startswith strip title upper"
    ),
    "builtins.int": (
        "as_integer_ratio bit_count bit_length conjugate denominator imag is_integer numerator real to_bytes"
    ),
    "builtins.float": "as_integer_ratio conjugate hex imag is_integer real",
    "builtins.complex": "conjugate imag real",
    "builtins.list": "copy count index",
    "builtins.tuple": "count index",
    "builtins.dict": _MAPPING,
    "builtins.mappingproxy": _MAPPING,
    "builtins.dict_items": "isdisjoint",
    "builtins.dict_keys": "isdisjoint",
    "builtins.dict_values": "",
    "builtins.set": "copy difference intersection isdisjoint issubset issuperset symmetric_difference union",
    "builtins.frozenset": "copy difference intersection isdisjoint issubset issuperset symmetric_difference union",
    "builtins.range": "start step stop",
    "builtins.slice": "indices start step stop",
    "builtins.NoneType": "",
    "builtins.ellipsis": "",
    "builtins.object": "",
    "builtins.BaseException": "args characters_written errno filename lineno msg name obj offset strerror text value",
    "collections.Counter": f"elements most_common total {_MAPPING}",
    "collections.ChainMap": f"maps parents {_MAPPING}",
    "collections.UserDict": f"data {_MAPPING}",
    "collections.deque": "copy count index maxlen",
    "datetime.date": _DATE,
    "datetime.datetime": (
        f"{_DATE} hour minute second microsecond date time timestamp timetz tzinfo tzname utcoffset utctimetuple "
        "astimezone dst fold now utcnow strptime fromtimestamp utcfromtimestamp combine"
    ),
    "datetime.time": "dst fold fromisoformat hour isoformat max microsecond min minute replace resolution second "
    "strftime tzinfo tzname utcoffset",
    "datetime.timedelta": "days max microseconds min resolution seconds total_seconds",
    "datetime.timezone": "dst tzname utc utcoffset",
    "decimal.Decimal": (
        "adjusted as_integer_ratio as_tuple compare conjugate copy_abs copy_negate exp imag is_finite is_infinite "
        "is_nan is_signed is_zero ln log10 max min normalize quantize real sqrt to_eng_string to_integral "
        "to_integral_value"
    ),
    "enum.Enum": "name value",
    "fractions.Fraction": "as_integer_ratio denominator imag is_integer limit_denominator numerator real",
    "pathlib.PurePath": (
        "anchor as_posix as_uri drive is_absolute is_relative_to joinpath match name parent parents parts relative_to "
        "root stem suffix suffixes with_name with_stem with_suffix"
    ),
    "pathlib._PathParents": "",
    "jupyter_complete.Completions": "members",
    "re.Match": "end endpos expand group groupdict groups lastgroup lastindex pos re span start string",
    "re.Pattern": "findall flags fullmatch groupindex groups match pattern search split sub",
    "uuid.UUID": "bytes fields hex int time urn variant version",
    "zoneinfo.ZoneInfo": "dst key tzname utcoffset",
}
"""The attributes and methods of each type that an expression may have."""

MODULES: dict[str, str] = {
    "calendar": "day_abbr day_name isleap leapdays month_abbr month_name monthrange weekday",
    "collections": "Counter OrderedDict",
    "datetime": "UTC date datetime time timedelta timezone",
    "json": "dumps loads",
    "math": (
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 "
        "expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp "
        "lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt sumprod tan "
        "tanh tau trunc ulp"
    ),
    "re": "I IGNORECASE M MULTILINE S DOTALL compile escape findall fullmatch match search split sub",
    "statistics": (
        "StatisticsError correlation covariance fmean geometric_mean harmonic_mean linear_regression mean median "
        "median_grouped median_high median_low mode multimode pstdev pvariance quantiles stdev variance"
    ),
    "string": "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits punctuation whitespace",
    "textwrap": "dedent fill indent shorten wrap",
    "unicodedata": "bidirectional category combining east_asian_width name normalize numeric",
}
"""The names of each module that an expression may have: functions, classes and constants."""
