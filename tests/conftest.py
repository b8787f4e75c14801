"""What the tests share: a cache of their own, the real model once, an IPython shell with an echo model, --no-torch."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import echoes
import ipykernel6
import pytest
import torch_use
from hypothesis import settings
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_complete.engine.echo import EchoModel
from jupyter_complete.session import session as session_module
from jupyter_complete.session.session import Session

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

# one place for all tests, those with an empty cache among them, for compiling takes long
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "jupyter_complete-compiled"))

# jsonschema, which nbformat imports, takes four seconds to read a grammar of addresses that no test checks
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None makes an import fail


WITH_TORCH = ("kernel", "model", "browser")  # marks of tests that have a model elsewhere than in their file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-torch", action="store_true", help="run the tests that need no torch; any import of it fails")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.no_torch:
        torch_use.Refuse().install()
        settings.register_profile("quick", max_examples=10)  # a tenth of what is usual
        settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    tests = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if config.option.no_torch and tests and torch_use.needs_torch(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs torch, and leave it out where there is none."""
    for item in items:
        if torch_use.needs_torch(item.path) or any(item.get_closest_marker(mark) for mark in WITH_TORCH):
            item.add_marker("torch")
    if config.option.no_torch:
        left_out = [item for item in items if item.get_closest_marker("torch")]
        items[:] = [item for item in items if not item.get_closest_marker("torch")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def imported(pytestconfig: pytest.Config) -> None:
    """What a model needs is imported where a test needs it, and left out when an unloading collects garbage."""
    if "tiny" in sys.modules and not pytestconfig.option.no_torch:
        sys.modules["tiny"].make("qwen2")
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """What earlier files left behind is not looked through at each unloading either."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def session(imported: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session of its own that is the current one; its models are unloaded afterwards."""
    fresh = Session()
    monkeypatch.setattr(session_module, "_current", fresh)
    yield fresh
    for resident in fresh.models:
        fresh.models.unload(resident.name)


@pytest.fixture(scope="session")
def real_session() -> Iterator[Session]:
    """One session with the real SmolLM2 resident, for all tests that only read from it."""
    shared = Session()
    shared.models.load("smollm2", "float32", "auto").wait()
    yield shared
    shared.models.unload("smollm2")


@pytest.fixture(scope="session")
def ipykernel6_specs(request: pytest.FixtureRequest) -> Path:
    """A folder with the kernelspec of ipykernel 6; where pip cannot fetch it the test skips, or fails if told to."""
    try:
        return ipykernel6.specs(request.config.cache.mkdir(f"ipykernel-{ipykernel6.VERSION}"))
    except ipykernel6.NotThereError as error:
        required = os.environ.get("JUPYTER_COMPLETE_REQUIRE_BROWSER")
        return pytest.fail(str(error)) if required else pytest.skip(str(error))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory in use."""
    monkeypatch.setenv("JUPYTER_COMPLETE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub_cache(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub in use, beside an empty cache of ours."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def echo(session: Session) -> EchoModel:
    """An echo model called "tiny", the default of the session."""
    model, tokenizer = echoes.make()
    session.models.register("tiny", model, tokenizer)
    session.config.model = "tiny"
    return model


@pytest.fixture
def shell(
    session: Session, echo: EchoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InteractiveShell]:
    """IPython's shell in this process, the extension loaded, the echo model the default of its session."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "jupyter_complete")
    yield shell
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # it would keep every shell, and collect garbage once for each
