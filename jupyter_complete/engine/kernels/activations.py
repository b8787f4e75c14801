"""The activations of an MLP that the compiled functions know, by transformers' names. Nothing heavy is imported."""

from __future__ import annotations

SILU, GELU_TANH, GELU, RELU, RELU_SQUARED, QUICK_GELU = range(6)

ACTIVATIONS = {
    "silu": SILU,
    "swish": SILU,
    "gelu_pytorch_tanh": GELU_TANH,
    "gelu_new": GELU_TANH,
    "gelu_fast": GELU_TANH,
    "gelu": GELU,
    "relu": RELU,
    "relu2": RELU_SQUARED,
    "quick_gelu": QUICK_GELU,
}
