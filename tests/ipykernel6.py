"""ipykernel 6 beside the environment's own, as a kernel of its own name: its messages wait in other places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

VERSION = "6.31.0"
NAME = "python3-ipykernel6"
PACKAGES = (f"ipykernel=={VERSION}", "nest-asyncio==1.6.0")


class NotThereError(Exception):
    """pip could not fetch it."""


def specs(base: Path) -> Path:
    """The folder of its kernelspec; what `base` lacks is fetched and written."""
    packages, spec = base / "packages", base / "kernels" / NAME
    if not (packages / "ipykernel").is_dir():
        _fetch(packages)
    spec.mkdir(parents=True, exist_ok=True)
    (spec / "kernel.json").write_text(json.dumps(_kernelspec(packages)))
    return spec.parent


def _fetch(packages: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--target", str(packages), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = f"the tests of ipykernel 6 need it; run: pip install --no-deps --target {packages} {' '.join(PACKAGES)}"
        raise NotThereError(f"{hint}\n{done.stderr.strip()}")


def _kernelspec(packages: Path) -> dict[str, object]:
    paths = [str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python 3 (ipykernel {VERSION})",
        "language": "python",
        "env": {"PYTHONPATH": os.pathsep.join(paths)},
    }
