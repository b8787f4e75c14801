"""Rows on a real Ray cluster of this machine: the local engine's rows, each once, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import echoes
import pandas as pd
import pytest

import jupyter_complete as jc
from jupyter_complete.frames.on_ray import Cluster
from jupyter_complete.protocol.errors import BadOption, CompleteError, Interrupted, UnknownModel
from jupyter_complete.session.session import Session

heavy = [pytest.mark.heavy, pytest.mark.timeout(900)]
TEMPLATE = "Say {{ text }} again"
OPTIONS: dict[str, Any] = {"temperature": 0, "max_new_tokens": 4}
TWO = {"actors": 2}
SECONDS = 600

DRIVER = """
import sys
sys.path.insert(0, {tests!r})
import echoes
import jupyter_complete as jc
jc.register("tiny", *echoes.make(delay=0.01))
jc.complete_frame({rows!r}, {template!r}, model="tiny", on={{"actors": 2}}, cache={cache!r}, **{options!r})
"""


PRINTED = """
import sys
sys.path.insert(0, {tests!r})
import echoes, pandas
import jupyter_complete as jc
jc.register("tiny", *echoes.make())
rows = pandas.DataFrame({{"text": ["number"] * 300}})
made = jc.complete_frame(rows, "Say {{{{ text }}}}", model="tiny", on={on!r}, **{options!r})
print(made["completion"].notna().sum())
"""


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster on this machine, for all tests of the file."""
    ray = pytest.importorskip("ray", reason="make ray installs it")
    for left in reversed(range(5)):  # Ray gives itself 30 seconds to start, and a busy machine needs more
        try:
            Cluster().connect()
            break
        except CompleteError:
            if not left:
                raise
    yield ray
    ray.shutdown()


@pytest.fixture
def own(session: Session) -> Session:
    session.models.register("tiny", *echoes.make())
    session.config.model = "tiny"
    return session


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(rows), "text": [f"number {n}" for n in range(rows)]})


def until(met: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < ends
        time.sleep(0.02)


def kept(folder: Path) -> bool:
    """Whether two processes have written tens of results there each."""
    return sum(path.stat().st_size > 16_000 for path in folder.glob("*.sqlite")) >= 2


def marking(folder: Path) -> Callable[[dict[str, Any]], str]:
    """A template that leaves the number of the process that it runs in."""

    def template(row: dict[str, Any]) -> str:
        (folder / str(os.getpid())).touch()
        return f"Say {row['text']} again"

    return template


def test_without_ray_it_is_one_sentence(own: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadOption, match="Ray is not there") as refused:
        jc.complete_frame(frame(2), TEMPLATE, on="ray", **OPTIONS)
    assert refused.value.hint == "Install it: pip install 'jupyter_complete[ray]'"


@pytest.mark.parametrize("on", [{"address": "auto", "cpus": 2}, 3, {"actors": -1}, {"actors": "two"}], ids=str)
def test_a_cluster_that_is_not_understood_is_refused(on: Any) -> None:
    with pytest.raises(BadOption):
        Cluster.of(on)


def test_an_address_is_passed_on() -> None:
    assert Cluster.of("ray") == Cluster()
    assert Cluster.of("ray://head:10001") == Cluster("ray://head:10001")
    assert Cluster.of({"address": "head:6379", "actors": 4}) == Cluster("head:6379", 4)


def test_an_output_is_for_data_sets(own: Session, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="output is for"):
        jc.complete_frame(frame(2), TEMPLATE, on={"output": tmp_path / "out"})


class TestOnACluster:
    pytestmark = heavy

    def test_2000_rows_on_two_actors_are_those_of_the_local_engine(self, ray: Any, own: Session) -> None:
        rows = frame(2000)
        rows.loc[[7, 1999], "text"] = None
        rows.loc[8, "text"] = "word " * 300
        rows = rows.sample(frac=1, random_state=1)
        local = jc.complete_frame(rows, TEMPLATE, into="said", **OPTIONS)
        pd.testing.assert_frame_equal(jc.complete_frame(rows, TEMPLATE, into="said", on=TWO, **OPTIONS), local)
        assert local["said"].isna().sum() == local["said_error"].notna().sum() == 3

    def test_data_and_choices_are_those_of_the_local_engine(self, ray: Any, own: Session) -> None:
        own.models.register("tiny", *echoes.make(says='{"a": [1, null]}'))
        for form in ({"json": {"type": "object"}, "max_new_tokens": 40}, {"choices": [" yes", " no"]}):
            local = jc.complete_frame(frame(5), TEMPLATE, **{**OPTIONS, **form})
            pd.testing.assert_frame_equal(jc.complete_frame(frame(5), TEMPLATE, on="ray", **{**OPTIONS, **form}), local)

    def test_parquet_files_become_parquet_files_in_their_order(self, ray: Any, own: Session, tmp_path: Path) -> None:
        rows = frame(600)
        rows.loc[3, "text"] = None
        rows.to_parquet(tmp_path / "in.parquet")
        out = tmp_path / "out"
        made = jc.complete_frame(tmp_path / "in.parquet", TEMPLATE, on={**TWO, "output": out}, **OPTIONS)
        assert made.count() == 600
        local = jc.complete_frame(rows, TEMPLATE, **OPTIONS)
        read = pd.read_parquet(out)
        assert read.columns.tolist() == ["n", "text", "completion", "completion_error"]
        assert read["n"].tolist() == rows["n"].tolist()
        assert read["completion"].fillna("").tolist() == local["completion"].fillna("").tolist()
        assert read["completion_error"].dropna().tolist() == ["text is missing. Fill it in, or drop the row."]
        assert {path.suffix for path in out.iterdir()} == {".parquet"}
        assert not out.with_name("out.unfinished").exists()
        with pytest.raises(BadOption, match="is not empty"):
            jc.complete_frame(tmp_path / "in.parquet", TEMPLATE, on={**TWO, "output": out}, **OPTIONS)

    def test_what_is_wrong_is_said_before_an_actor_starts(self, ray: Any, own: Session) -> None:
        data = ray.data.from_pandas(frame(3))
        with pytest.raises(BadOption, match="no column 'texts'"):
            jc.complete_frame(data, "Say {{ texts }}", on="ray", **OPTIONS)
        with pytest.raises(UnknownModel):
            jc.complete_frame(data, TEMPLATE, on="ray", model="no such model", **OPTIONS)
        with pytest.raises(BadOption, match="num is for single completions"):
            jc.complete_frame(data, TEMPLATE, on="ray", num=2)
        with pytest.raises(BadOption, match="cannot be read"):
            jc.complete_frame("no/such/file.parquet", TEMPLATE, on="ray", **OPTIONS)

    def test_an_actor_that_is_killed_half_way_leaves_every_row_answered_once(
        self, ray: Any, own: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        own.models.register("tiny", *echoes.make(delay=0.004))
        marks, killed = tmp_path / "marks", list[int]()
        marks.mkdir()

        def kill() -> None:
            until(lambda: len(list(marks.iterdir())) == 2 and kept(tmp_path / "rows"))
            killed.append(int(min(marks.iterdir()).name))
            os.kill(killed[0], signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        data = ray.data.from_pandas(frame(2000))
        made = jc.complete_frame(data, marking(marks), on=TWO, cache=tmp_path / "rows", **OPTIONS).to_pandas()
        thread.join()
        assert made["n"].tolist() == list(range(2000))
        assert made["completion_error"].isna().all()
        assert made["completion"].tolist() == jc.complete_frame(frame(2000), TEMPLATE, **OPTIONS)["completion"].tolist()
        assert len(list(marks.iterdir())) == 3, "nobody took the place of the one that was killed"
        assert "done before" in capfd.readouterr().err, "what it had written was completed again"

    def test_a_run_goes_on_after_its_driver_was_killed(
        self, ray: Any, own: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        rows, cache = tmp_path / "in.parquet", tmp_path / "rows"
        frame(1000).to_parquet(rows)
        cache.mkdir()
        asked = {"rows": str(rows), "template": TEMPLATE, "cache": str(cache), "options": OPTIONS}
        code = DRIVER.format(tests=str(Path(echoes.__file__).parent), **asked)
        with (tmp_path / "log").open("w") as log:
            driver = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
            until(lambda: kept(cache) or driver.poll() is not None)
            assert driver.poll() is None, (tmp_path / "log").read_text()
            driver.kill()
            driver.wait()
        made = jc.complete_frame(rows, TEMPLATE, on=TWO, cache=cache, **OPTIONS).to_pandas()
        assert made["n"].tolist() == list(range(1000))
        assert made["completion"].tolist() == jc.complete_frame(frame(1000), TEMPLATE, **OPTIONS)["completion"].tolist()
        assert "done before" in capfd.readouterr().err

    def test_an_interrupt_keeps_the_rows_that_are_done(
        self, ray: Any, own: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        own.models.register("tiny", *echoes.make(delay=0.01))
        cache = tmp_path / "rows"

        def interrupt() -> None:
            until(lambda: kept(cache))
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Interrupted, match="rows are done and kept"):
            jc.complete_frame(frame(2000), TEMPLATE, on=TWO, cache=cache, **OPTIONS)
        thread.join()
        own.models.register("tiny", *echoes.make())
        capfd.readouterr()
        made = jc.complete_frame(frame(2000), TEMPLATE, on=TWO, cache=cache, **OPTIONS)
        pd.testing.assert_frame_equal(made, jc.complete_frame(frame(2000), TEMPLATE, **OPTIONS))
        assert "done before" in capfd.readouterr().err

    def test_a_cluster_has_an_address_and_only_our_line_is_printed(self, ray: Any, own: Session) -> None:
        code = PRINTED.format(
            tests=str(Path(echoes.__file__).parent), on=ray.get_runtime_context().gcs_address, options=OPTIONS
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS)
        assert (done.returncode, done.stdout) == (0, "300\n"), done.stderr
        (line,) = [line for line in done.stderr.splitlines() if "core_worker.cc" not in line]  # a line of its core
        assert line.startswith("300 rows · ")

    @pytest.mark.model
    def test_smollm2_writes_what_it_writes_here(self, ray: Any, session: Session) -> None:
        rows, options = frame(6), {"temperature": 0, "max_new_tokens": 8, "model": "smollm2"}
        local = jc.complete_frame(rows, "The {{ text }} is", **options)
        pd.testing.assert_frame_equal(jc.complete_frame(rows, "The {{ text }} is", on="ray", **options), local)
