"""What a user sees this process through: pages that replace outputs and show widgets, or a terminal."""

from __future__ import annotations

import os
import re
import sys
from functools import cache

_CONSOLE = re.compile(r"jupyter[-_]console(\.exe)?$")


def in_notebook(shell: object = None) -> bool:
    """Whether this process is the kernel of a front end that replaces outputs; `shell` is IPython's, where it is known.

    `jupyter console` has a kernel too, but prints what it is sent and replaces nothing.
    """
    if shell is None and "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
    return hasattr(shell, "kernel") and not of_console()


@cache
def of_console() -> bool:
    """Whether `jupyter console` started this kernel, which no message tells."""
    import psutil

    try:
        words = psutil.Process(os.getppid()).cmdline()
    except psutil.Error:
        return False
    return any(_CONSOLE.search(word) for word in words)
