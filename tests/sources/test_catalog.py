"""What a name means: found without reading a weight or asking a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_complete.protocol.errors import NotAModel, UnknownModel, UnsafeModel
from jupyter_complete.sources import catalog


def test_a_catalogued_name_means_the_catalogues_source() -> None:
    assert catalog.find("smollm2") is catalog.CATALOG["smollm2"]


def test_a_catalogued_name_wins_over_a_directory_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "smollm2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert catalog.find("smollm2").kind == "catalogued"


def test_a_directory_with_a_config_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    source = catalog.find(str(tmp_path))
    assert (source.kind, source.path) == ("directory", tmp_path.resolve())


def test_a_relative_directory_is_found_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert catalog.find("./mine").path == (tmp_path / "mine").resolve()


def test_the_home_directory_may_be_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    assert catalog.find("~/some.gguf").path == tmp_path / "some.gguf"


def test_a_directory_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match=r"holds no config\.json"):
        catalog.find(str(tmp_path))


def test_a_directory_of_gguf_files_says_which_to_name(tmp_path: Path) -> None:
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    with pytest.raises(NotAModel, match=r"Name the file instead: .*some\.gguf"):
        catalog.find(str(tmp_path))


def test_a_gguf_file_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF")
    assert (catalog.find(str(path)).kind, catalog.find(str(path)).path) == ("gguf", path)


@pytest.mark.parametrize("suffix", catalog.PICKLED)
def test_a_pickle_is_refused_with_the_reason(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"")
    with pytest.raises(UnsafeModel, match="pickle, which can run code"):
        catalog.find(str(path))


def test_any_other_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(NotAModel, match="is no model file"):
        catalog.find(str(path))


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/nowhere", "nowhere.gguf", "C:\\models\\mine"])
def test_a_path_to_nothing_is_told_as_a_path(name: str) -> None:
    with pytest.raises(UnknownModel, match="There is no file or directory") as told:
        catalog.find(name)
    assert name in str(told.value)


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean smollm2\?"):
        catalog.find("smolm2")


def test_a_misspelt_name_is_told_the_nearest_of_the_users_own() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean my-model\?"):
        catalog.find("my-modl", ["my-model"])


@pytest.mark.parametrize("name", ["two words", "a/b/c", "", "what?", "a@b@c d"])
def test_what_can_be_no_name_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel):
        catalog.find(name)


@pytest.mark.parametrize(
    ("name", "hub_id", "file", "revision"),
    [
        ("org/name", "org/name", "", None),
        ("org/name@v1.0", "org/name", "", "v1.0"),
        ("org/name@refs/pr/2", "org/name", "", "refs/pr/2"),
        ("distilgpt2", "distilgpt2", "", None),
        ("org/name:Q4_K_M", "org/name", "Q4_K_M", None),
        ("org/name:Q4_K_M@v1.0", "org/name", "Q4_K_M", "v1.0"),
        ("org/name/file-Q8_0.gguf", "org/name", "file-Q8_0.gguf", None),
        ("org/name/BF16/file-00001-of-00002.gguf@v1", "org/name", "BF16/file-00001-of-00002.gguf", "v1"),
    ],
)
def test_a_hub_id_may_have_a_file_and_a_revision(name: str, hub_id: str, file: str, revision: str | None) -> None:
    source = catalog.find(name)
    assert (source.kind, source.hub_id, source.file, source.revision) == ("hub", hub_id, file, revision)


def test_a_path_below_a_folder_that_is_here_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModel, match=r"There is no file or directory models/small/x\.gguf"):
        catalog.find("models/small/x.gguf")


def test_a_catalogued_name_may_mean_its_gguf_file() -> None:
    source = catalog.find("qwen3-0.6b:gguf")
    assert (source.kind, source.hub_id, source.file) == ("catalogued", "Qwen/Qwen3-0.6B-GGUF", "Q8_0")


@pytest.mark.parametrize("name", ["smollm3@main", "smollm3:gguf@v2"])
def test_a_catalogued_name_may_have_a_revision(name: str) -> None:
    source, begin = catalog.find(name), catalog.find(name.partition("@")[0])
    assert (source.name, source.hub_id, source.file) == (name, begin.hub_id, begin.file)
    assert (begin.revision, source.revision) == (None, name.partition("@")[2])


def test_the_default_at_a_revision_comes_from_the_hub() -> None:
    assert catalog.find("smollm2@main").wheel is None


@pytest.mark.parametrize("name", ["smollm2:q9", "gpt2:gguf", "smollm2@", "gpt3:gguf"])
def test_a_name_with_a_form_it_does_not_have_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel):
        catalog.find(name)


@pytest.mark.parametrize("name", list(catalog.CATALOG))
def test_every_catalogued_model_says_what_it_is_and_has_a_way(name: str) -> None:
    source = catalog.CATALOG[name]
    assert source.name == name
    assert source.about
    assert source.hub_id
