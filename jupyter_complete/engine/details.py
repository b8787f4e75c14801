"""What is known of a model besides its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..protocol.probe import Probe


class Details(NamedTuple):
    """Facts about a model besides its weights. The first four are fields of ModelInfo."""

    revision: str = ""
    quantized: str | None = None
    note: str = ""
    fault: str = ""
    wide: Callable[[], Any] | None = None  # opens the float32 model that an int8 form was made of
    probe: Probe | None = None
    dtype: str = "int8"  # of weights that are no floats
    kv: str = "auto"  # the KV cache that was asked for


NO_DETAILS = Details()
