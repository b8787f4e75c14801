"""Fitted models and plots: what of scikit-learn, statsmodels and matplotlib only reads or computes."""

from __future__ import annotations

_RESULT = (
    "HC0_se HC1_se HC2_se HC3_se aic aicc arparams as_html as_latex as_text bic bse centered_tss condition_number "
    "conf_int cov_params cov_type deviance df_model df_resid eigenvals ess f_pvalue f_test fittedvalues forecast "
    "fvalue get_forecast get_prediction hqic k_constant llf llnull llr llr_pvalue maparams mle_retvals model mse "
    "mse_model mse_resid mse_total nobs normalized_cov_params null_deviance params pearson_chi2 predict prsquared "
    "pseudo_rsquared pvalues random_effects resid resid_deviance resid_pearson resid_response rsquared rsquared_adj "
    "scale ssr summary summary2 t_test tables tvalues uncentered_tss use_t wald_test wresid sse mae seasonal trend "
    "observed loglike test_heteroskedasticity test_normality test_serial_correlation zvalues level "
    "converged cov_re fe_params bse_fe as_csv data"
)
_ESTIMATOR = (
    "apply decision_function get_feature_names_out get_params inverse_transform kneighbors mahalanobis "
    "predict predict_log_proba predict_proba score score_samples transform get_depth get_n_leaves get_support "
    "named_steps steps named_transformers_ bic aic perplexity reconstruction_error sample_y_"
)

TYPES: dict[str, str] = {
    "sklearn.BaseEstimator": _ESTIMATOR,
    "sklearn.Bunch": "copy get items keys values",
    "xgboost.Booster": "best_iteration best_score feature_names get_fscore get_score num_boosted_rounds num_features",
    "lightgbm.Booster": "best_iteration best_score feature_importance feature_name num_feature num_trees",
    "statsmodels.Results": _RESULT,
    "statsmodels.ResultsWrapper": _RESULT,
    "statsmodels.Model": "data df_model df_resid endog endog_names exog exog_names fit formula nobs rank weights",
    "statsmodels.Summary": "as_csv as_html as_latex as_text extra_txt tables",
    "statsmodels.SimpleTable": "as_csv as_html as_latex_tabular as_text data title",
    "statsmodels.ContrastResults": "conf_int df_denom df_num effect fvalue pvalue sd statistic summary summary_frame "
    "tvalue",
    "statsmodels.PredictionResults": "conf_int predicted_mean se_mean se_obs summary_frame var_pred_mean",
    "statsmodels.PredictionResultsBase": "conf_int predicted se summary_frame",
    "matplotlib.Artist": (
        "axes axison collections containers dpi figure get_alpha get_array get_axes get_color get_data get_dpi "
        "get_edgecolor get_facecolor get_height get_label get_legend get_legend_handles_labels get_lines "
        "get_linestyle get_linewidth get_offsets get_position get_size_inches get_suptitle get_text get_texts "
        "get_title get_visible get_width get_x get_xdata get_xlabel get_xlim get_xscale get_xticklabels get_xticks "
        "get_xy get_xydata get_y get_ydata get_ylabel get_ylim get_yscale get_yticklabels get_yticks get_zorder images "
        "legend_ lines name number patches suptitle texts title xaxis yaxis get_ticklocs get_scale get_label_text"
    ),
}

MODULES: dict[str, str] = {
    "sklearn.metrics": (
        "accuracy_score adjusted_mutual_info_score adjusted_rand_score auc average_precision_score "
        "balanced_accuracy_score brier_score_loss calinski_harabasz_score classification_report cohen_kappa_score "
        "completeness_score confusion_matrix d2_absolute_error_score davies_bouldin_score det_curve "
        "explained_variance_score f1_score fbeta_score fowlkes_mallows_score hamming_loss hinge_loss "
        "homogeneity_score jaccard_score label_ranking_loss log_loss matthews_corrcoef max_error mean_absolute_error "
        "mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error "
        "mean_squared_log_error median_absolute_error mutual_info_score ndcg_score normalized_mutual_info_score "
        "precision_recall_curve precision_recall_fscore_support precision_score r2_score rand_score recall_score "
        "roc_auc_score roc_curve root_mean_squared_error root_mean_squared_log_error silhouette_score "
        "v_measure_score zero_one_loss"
    ),
    "statsmodels.api": "GLM GLS Logit MNLogit OLS Poisson Probit RLM WLS add_constant families stats",
    "statsmodels.formula.api": "gls glm logit mnlogit ols poisson probit quantreg rlm wls",
    "statsmodels.genmod.families": "Binomial Gamma Gaussian InverseGaussian NegativeBinomial Poisson Tweedie",
    "statsmodels.stats.api": (
        "acorr_breusch_godfrey acorr_ljungbox durbin_watson het_breuschpagan het_white jarque_bera multipletests "
        "normal_ad omni_normtest proportion_confint proportions_ztest"
    ),
    "statsmodels.stats.stattools": "durbin_watson jarque_bera omni_normtest",
    "statsmodels.stats.multitest": "multipletests",
    "statsmodels.tsa.stattools": "acf adfuller kpss pacf",
}

_EVERYWHERE = (
    "as_text copy count describe head index items keys max mean median min nunique round std sum summary tail "
    "to_dict to_frame to_list to_numpy to_pandas to_string tolist total unique value_counts values var "
    "degree number_of_edges number_of_nodes"
)
METHODS = frozenset(_EVERYWHERE.split())
"""The methods of any other library's object that an expression may call: those that compute wherever they are."""
