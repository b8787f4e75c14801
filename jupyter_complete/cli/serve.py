"""`jupyter complete serve`: share resident models with the kernels of this user and with OpenAI clients."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from ..protocol.errors import CompleteError
from ..protocol.phrases import count, size
from ..serve import address, start


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
    parser.add_argument("action", nargs="?", choices=("run", "status", "stop"), default="run")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="share this model only; repeatable"
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; without it, any free one")
    parser.add_argument("--no-port", action="store_true", help="only the socket of this user, and no port")
    parser.add_argument(
        "--idle", type=float, default=0, metavar="MINUTES", help="unload a model after so long; 0 never"
    )
    parser.add_argument("--proxy", action="append", default=[], metavar="HOST", help="a proxy's name; repeatable")
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


def serve(options: argparse.Namespace) -> None:
    """Run one action. Raises CompleteError."""
    found = start.find()
    if options.action == "status":
        _status(found.status() if found is not None else None, options.json)
    elif options.action == "stop":
        _stop()
    elif found is not None:
        raise CompleteError(
            f"A server runs already (process {found.where.pid}).", "jupyter complete serve stop ends it."
        )
    else:
        _run(options)


def _run(options: argparse.Namespace) -> None:
    import os

    from ..serve import server

    settings = server.Settings(
        models=tuple(options.model),
        port=None if options.no_port else options.port,
        idle=60 * options.idle,
        proxies=tuple(options.proxy),
        token=os.environ.get(address.TOKEN, ""),
    )
    asyncio.run(server.serve(settings))


def _stop() -> None:
    import os
    import signal

    found = start.find()
    if found is None or not found.where.pid:
        raise CompleteError("No server of this user runs.", "jupyter complete serve starts one.")
    os.kill(found.where.pid, signal.SIGTERM)
    print(f"The server (process {found.where.pid}) ends.")


def _status(status: dict[str, Any] | None, as_json: bool) -> None:
    if as_json:
        print(json.dumps(status, indent=1))
        return
    if status is None:
        print("No server of this user runs; `jupyter complete serve` starts one.")
        return
    where = address.read()
    if where is not None:
        print(f"The server is process {where.pid}, at {where.url or where.socket}; {address.file()} holds its token.")
    print(f"It holds {size(status['memory'])} of memory.")
    for model in status["models"]:
        held = model["footprint"]
        kernels = count(len(model["running"]), "client")
        state = f"{size(held['weight_bytes'])} of weights" if held else "not ready"
        print(f"  {model['name']}: {state}, {kernels} served, {count(model['waiting'], 'request')} waiting")
