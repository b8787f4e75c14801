"""`jupyter complete`: demo, fetch, models, plan, doctor, serve."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from .. import __version__
from ..protocol.config import MODEL, Complete
from ..protocol.errors import CompleteError
from ..session.session import current


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it went well. Errors are one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="jupyter complete", description=__doc__)
    parser.add_argument("--version", action="version", version=f"jupyter_complete {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="run the quickstart notebook in a real kernel, streaming to the terminal")
    demo.add_argument("notebook", nargs="?", help="another notebook to run")
    demo.add_argument("--output", default="build/demo", help="folder for the executed notebook and its HTML")
    fetch = commands.add_parser(
        "fetch", help="fetch and convert a model, so that it loads at once; run it again to resume"
    )
    fetch.add_argument("name", nargs="?", default="smollm2")
    commands.add_parser(
        "models",
        help="list the models that have a name: what each is for, its size, its speed here, and whether it fits",
    )
    plan = commands.add_parser("plan", help="show what loading a model would do, without loading or fetching anything")
    plan.add_argument("name", nargs="?", help="the model; without it, the default")
    for name, trait in Complete.flagged(MODEL):
        plan.add_argument(*trait.metadata["flag"], dest=name, metavar=trait.metadata["metavar"], help=trait.help)
    doctor = commands.add_parser(
        "doctor", help="show versions, memory and cache; check a model again, and that a completion works"
    )
    doctor.add_argument("name", nargs="?", help="the model; without it, the default")
    _serve_arguments(commands)
    options = parser.parse_args(argv)
    run: dict[str, Callable[[argparse.Namespace], None]] = {
        "demo": _demo,
        "fetch": _fetch,
        "models": _models,
        "plan": _plan,
        "doctor": _doctor,
        "serve": _serve,
    }
    try:
        run[options.command](options)
    except CompleteError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        current().close()  # so that what is half made is taken away
        print("Stopped; run it again to go on.", file=sys.stderr)
        return 130
    return 0


def _demo(options: argparse.Namespace) -> None:
    from .demo import run

    run(options.notebook, options.output)


def _fetch(options: argparse.Namespace) -> None:
    from ..api import load
    from .fetch import fetch

    source = current().models.find(options.name)
    if source.kind != "registered":
        fetch(source)
    info = load(options.name).info
    if info is not None:
        print(f"{info.name} is ready: {info.parameters:,} parameters, {info.source}, {info.revision[:16]}.")


def _models(options: argparse.Namespace) -> None:
    from ..render.tables import bundle
    from ..session import model_list, status

    print(bundle(model_list.tables(current()), f"{model_list.note()} {status.ALSO}")["text/plain"])


def _plan(options: argparse.Namespace) -> None:
    from ..render.plan import head, rows
    from ..render.tables import table_plain

    session = current()
    asked = {name: value for name, _ in Complete.flagged(MODEL) if (value := getattr(options, name)) is not None}
    settings = session.config.checked(asked)
    plan = session.models.plan(options.name or session.config.model, *session.config.loading(settings))
    print(table_plain(head(plan), rows(plan)))


def _doctor(options: argparse.Namespace) -> None:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import psutil

    from ..api import complete
    from ..engine.load import examine_again
    from ..protocol.phrases import size
    from ..render import probe
    from ..render.tables import table_plain
    from ..sources import cache

    print(f"jupyter_complete {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in ("torch", "transformers", "tokenizers", "gguf", "ipython", "ipykernel", "jupyterlab"):
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            print(f"  {package} is not installed")
    print(f"memory free: {size(psutil.virtual_memory().available)} of {size(psutil.virtual_memory().total)}")
    print(f"cache: {cache.root()}")
    session = current()
    name = options.name or session.config.model
    found = examine_again(session.models.find(name), session.config.dtype, session.config.device)
    print(table_plain(probe.head(name, found), probe.rows(found)))
    print(
        complete("One, two, three,", model=name, max_new_tokens=8, temperature=0).bundle("One, two, three,")[
            "text/plain"
        ]
    )


def _serve_arguments(commands: Any) -> None:
    from .serve import add_arguments

    add_arguments(
        commands.add_parser("serve", help="share resident models with all kernels of this user; also: status, stop")
    )


def _serve(options: argparse.Namespace) -> None:
    from .serve import serve

    serve(options)


if __name__ == "__main__":
    sys.exit(main())
