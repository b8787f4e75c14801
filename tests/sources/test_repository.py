"""Which files of a repository are meant, and the errors of a download in one sentence."""

from __future__ import annotations

import errno

import pytest

from jupyter_complete.protocol.errors import CompleteError, DoesNotFit, FetchFailed, Stopped
from jupyter_complete.sources import repository

PARTS = ["a-F16-00001-of-00002.gguf", "a-F16-00002-of-00002.gguf"]


@pytest.mark.parametrize(
    ("names", "file", "found"),
    [
        (["a-Q4_K_M.gguf", "b.json"], "Q4_K_M", ["a-Q4_K_M.gguf"]),
        (["a.q4_k_m.gguf"], "Q4_K_M", ["a.q4_k_m.gguf"]),
        (["a-UD-Q4_K_M.gguf", "a-Q4_K_M.gguf"], "Q4_K_M", ["a-Q4_K_M.gguf"]),
        (["mmproj-F16.gguf"], "F16", []),
        (["a-IQ4_K_M.gguf"], "Q4_K_M", []),
        (["x/a-F16.gguf"], "a-F16.gguf", ["x/a-F16.gguf"]),
        (PARTS, "F16", PARTS),
        (["a-F16-00001-of-00002.gguf"], "F16", []),
        ([], "Q8_0", []),
    ],
)  # fmt: skip
def test_a_kind_means_the_gguf_file_that_ends_with_it(names: list[str], file: str, found: list[str]) -> None:
    assert repository.gguf_files(names, file) == found


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "full"), DoesNotFit, "The disk became full while fetching org/tiny. Free some space"),
        (OSError(errno.EROFS, "read-only"), CompleteError, "The hub's cache cannot be written (read-only)."),
        (ValueError("odd"), FetchFailed, "Fetching org/tiny failed (ValueError). Run it again to resume."),
        (Stopped("Stopped.", "Go on."), Stopped, "Stopped. Go on."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_error_of_a_download_is_one_sentence(error: Exception, kind: type[CompleteError], said: str) -> None:
    told = repository.explain(error, "fetching org/tiny")
    assert type(told) is kind
    assert str(told).startswith(said)


def test_what_is_no_error_of_a_download_stays_what_it_is() -> None:
    interrupt = KeyboardInterrupt()
    assert repository.explain(interrupt, "fetching") is interrupt
