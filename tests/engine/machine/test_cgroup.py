"""What the control groups of a process allow, by files as Linux lays them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_complete.engine.machine import cgroup


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroup, "MOUNTED", tmp_path)
    return tmp_path


def groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str) -> None:
    (tmp_path / "self").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(cgroup, "GROUPS", tmp_path / "self")


def write(folder: Path, **numbers: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, said in numbers.items():
        (folder / name.replace("__", ".")).write_text(said + "\n")


class TestCores:
    def test_they_are_those_of_the_affinity(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "0::/")
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
        assert cgroup.cores() == 2

    @pytest.mark.parametrize(("said", "cores"), [("400000 100000", 4), ("250000 100000", 2), ("50000 100000", 1)])
    def test_a_quota_says_less(self, said: str, cores: int, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "0::/")
        write(mounted, cpu__max=said)
        assert cgroup.cores() == cores

    def test_no_quota_says_nothing(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "0::/user/kernel")
        write(mounted / "user" / "kernel", cpu__max="max 100000")
        assert cgroup.cores() == 16

    @pytest.mark.parametrize("tight", ["user", "user/kernel"])
    def test_the_tightest_of_nested_groups_counts(
        self, tight: str, monkeypatch: pytest.MonkeyPatch, mounted: Path
    ) -> None:
        groups(monkeypatch, mounted, "0::/user/kernel")
        for folder in ("user", "user/kernel"):
            write(mounted / folder, cpu__max="300000 100000" if folder == tight else "800000 100000")
        assert cgroup.cores() == 3

    def test_version_1_has_other_files(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "4:cpu,cpuacct:/docker/a", "0::/")
        write(mounted / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
        write(mounted / "cpu" / "docker" / "a", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
        assert cgroup.cores() == 2

    def test_a_group_that_is_not_to_be_seen_from_inside_leaves_the_outermost(
        self, monkeypatch: pytest.MonkeyPatch, mounted: Path
    ) -> None:
        groups(monkeypatch, mounted, "4:cpu,cpuacct:/docker/a")
        write(mounted / "cpu", cpu__cfs_quota_us="500000", cpu__cfs_period_us="100000")
        assert cgroup.cores() == 5

    def test_a_system_without_groups_has_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(cgroup, "GROUPS", tmp_path / "none")
        assert cgroup.cores() == 16


class TestMemory:
    def test_the_tightest_of_nested_groups_counts(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "0::/user/kernel")
        write(mounted / "user", memory__max="1000", memory__current="900")
        write(mounted / "user" / "kernel", memory__max="500", memory__current="200")
        assert cgroup.memory_left() == 100

    def test_version_1_has_other_files(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "4:memory:/hub")
        write(mounted / "memory" / "hub", memory__limit_in_bytes="500", memory__usage_in_bytes="700")
        assert cgroup.memory_left() == 0

    def test_no_limit_is_none(self, monkeypatch: pytest.MonkeyPatch, mounted: Path) -> None:
        groups(monkeypatch, mounted, "0::/user")
        write(mounted / "user", memory__max="max", memory__current="900")
        assert cgroup.memory_left() is None

    @pytest.mark.parametrize(("version", "name"), [(1, "total_inactive_file"), (2, "inactive_file")])
    def test_files_that_can_be_given_back_are_not_held(
        self, version: int, name: str, monkeypatch: pytest.MonkeyPatch, mounted: Path
    ) -> None:
        groups(monkeypatch, mounted, "0::/hub" if version == 2 else "4:memory:/hub")
        if version == 2:
            write(mounted / "hub", memory__max="1000", memory__current="900", memory__stat=f"anon 100\n{name} 600")
        else:
            numbers = {"memory__limit_in_bytes": "1000", "memory__usage_in_bytes": "900"}
            write(mounted / "memory" / "hub", **numbers, memory__stat=f"cache 700\n{name} 600")
        assert cgroup.memory_left() == 700
