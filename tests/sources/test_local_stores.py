"""Models of Ollama and LM Studio open by name where they are on the disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from jupyter_complete.protocol.errors import NotAModel, UnknownModel
from jupyter_complete.session.session import Session
from jupyter_complete.sources import catalog, local_stores

GGUF = b"GGUF" + bytes(100)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without models of others."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    return tmp_path


def put_blob(root: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    (root / "blobs" / f"sha256-{digest}").write_bytes(data)
    return f"sha256:{digest}"


def put_ollama(root: Path, place: str, layers: dict[str, bytes]) -> Path:
    """A model as Ollama keeps it; return the file of its weights."""
    manifest = root / "manifests" / place
    manifest.parent.mkdir(parents=True, exist_ok=True)
    kinds = {kind: put_blob(root, data) for kind, data in layers.items()}
    told = [{"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest} for kind, digest in kinds.items()]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": told}))
    return root / "blobs" / kinds["model"].replace(":", "-")


def put_lm_studio(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GGUF)
    return paths


LIBRARY = "registry.ollama.ai/library"


def test_a_model_of_ollama_opens_by_name_and_tag(home: Path) -> None:
    path = put_ollama(home / ".ollama/models", f"{LIBRARY}/qwen3/0.6b", {"model": GGUF})
    source = catalog.find("ollama/qwen3:0.6b")
    assert (source.kind, source.path, source.name) == ("gguf", path, "ollama/qwen3:0.6b")


def test_a_name_without_a_tag_means_the_latest(home: Path) -> None:
    path = put_ollama(home / ".ollama/models", f"{LIBRARY}/qwen3/latest", {"model": GGUF})
    assert local_stores.find("ollama/qwen3") == path


def test_models_of_users_and_other_registries_have_their_place_in_the_name(home: Path) -> None:
    root = home / ".ollama/models"
    put_ollama(root, "registry.ollama.ai/someone/mine/latest", {"model": GGUF})
    put_ollama(root, "hf.co/org/repo-GGUF/Q4_K_M", {"model": GGUF + b"x"})
    names = [one.name for one in local_stores.stored()]
    assert names == ["ollama/hf.co/org/repo-GGUF:Q4_K_M", "ollama/someone/mine:latest"]
    assert all(local_stores.find(name).is_file() for name in names)


def test_ollama_models_moves_the_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_ollama(home / "elsewhere", f"{LIBRARY}/a/latest", {"model": GGUF})
    monkeypatch.setenv("OLLAMA_MODELS", str(home / "elsewhere"))
    assert local_stores.find("ollama/a") == path


def test_a_name_that_ollama_lacks_is_told_with_the_nearest(home: Path) -> None:
    put_ollama(home / ".ollama/models", f"{LIBRARY}/qwen3/0.6b", {"model": GGUF})
    with pytest.raises(UnknownModel, match=r"Ollama has no model 'qwen3:0\.5b' on this disk") as told:
        catalog.find("ollama/qwen3:0.5b")
    assert "ollama/qwen3:0.6b" in str(told.value.hint)


def test_weights_that_are_gone_are_told(home: Path) -> None:
    put_ollama(home / ".ollama/models", f"{LIBRARY}/a/latest", {"model": GGUF}).unlink()
    with pytest.raises(NotAModel, match="has no weights on this disk"):
        local_stores.find("ollama/a")
    assert local_stores.stored() == []


def test_an_adapter_of_ollama_is_refused(home: Path) -> None:
    put_ollama(home / ".ollama/models", f"{LIBRARY}/a/latest", {"model": GGUF, "adapter": b"lora"})
    with pytest.raises(NotAModel, match="is an adapter"):
        local_stores.find("ollama/a")


def test_a_manifest_that_is_none_hides_no_other_model(home: Path) -> None:
    put_ollama(home / ".ollama/models", f"{LIBRARY}/good/latest", {"model": GGUF})
    (home / ".ollama/models/manifests/registry.ollama.ai/library/bad").mkdir()
    (home / ".ollama/models/manifests/registry.ollama.ai/library/bad/latest").write_text("[]")
    assert [one.name for one in local_stores.stored()] == ["ollama/good:latest"]


def test_the_parameters_beside_the_weights_are_found_by_the_file(home: Path) -> None:
    stated = {"temperature": 0.6, "stop": ["<|im_end|>"]}
    root = home / ".ollama/models"
    path = put_ollama(root, f"{LIBRARY}/a/latest", {"model": GGUF, "params": json.dumps(stated).encode()})
    assert local_stores.parameters(path) == stated
    assert local_stores.parameters(home / "model.gguf") == {}


@pytest.mark.parametrize("root", [".lmstudio/models", ".cache/lm-studio/models"])
def test_a_file_of_lm_studio_opens_by_its_place(home: Path, root: str) -> None:
    (path,) = put_lm_studio(home / root, "org/Qwen3-GGUF/Qwen3-Q4_K_M.gguf")
    assert catalog.find("lmstudio/org/Qwen3-GGUF/Qwen3-Q4_K_M").path == path
    assert local_stores.find("lmstudio/org/Qwen3-GGUF/Qwen3-Q4_K_M.gguf") == path


def test_a_folder_of_one_model_is_name_enough(home: Path) -> None:
    names = ("org/One/model.gguf", "org/One/mmproj-model.gguf", "org/Two/a.gguf", "org/Two/b.gguf")
    path, *_ = put_lm_studio(home / ".lmstudio/models", *names)
    assert local_stores.find("lmstudio/org/One") == path
    with pytest.raises(UnknownModel, match=r"holds 2 models") as told:
        local_stores.find("lmstudio/org/Two")
    assert "lmstudio/org/Two/a" in str(told.value.hint)


def test_a_split_model_of_lm_studio_is_listed_once(home: Path) -> None:
    put_lm_studio(home / ".lmstudio/models", *(f"o/r/big-0000{part}-of-00002.gguf" for part in (1, 2)))
    assert [one.name for one in local_stores.stored()] == ["lmstudio/o/r/big-00001-of-00002"]


def test_lm_studio_may_have_moved_its_home(home: Path) -> None:
    (path,) = put_lm_studio(home / "data/models", "o/r/m.gguf")
    (home / ".lmstudio-home-pointer").write_text(f"{home / 'data'}\n")
    assert local_stores.find("lmstudio/o/r/m") == path


def test_a_file_without_the_ending_is_known_by_its_first_letters(home: Path) -> None:
    path = put_ollama(home / ".ollama/models", f"{LIBRARY}/a/latest", {"model": GGUF})
    assert catalog.find(str(path)).kind == "gguf"


def test_they_are_listed_and_offered_by_tab(home: Path) -> None:
    put_ollama(home / ".ollama/models", f"{LIBRARY}/qwen3/0.6b", {"model": GGUF})
    put_lm_studio(home / ".lmstudio/models", "o/r/m.gguf")
    session = Session()
    assert {"ollama/qwen3:0.6b", "lmstudio/o/r/m"} <= set(session.known()["models"])
    about = {source.name: source.about for source in session.models.sources()}
    assert about["ollama/qwen3:0.6b"] == "a model of Ollama on this disk"


def test_a_home_without_such_programs_has_none(home: Path) -> None:
    assert local_stores.stored() == []
    with pytest.raises(UnknownModel, match="LM Studio has no model 'o/r/m' on this disk"):
        catalog.find("lmstudio/o/r/m")


def test_of_names_that_share_weights_the_parameters_are_those_that_all_state(home: Path) -> None:
    root = home / ".ollama/models"
    for name, stated in {"a": {"temperature": 0.1, "top_k": 20}, "b": {"temperature": 0.9, "top_k": 20}}.items():
        path = put_ollama(root, f"{LIBRARY}/{name}/latest", {"model": GGUF, "params": json.dumps(stated).encode()})
    assert local_stores.parameters(path) == {"top_k": 20}
