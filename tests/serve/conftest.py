"""What the tests of the shared model compare it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny

from jupyter_complete.session.session import Session


@pytest.fixture(scope="module")
def own() -> Iterator[Session]:
    """A session with the same model in its own process."""
    session = Session()
    session.models.register("llama", *tiny.make("llama"))
    session.config.model = "llama"
    yield session
    session.close()
