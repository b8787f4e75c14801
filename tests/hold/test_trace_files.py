"""A trace file that anybody may have made: open_trace reads it or says one sentence, and whatever it reads is drawn."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soak

import jupyter_complete as jc
from jupyter_complete.protocol.errors import CompleteError, NotATrace
from jupyter_complete.results import trace_file
from jupyter_complete.results.trace import Trace

pytestmark = pytest.mark.soak

TRACES = sorted((Path(__file__).parents[2] / "notebooks" / "traces").glob("*.trace"))
Parts = dict[str, bytes]


def parts_of(path: Path) -> Parts:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path: Path, parts: Parts) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return path


def small(path: Path, folder: Path) -> Path:
    """The first steps of a recorded trace, and a finding of each kind: small enough to be drawn thousands of times."""
    trace = jc.open_trace(path)
    few = trace.cut(3)
    kinds = {question.kind: (question, finding) for question, finding in trace.found.items()}
    object.__setattr__(few, "found", dict(kinds.values()))
    few.save(folder / path.name)
    return folder / path.name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(TRACES[0], tmp_path_factory.mktemp("traces"))


def draw_all(trace: Trace) -> None:
    """Everything that a trace is drawn from."""
    trace.view(range(len(trace)))._repr_mimebundle_()
    trace.replay(temperature=0.7, top_p=0.9, repetition_penalty=1.2)
    trace.distribution(0, top_k=3)
    assert trace.tokens is not None
    assert trace.footer()
    for finding in trace.found.values():
        finding._repr_mimebundle_()
        repr(finding)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def change_array(parts: Parts, chance: random.Random) -> str:
    """Change an array in a way that the format can hold."""
    name = chance.choice([name for name in parts if name.endswith(".npy")])
    array = np.load(io.BytesIO(parts[name])).copy()
    way = chance.choice(["number", "number", "shorter", "longer", "axes", "type", "empty"])
    if way == "number" and array.size and array.dtype.kind in "iuf":
        wild = [np.nan, np.inf, -np.inf, 1e30] if array.dtype.kind == "f" else [-1, 1 << 30, 127, len(array)]
        with np.errstate(all="ignore"):
            array.flat[chance.randrange(array.size)] = np.array(chance.choice(wild)).astype(array.dtype)
    elif way == "shorter":
        array = array[:-1]
    elif way == "longer" and array.ndim:
        array = np.concatenate([array, array[-1:]])
    elif way == "axes":
        array = array.reshape(-1) if array.ndim > 1 else array[None]
    elif way == "type":
        array = array.astype(chance.choice(["i8", "f4", "f2", "?", "U3"])) if array.dtype.kind != "U" else array[:0]
    elif way == "empty":
        array = array[:0]
    parts[name] = npy(array)
    return f"{name} {way}"


def change_head(parts: Parts, chance: random.Random) -> str:
    """Put an odd value anywhere into the JSON head."""
    head = json.loads(parts["trace.json"])
    places = list(walk(head))
    holder, key = chance.choice(places)
    odd = [None, -1, 1 << 40, 0.5, "", "\ud800", "x" * 99, [], [[]], {}, True, [1, 2], float("inf"), -(1 << 70)]
    holder[key] = chance.choice(odd)
    parts["trace.json"] = json.dumps(head).encode()
    return f"head {key} = {holder[key]!r}"


def walk(value: object) -> list[tuple[object, object]]:
    found: list[tuple[object, object]] = []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += walk(value[key])  # type: ignore[index]
    return found


def change_bytes(parts: Parts, chance: random.Random) -> str:
    name = chance.choice(list(parts))
    data = bytearray(parts[name])
    for _ in range(chance.choice([1, 3, 9])):
        data[chance.randrange(min(len(data), 200))] = chance.randrange(256)
    parts[name] = bytes(data)
    return f"{name} bytes"


def leave_out(parts: Parts, chance: random.Random) -> str:
    name = chance.choice(list(parts))
    del parts[name]
    return f"without {name}"


CHANGES: list[Callable[[Parts, random.Random], str]] = [change_array, change_head, change_bytes, leave_out]


def test_a_changed_trace_is_read_and_drawn_or_refused_in_one_sentence(whole: Path, tmp_path: Path) -> None:
    parts, chance, read, refused = parts_of(whole), random.Random(3), 0, 0
    for _ in range(soak.count(60, 10_000)):
        changed = dict(parts)
        what = chance.choice(CHANGES)(changed, chance)
        path = write(tmp_path / "changed.trace", changed)
        try:
            trace = jc.open_trace(path)
        except NotATrace as error:
            soak.one_sentence(error)
            refused += 1
            continue
        try:
            draw_all(trace)
        except CompleteError:
            pass
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        read += 1
    assert read
    assert refused
    soak.note("files", **{"a trace: mutations of its parts": read + refused})


def test_a_damaged_trace_is_refused_in_one_sentence(whole: Path, tmp_path: Path) -> None:
    data, chance, count = whole.read_bytes(), random.Random(4), soak.count(30, 10_000)
    for _ in range(count):
        path = tmp_path / "damaged.trace"
        path.write_bytes(data)
        if soak.damage(path, chance) == "longer":  # which a zip may be
            continue
        try:
            draw_all(jc.open_trace(path))
        except NotATrace as error:
            soak.one_sentence(error)
    soak.note("files", **{"a trace: damages of the file": count})


def test_a_file_that_would_take_far_more_memory_than_disk_is_refused(whole: Path, tmp_path: Path) -> None:
    parts = parts_of(whole)
    inflated = tmp_path / "inflated.trace"
    with zipfile.ZipFile(inflated, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            if name != "logits.npy":
                file.writestr(name, data)
        with file.open("logits.npy", "w", force_zip64=True) as part:
            part.write(npy(np.zeros((1, 1), np.float16))[:-2])
            for _ in range(300):
                part.write(bytes(1 << 20))
    head = {"descr": "<f2", "fortran_order": False, "shape": (1 << 16, 1 << 17)}
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, head)
    declared = write(tmp_path / "declared.trace", {**parts, "logits.npy": stream.getvalue()})
    for path in (inflated, declared):
        tracemalloc.start()
        with pytest.raises(NotATrace):
            jc.open_trace(path)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
        tracemalloc.stop()


def test_every_trace_that_is_shipped_is_read() -> None:
    assert TRACES
    for path in TRACES:
        assert len(jc.open_trace(path)) > 0


def test_no_part_of_a_trace_is_run(whole: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    parts = parts_of(whole)
    question = f"AskLens(text=Text(ids=__import__('pathlib').Path({str(ran)!r}).touch()))"
    head = json.loads(parts["trace.json"]) | {"version": 1, "findings": [[question, "Any", {}, []]]}
    path = write(tmp_path / "one.trace", {**parts, "trace.json": json.dumps(head).encode()})
    with pytest.raises(NotATrace):
        jc.open_trace(path)

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return ran.touch, ()

    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(NotATrace):
        jc.open_trace(write(path, {**parts, "ids.npy": stream.getvalue()}))
    assert not ran.exists()
    assert trace_file.VERSION == 2
