"""llama.cpp's server on a GGUF file, in a process of its own: `python llama_server.py FILE` prints its address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def llama_server(path: Path, slots: int = 2) -> Iterator[str]:
    """The address of a server that runs inside the block."""
    command = [sys.executable, __file__, str(path), str(slots)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
    try:
        assert process.stdout is not None
        lines = (line.decode(errors="replace").strip() for line in process.stdout)
        address = next((line for line in lines if line.startswith("http://")), None)
        assert address is not None, "the server did not start"
        yield address
    finally:
        process.kill()
        process.wait()


def serve(path: str, slots: int) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel, params.verbosity = 1024 * slots, slots, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()  # until the test ends


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
