"""Arrays and tensors: what of numpy, scipy and torch only computes."""

from __future__ import annotations

TYPES: dict[str, str] = {
    "numpy.ndarray": (
        "T all any argmax argmin argpartition argsort astype clip compress conj conjugate copy cumprod cumsum diagonal "
        "dot dtype flat flatten imag item itemsize mT max mean min nbytes ndim nonzero prod ravel real reshape round "
        "searchsorted shape size squeeze std strides sum swapaxes take tolist trace transpose var "
        "mask filled compressed"  # of a masked array
    ),
    "numpy.generic": (
        "T all any astype bit_count clip conj conjugate copy denominator dtype flatten imag is_integer item itemsize "
        "max mean min nbytes ndim numerator real round shape size squeeze std sum tolist var "
        "as_integer_ratio hex"
    ),
    "torch.Tensor": (
        "H T abs absolute acos all allclose amax amin aminmax angle any argmax argmin argsort argwhere asin atan atan2 "
        "bfloat16 bool ceil chunk clamp clip clone contiguous corrcoef cos cosh count_nonzero cov cpu "
        "cummax cummin cumprod cumsum det detach device diag diagonal diff dim dist div dot double dtype eq equal erf "
        "exp flatten flip float floor ge get_device grad gt half histc index_select int inverse is_complex "
        "is_contiguous is_cuda is_floating_point is_leaf is_sparse isclose isfinite isinf isnan item itemsize kthvalue "
        "layout le log log10 log1p log2 log_softmax logdet logical_and logical_not logical_or logsumexp long lt mH mT "
        "masked_fill masked_select matmul max maximum mean median min minimum mm mode mul mv name nan_to_num nanmean "
        "nanmedian nanquantile nansum nbytes ndim ne neg nelement nonzero norm numel numpy permute pow prod quantile "
        "real reciprocal relu requires_grad reshape round rsqrt select shape short sigmoid sign sin sinh size softmax "
        "sort split sqrt square squeeze std stride sub sum svd swapaxes t take tan tanh tolist topk trace transpose "
        "tril triu trunc type unbind unique unsqueeze values indices var view where"
    ),
    "torch.Size": "count index numel",
    "torch.device": "index type",
    "torch.dtype": "is_complex is_floating_point itemsize",
    "torch.Module": "children modules named_children named_modules named_parameters parameters state_dict training",
    "scipy.rv_generic": "cdf entropy expect interval isf logcdf logpdf logpmf logsf mean median moment pdf pmf ppf sf "
    "stats std support var",
    "scipy.rv_frozen": "args cdf entropy interval isf kwds logcdf logpdf logpmf logsf mean median moment pdf pmf ppf "
    "sf stats std support var",
    "scipy.TtestResultBase": "confidence_interval df pvalue statistic count index",
    "scipy.PearsonRResult": "confidence_interval correlation pvalue statistic count index",
}

_NUMPY = (
    "abs absolute acos acosh add all allclose amax amin angle any arange arccos arccosh arcsin arcsinh arctan arctan2 "
    "arctanh argmax argmin argpartition argsort argwhere around array array2string array_equal array_equiv array_split "
    "array_str asarray asin asinh atan atan2 atanh atleast_1d atleast_2d average bool bool_ cbrt ceil clip "
    "column_stack complex128 complex64 concat concatenate conj conjugate convolve copysign corrcoef correlate cos cosh "
    "count_nonzero cov cross cumprod cumsum datetime64 datetime_as_string deg2rad degrees delete diag diagonal diff "
    "digitize divide divmod dot dtype e ediff1d equal exp exp2 expand_dims expm1 extract fabs finfo flatnonzero "
    "flip fliplr flipud float16 float32 float64 float_power floor floor_divide fmax fmin fmod gradient greater "
    "greater_equal heaviside histogram histogram_bin_edges hstack hypot i0 iinfo imag in1d inf inner int16 int32 int64 "
    "int8 interp intersect1d isclose iscomplex isfinite isin isinf isnan isnat isneginf isposinf isreal isscalar less "
    "less_equal linspace log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor "
    "matmul max maximum mean median min minimum mod modf multiply nan nan_to_num nanargmax nanargmin nancumprod "
    "nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim negative "
    "newaxis nonzero not_equal ones partition percentile pi polyfit polyval positive power prod ptp quantile rad2deg "
    "radians ravel real reciprocal remainder reshape rint roots round searchsorted select setdiff1d setxor1d shape "
    "sign signbit sin sinc sinh size sort sqrt square squeeze stack std str_ subtract sum swapaxes take tan tanh "
    "timedelta64 trace transpose trapezoid trapz tril triu true_divide trunc uint16 uint32 uint64 uint8 union1d unique "
    "unique_counts unique_values unravel_index unwrap var vstack where zeros append sort_complex"
)

MODULES: dict[str, str] = {
    "numpy": _NUMPY,
    "numpy.linalg": (
        "LinAlgError cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_rank norm pinv qr slogdet solve svd "
        "svdvals vector_norm"
    ),
    "scipy.special": "logsumexp softmax",
    "scipy.stats": (
        "alexandergovern anderson ansari bartlett bernoulli beta binom binomtest boxcox brunnermunzel cauchy chi2 "
        "chi2_contingency chisquare circmean circstd combine_pvalues cramervonmises describe entropy expon f f_oneway "
        "false_discovery_control fisher_exact friedmanchisquare gamma geom gmean gstd gzscore hmean hypergeom iqr "
        "jarque_bera kendalltau kruskal ks_1samp ks_2samp kstat kstest kurtosis kurtosistest laplace levene linregress "
        "logistic lognorm mannwhitneyu median_abs_deviation median_test mode moment mood nbinom norm normaltest pareto "
        "pearsonr percentileofscore pmean pointbiserialr poisson power_divergence randint rankdata ranksums "
        "sem shapiro siegelslopes sigmaclip skew skewtest somersd spearmanr t theilslopes tmax tmean tmin trim_mean "
        "trimboth tsem tstd ttest_1samp ttest_ind ttest_ind_from_stats ttest_rel tukey_hsd tvar uniform variation "
        "weibull_min weightedtau wilcoxon zmap zscore"
    ),
    "torch": (
        "abs allclose amax amin argmax argmin bool cat clamp corrcoef cos count_nonzero cumsum device diag dist dot "
        "einsum equal exp float16 float32 float64 bfloat16 floor int16 int32 int64 int8 isfinite isinf isnan log "
        "log_softmax logsumexp matmul max maximum mean median min minimum mm mode norm numel pow prod quantile relu "
        "round sigmoid sign sin softmax sort sqrt square stack std sum tanh tensor topk trace unique var where"
    ),
}
