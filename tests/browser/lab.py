"""A JupyterLab server and a page of Chromium, as the tests speak of them."""

from __future__ import annotations

import json
import secrets
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

LOAD = "%load_ext jupyter_complete"


@dataclass
class Lab:
    """A running server and the folder it serves."""

    url: str
    token: str
    root: Path

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; its address in Lab."""
        node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(node, self.root / name)
        return self.address(name)

    def address(self, name: str) -> str:
        """Where Lab shows this notebook alone, in a workspace of its own."""
        workspace = secrets.token_hex(4)
        return f"{self.url}/lab/workspaces/{workspace}/tree/{name}?token={self.token}"

    def saved(self, name: str) -> Any:
        return nbformat.read(self.root / name, as_version=4)

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """The server's own API."""
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def set(self, plugin: str, settings: dict[str, Any]) -> None:
        """Change the settings of one of Lab's plugins."""
        self.ask(f"lab/api/settings/{plugin}", "PUT", {"raw": json.dumps(settings)})

    def stop_kernels(self) -> None:
        for one in self.ask("api/sessions"):
            self.ask(f"api/sessions/{one['id']}", "DELETE")


@dataclass
class Page:
    """A page of Chromium and where its requests went."""

    page: Any
    hosts: set[str] = field(default_factory=set)
    dialogs: list[str] = field(default_factory=list)
