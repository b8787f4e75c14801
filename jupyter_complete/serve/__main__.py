"""The server that a kernel starts: it gives back models that nobody uses, and ends when it has none."""

import argparse
import asyncio

from .server import Settings, serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=float, required=True, help="minutes")
    asyncio.run(serve(Settings(idle=60 * parser.parse_args().idle, leave=True)))
