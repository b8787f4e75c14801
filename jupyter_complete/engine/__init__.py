"""Models that run in this kernel: the only room that imports torch and numba."""

import warnings

# tqdm, which transformers imports, says this in every cell that loads a model where ipywidgets is not installed.
warnings.filterwarnings("ignore", message="IProgress not found")
