"""What the hub says of a model: its files at one commit, which of them are wanted, and where each is; and its errors,
in one sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ..protocol.errors import CompleteError, DoesNotFit, FetchFailed, ModelError, UnsafeModel
from . import catalog, transfer
from .transfer import Remote

WANTED = (".safetensors", ".json", ".txt", ".model", ".jinja")
TIMEOUT = 20.0  # seconds for an answer of the hub
_PART = re.compile(r"-\d{5}-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)


def files(hub_id: str, revision: str | None, file: str = "") -> tuple[dict[str, int], str]:
    """Names and bytes of the files to fetch, weights last, and the commit they are of.

    They are those of a transformers directory, or the parts of the GGUF file that `file` means. Raises UnknownModel,
    UnsafeModel or FetchFailed.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(hub_id, revision=revision, files_metadata=True, timeout=TIMEOUT)
    except Exception as error:
        raise _hub_error(error, hub_id, revision) from None
    sizes = {one.rfilename: one.size or 0 for one in info.siblings or []}
    if file:
        names = gguf_files(sizes, file)
        if not names:
            raise _no_gguf(hub_id, sizes, file)
    else:
        names = _directory_files(hub_id, [name for name in sizes if "/" not in name])
    return {name: sizes[name] for name in names}, info.sha or revision or "unknown"


def remote(hub_id: str, name: str, commit: str) -> Remote:
    """Where a file is, with the digest that the hub has for it; raises FetchFailed."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(hub_id, name, revision=commit)
    try:
        found = get_hf_file_metadata(url, timeout=TIMEOUT)
    except Exception as error:
        raise _hub_error(error, hub_id, commit) from None
    if not found.etag:
        raise FetchFailed(f"The hub names no version of {name} in {hub_id}.", "Check HF_ENDPOINT, or the proxy.")
    return Remote(name, url, found.etag, found.size)


def link(hub_id: str, name: str, commit: str) -> None:
    """Let the hub's cache show a file that lies among its blobs as a file of the commit."""
    from huggingface_hub import hf_hub_download

    hf_hub_download(hub_id, name, revision=commit)


def gguf_files(names: Iterable[str], file: str) -> list[str]:
    """The GGUF file that `file` names in full or by its kind (Q4_K_M), with all parts if it is split.

    It is empty where there is none, or where parts are missing.
    """
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    if file.lower().endswith(".gguf"):
        chosen = next((name for name in ggufs if file in (name, PurePosixPath(name).name)), "")
    else:
        ending = re.compile(rf"(^|[-._]){re.escape(file)}\.gguf$", re.IGNORECASE)
        models = [name for name in ggufs if not PurePosixPath(name).name.startswith("mmproj")]
        chosen = min((name for name in models if ending.search(_PART.sub("", name))), key=len, default="")
    if (split := _PART.search(chosen)) is None:
        return [chosen] if chosen else []
    parts = [name for name in ggufs if _PART.sub("", name) == _PART.sub("", chosen)]
    return parts if len(parts) == int(split[1]) else []


def explain(error: BaseException, stage: str) -> BaseException:
    """The error to raise for one of a download, in one sentence."""
    if isinstance(error, CompleteError) or not isinstance(error, Exception):
        return error
    if isinstance(error, OSError) and error.errno in transfer.FULL:
        return DoesNotFit(
            f"The disk became full while {stage}.",
            "Free some space, or point HF_HUB_CACHE at a larger disk; then run it again to resume.",
        )
    if isinstance(error, OSError) and error.errno in transfer.UNWRITABLE:
        return CompleteError(
            f"The hub's cache cannot be written ({error.strerror}).", "Point HF_HUB_CACHE at a directory that can."
        )
    return FetchFailed(f"{stage[:1].upper()}{stage[1:]} failed ({type(error).__name__}).", "Run it again to resume.")


def _directory_files(hub_id: str, names: list[str]) -> list[str]:
    """The files of a transformers directory, weights last, so that a snapshot with weights is whole."""
    weights = [name for name in names if name.endswith(".safetensors")]
    if not weights:
        raise _no_weights(hub_id, names)
    own = [name for name in weights if name.startswith("model")]  # beside the same weights in another layout
    others = [name for name in names if (name.endswith(WANTED) and name not in weights) or name.startswith("LICENSE")]
    return sorted(others) + sorted(own or weights)


def _no_weights(hub_id: str, names: list[str]) -> ModelError:
    if ggufs := [name for name in names if name.endswith(".gguf")]:
        return FetchFailed(f"{hub_id} holds GGUF files.", f"Name one of them: {hub_id}/{ggufs[0]}")
    if any(name.endswith(catalog.PICKLED) for name in names):
        return UnsafeModel(
            f"{hub_id} has only pickled weights, which can run code when they are read.",
            "Choose a model or revision with safetensors.",
        )
    return FetchFailed(f"{hub_id} holds no safetensors weights.", "Choose another model.")


def _no_gguf(hub_id: str, names: Iterable[str], file: str) -> FetchFailed:
    ggufs = [name for name in names if name.lower().endswith(".gguf")]
    some = ", ".join(ggufs[:8]) + (", …" if len(ggufs) > 8 else "")
    hint = f"It has {some}." if ggufs else "It has no GGUF file; name the model without it."
    return FetchFailed(f"{hub_id} has no whole GGUF file {file}.", hint)


def _hub_error(error: Exception, hub_id: str, revision: str | None) -> ModelError:
    """What an answer of the hub means, or that there was none."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return FetchFailed(f"{hub_id} asks for a login on the hub.", "Accept its terms there, then `hf auth login`.")
    if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
        return catalog.unknown(hub_id, catalog.CATALOG)
    if isinstance(error, RevisionNotFoundError):
        return FetchFailed(f"{hub_id} has no revision {revision!r}.", f"The newest is {hub_id}@main.")
    if isinstance(error, EntryNotFoundError):
        return FetchFailed(f"{hub_id} has no longer a file that it lists.", "Run it again.")
    return FetchFailed(
        f"The model hub could not be asked for {hub_id} ({type(error).__name__}).",
        "Check the network, or give a directory or a .gguf file.",
    )
