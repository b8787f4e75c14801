"""Settings of sampling that the samplers are held to each other with."""

from __future__ import annotations

from jupyter_complete.protocol.config import Complete
from jupyter_complete.protocol.sampling import Sampling

SETTINGS = [
    {"temperature": 0.0},
    {"temperature": 1.0, "top_p": 1.0},
    {"temperature": 0.7, "top_p": 0.9},
    {"temperature": 5.0, "top_p": 0.95},
    {"temperature": 1.3, "top_k": 7, "top_p": 1.0},
    {"temperature": 1.0, "top_k": 500, "top_p": 0.8, "min_p": 0.01},
    {"temperature": 1.5, "top_p": 1.0, "min_p": 0.1},
    {"temperature": 0.8, "top_p": 0.95, "repetition_penalty": 1.4},
    {"temperature": 0.8, "top_k": 20, "repetition_penalty": 0.7},
]


def asked(**options: object) -> Sampling:
    config = Complete()
    return config.to_sampling(config.checked({"candidates": 100, **options}))
