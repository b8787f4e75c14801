"""Dataframes, series and expressions: what of pandas and polars only computes and makes a new value."""

from __future__ import annotations

_COMMON = (
    "T abs add add_prefix add_suffix agg aggregate all any apply asfreq asof astype at at_time attrs axes "
    "between_time bfill clip combine_first compare convert_dtypes copy corr count cov cummax cummin cumprod cumsum "
    "describe diff div divide dot drop drop_duplicates droplevel dropna duplicated empty eq equals ewm expanding "
    "explode ffill fillna filter first_valid_index floordiv ge get groupby gt head iat idxmax idxmin iloc index "
    "infer_objects interpolate isin isna isnull items keys kurt kurtosis last_valid_index le loc lt map mask max mean "
    "median min mod mode mul multiply ndim ne nlargest notna notnull nsmallest nunique pct_change pipe pow prod "
    "product quantile radd rank rdiv reindex reindex_like rename rename_axis reorder_levels replace resample "
    "reset_index rfloordiv rmod rmul rolling round rpow rsub rtruediv sample sem set_axis shape shift size skew "
    "sort_index sort_values squeeze std sub subtract sum swaplevel tail take to_csv to_dict to_json to_latex "
    "to_markdown to_numpy to_period to_string to_timestamp transform transpose truediv truncate tz_convert tz_localize "
    "unstack value_counts values var where xs memory_usage"
)
_GROUPS = (
    "agg aggregate all any apply bfill corr count cov cumcount cummax cummin cumprod cumsum describe diff dtype dtypes "
    "ffill filter first get_group groups head idxmax idxmin indices kurt last max mean median min ndim ngroup ngroups "
    "nth nunique ohlc pct_change pipe prod quantile rank resample rolling ewm expanding sample sem shift size skew std "
    "sum tail take transform unique value_counts var nlargest nsmallest is_monotonic_increasing corrwith fillna asfreq "
    "interpolate is_monotonic_decreasing"
)
_WINDOW = (
    "agg aggregate apply corr count cov first kurt last max mean median min nunique quantile rank sem skew std sum var"
)
_TIME = (
    "as_unit asm8 ceil components date day day_name day_of_week day_of_year dayofweek dayofyear days days_in_month "
    "daysinmonth end_time floor freq freqstr hour is_leap_year is_month_end is_month_start is_quarter_end "
    "is_quarter_start is_year_end is_year_start isocalendar microsecond microseconds minute month month_name "
    "nanosecond nanoseconds normalize quarter qyear round second seconds start_time strftime time timetz to_numpy "
    "to_period to_pydatetime to_pytimedelta to_timestamp total_seconds tz tz_convert tz_localize unit value week "
    "weekday weekofyear year to_datetime64 to_julian_date timestamp isoformat asfreq replace"
)

_EXPRESSION = (
    "abs add alias all and_ any approx_n_unique arccos arccosh arcsin arcsinh arctan arctanh arg_max arg_min "
    "arg_sort arg_true arg_unique arr backward_fill bottom_k bottom_k_by cast cat cbrt ceil clip clone cos cosh count "
    "cum_count cum_max cum_min cum_prod cum_sum cut degrees describe diff dot drop_nans drop_nulls dt dtype entropy eq "
    "eq_missing equals estimated_size ewm_mean ewm_std ewm_var exclude exp explode fill_nan fill_null filter first "
    "floor floordiv forward_fill gather gather_every ge get gt has_nulls head hist implode index_of interpolate "
    "is_between is_close is_duplicated is_empty is_finite is_first_distinct is_in is_infinite is_last_distinct is_nan "
    "is_not_nan is_not_null is_null is_sorted is_unique item kurtosis last le len limit list log log10 log1p lt max "
    "mean median min mod mode mul n_unique name nan_max nan_min ne ne_missing neg not_ null_count or_ over pct_change "
    "peak_max peak_min pow product qcut quantile radians rank replace replace_strict reverse rle rle_id rolling "
    "rolling_kurtosis rolling_max rolling_mean rolling_median rolling_min rolling_quantile rolling_skew rolling_std "
    "rolling_sum rolling_var round round_sig_figs sample search_sorted shape shift sign sin sinh skew slice sort "
    "sort_by sqrt std str struct sub sum tail tan tanh to_dummies to_frame to_list to_numpy to_pandas to_physical "
    "top_k top_k_by truediv truncate unique unique_counts upper_bound lower_bound value_counts var where xor zip_with "
    "shuffle"
)
_TEXT = (
    "contains contains_any count_matches decode encode ends_with escape_regex extract extract_all extract_groups "
    "extract_many find find_many head join json_decode json_path_match len_bytes len_chars normalize pad_end pad_start "
    "replace replace_all replace_many reverse slice split split_exact splitn starts_with strip_chars strip_chars_end "
    "strip_chars_start strip_prefix strip_suffix strptime tail to_date to_datetime to_decimal to_integer to_lowercase "
    "to_time to_titlecase to_uppercase zfill"
)
_DATES = (
    "add_business_days base_utc_offset cast_time_unit century combine convert_time_zone date datetime day "
    "days_in_month "
    "dst_offset epoch hour is_business_day is_leap_year iso_year max mean median microsecond millennium millisecond "
    "min minute month month_end month_start nanosecond offset_by ordinal_day quarter replace replace_time_zone round "
    "second strftime time timestamp to_string total_days total_hours total_microseconds total_milliseconds "
    "total_minutes total_nanoseconds total_seconds truncate week weekday year"
)
_LISTS = (
    "all any arg_max arg_min concat contains count_matches diff drop_nulls eval explode filter first gather get head "
    "item join last len max mean median min n_unique reverse set_difference set_intersection set_symmetric_difference "
    "set_union shift slice sort std sum tail to_list to_struct unique var"
)

TYPES: dict[str, str] = {
    "pandas.DataFrame": (
        f"{_COMMON} assign columns corrwith dtypes iterrows itertuples join melt merge pivot pivot_table query "
        "select_dtypes set_index stack to_html to_records"
    ),
    "pandas.Series": (
        f"{_COMMON} argmax argmin argsort array autocorr between case_when cat dt dtype dtypes factorize hasnans "
        "is_monotonic_decreasing is_monotonic_increasing is_unique item list name nbytes searchsorted str struct "
        "to_frame to_list tolist unique"
    ),
    "pandas.Index": (
        f"T all any append argmax argmin argsort array asof astype copy difference drop drop_duplicates droplevel "
        "dropna dtype dtypes duplicated empty equals factorize fillna get_indexer get_level_values get_loc "
        "has_duplicates hasnans identical inferred_type intersection is_monotonic_decreasing is_monotonic_increasing "
        "is_unique isin isna isnull item join left length levels levshape map max mean memory_usage mid min name names "
        "nbytes ndim nlevels notna notnull nunique ravel reindex rename right set_names shape shift size "
        "slice_indexer sort_values start std step stop str symmetric_difference take to_flat_index to_frame to_list "
        f"to_numpy to_series tolist transpose union unique value_counts values where codes categories ordered {_TIME}"
    ),
    "pandas.StringMethods": (
        "capitalize casefold cat center contains count decode encode endswith extract extractall find findall "
        "fullmatch get get_dummies index isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle "
        "isupper join len ljust lower lstrip match normalize pad partition removeprefix removesuffix repeat replace "
        "rfind rindex rjust rpartition rsplit rstrip slice slice_replace split startswith strip swapcase title upper "
        "wrap zfill"
    ),
    "pandas.Properties": _TIME,
    "pandas.CategoricalAccessor": (
        "add_categories as_ordered as_unordered categories codes ordered remove_categories remove_unused_categories "
        "rename_categories reorder_categories set_categories"
    ),
    "pandas.GroupBy": _GROUPS,
    "pandas.BaseGroupBy": _GROUPS,
    "pandas.BaseWindow": _WINDOW,
    "pandas.Timestamp": f"{_TIME} fold tzinfo tzname utcoffset now today fromisoformat strptime fromtimestamp min max",
    "pandas.Timedelta": f"{_TIME} max min resolution_string",
    "pandas.Period": f"{_TIME} ordinal now",
    "pandas.Interval": "closed closed_left closed_right is_empty left length mid open_left open_right overlaps right",
    "pandas.Categorical": "categories codes describe dtype max min ordered shape size to_list to_numpy tolist unique "
    "value_counts isna",
    "pandas.ExtensionArray": "astype dtype isna max mean min ndim shape size std sum to_numpy tolist unique",
    "pandas._LocationIndexer": "",
    "pandas._ScalarAccessIndexer": "",
    "polars.DataFrame": (
        "bottom_k cast clone collect_schema columns corr count describe drop drop_nans drop_nulls dtypes equals "
        "estimated_size explode fill_nan fill_null filter gather gather_every get_column get_column_index "
        "get_columns glimpse group_by group_by_dynamic head height hstack interpolate is_duplicated is_empty "
        "is_sorted is_unique item iter_columns iter_rows iter_slices join join_asof lazy limit max max_horizontal mean "
        "mean_horizontal median merge_sorted min min_horizontal n_chunks n_unique null_count partition_by pipe pivot "
        "product quantile rename reverse rolling row rows rows_by_key sample schema select select_seq shape shift "
        "slice "
        "sort std sum sum_horizontal tail to_dict to_dicts to_dummies to_numpy to_pandas to_series to_struct top_k "
        "transpose unique unnest unpivot unstack update var vstack width with_columns with_columns_seq with_row_index "
        "write_csv write_json write_ndjson"
    ),
    "polars.LazyFrame": (
        "bottom_k cast clone collect collect_schema columns count describe drop drop_nans drop_nulls dtypes explain "
        "explode fill_nan fill_null filter first gather_every group_by group_by_dynamic head interpolate join "
        "join_asof last lazy limit max mean median merge_sorted min null_count pipe quantile rename reverse rolling "
        "schema select select_seq shift slice sort std sum tail top_k unique unnest unpivot update var width "
        "with_columns with_columns_seq with_row_index"
    ),
    "polars.Series": _EXPRESSION,
    "polars.Expr": f"append {_EXPRESSION}",
    "polars.When": "then",
    "polars.Then": "otherwise when",
    "polars.ChainedWhen": "then",
    "polars.ChainedThen": "otherwise when",
    "polars.GroupBy": "agg all first having head last len max mean median min n_unique quantile sum tail",
    "polars.LazyGroupBy": "agg all first having head last len max mean median min n_unique quantile sum tail",
    "polars.DynamicGroupBy": "agg",
    "polars.RollingGroupBy": "agg",
    "polars.StringNameSpace": _TEXT,
    "polars.ExprStringNameSpace": _TEXT,
    "polars.DateTimeNameSpace": _DATES,
    "polars.ExprDateTimeNameSpace": _DATES,
    "polars.ListNameSpace": _LISTS,
    "polars.ExprListNameSpace": _LISTS,
    "polars.ArrayNameSpace": _LISTS,
    "polars.ExprArrayNameSpace": _LISTS,
    "polars.CatNameSpace": "ends_with get_categories len_bytes len_chars slice starts_with",
    "polars.ExprCatNameSpace": "ends_with get_categories len_bytes len_chars slice starts_with",
    "polars.StructNameSpace": "field fields json_encode rename_fields schema unnest",
    "polars.ExprStructNameSpace": "field json_encode rename_fields unnest with_fields",
    "polars.ExprNameNameSpace": "keep prefix replace strip_prefix strip_suffix suffix to_lowercase to_uppercase",
}

MODULES: dict[str, str] = {
    "pandas": (
        "Categorical CategoricalDtype DataFrame DateOffset DatetimeIndex Index Int16Dtype Int32Dtype Int64Dtype "
        "Interval IntervalIndex MultiIndex NA NaT NamedAgg Grouper IndexSlice Period RangeIndex Series StringDtype "
        "Timedelta Timestamp concat crosstab cut date_range factorize get_dummies isna isnull melt merge merge_asof "
        "notna notnull period_range pivot pivot_table qcut to_datetime to_numeric to_timedelta unique"
    ),
    "polars": (
        "Array Binary Boolean Categorical DataFrame Date Datetime Decimal Duration Enum Expr Float32 Float64 Int16 "
        "Int32 Int64 Int8 LazyFrame List Null Object Series String Struct Time UInt16 UInt32 UInt64 UInt8 Utf8 all "
        "all_horizontal any any_horizontal approx_n_unique arg_where coalesce col concat concat_list concat_str corr "
        "count cov cum_count cum_sum date datetime duration element exclude first format head implode last len lit max "
        "max_horizontal mean mean_horizontal median min min_horizontal n_unique nth quantile rolling_corr select std "
        "struct sum sum_horizontal tail var when"
    ),
    "polars.selectors": (
        "all alpha binary boolean by_dtype by_index by_name categorical contains date datetime decimal digit ends_with "
        "exclude expand_selector first float integer last matches numeric starts_with string temporal time"
    ),
}
