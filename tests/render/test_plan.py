"""A plan as a table: every form and every number has its phrase, and what is not known yet is said so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_complete.protocol.plan import CacheEntry, Download, Memory, Plan, Reason
from jupyter_complete.render.plan import LATER, head, rows

PLAN = Plan(
    name="mine",
    origin="cache",
    path=Path("/models/mine.gguf"),
    dtype="int8",
    auto=True,
    device="cpu",
    disk_free=9 * 10**9,
    form="compiled",
    parameters=1_000_000,
    conversion=CacheEntry(Path("/cache/mine"), exists=True, size=4_000_000, reserve=0),
    packing=CacheEntry(None, exists=False, size=1_062_500, reserve=4_000_000),
    memory=Memory(1_062_500, 1_062_500, 2 * 10**9, fits=True),
)


def table(plan: Plan) -> dict[str, str]:
    return dict(rows(plan))


def test_every_number_is_there() -> None:
    assert head(PLAN) == ("model", "mine")
    assert table(PLAN) == {
        "source": "cache: /models/mine.gguf",
        "form": "compiled decoding step on int8 weights",
        "dtype": "int8, chosen by auto",
        "device": "cpu",
        "parameters": "1,000,000",
        "download": "nothing",
        "conversion": "4.0 MB of float32, in the cache",
        "packing": "to int8, once: at most 1.1 MB",
        "memory": "at most 1.1 MB loaded, 1.1 MB at the peak of loading, 2.00 GB free",
        "disk": "4.0 MB needed, 9.00 GB free on the disk of the cache",
        "fits": "yes",
        "KV cache": "float32; bfloat16 for a long text, int8 where memory is short",
    }


def test_a_slower_form_has_its_reasons() -> None:
    reasons = (Reason("family", "the compiled step does not know t5"), Reason("memory", "as float32 it does not fit"))
    plan = replace(PLAN, form="plain", dtype="bfloat16", reasons=reasons, packing=None)
    assert table(plan)["slower, because"] == "the compiled step does not know t5; as float32 it does not fit"
    assert table(plan)["form"] == "transformers' forward pass with bfloat16 weights"
    assert table(plan)["disk"].startswith("nothing to write")


def test_what_only_the_files_tell_is_known_after_the_download() -> None:
    plan = Plan(
        "mine", "some-wheel==1.0", None, "int8", True, "cpu", 10**9, download=Download("some-wheel==1.0", 10**8)
    )
    told = table(plan)
    assert told["download"] == "100.0 MB, some-wheel==1.0"
    assert {told[name] for name in ("form", "parameters", "memory", "fits")} == {LATER}
    assert told["disk"].startswith(LATER)


def test_a_size_that_only_the_hub_tells_is_said_to_be_so() -> None:
    plan = Plan("org/x", "org/x", None, "int8", True, "cpu", 10**9, download=Download("org/x", None))
    assert table(plan)["download"] == "org/x; its size is known when the hub is asked"
    assert table(replace(plan, download=None, path=Path("/hub/x"), asks_hub=True))["source"] == (
        "org/x: /hub/x (loading asks the hub for a newer revision)"
    )


def test_your_own_object_takes_no_more_memory() -> None:
    plan = replace(PLAN, form="registered", packing=None, conversion=None, path=None, origin="this kernel", auto=False)
    assert table(plan)["memory"] == "1.1 MB, held by your object; 2.00 GB free"
    assert (table(plan)["source"], table(plan)["dtype"]) == ("this kernel", "int8")


@pytest.mark.parametrize(
    ("memory", "free", "words"),
    [
        (Memory(9, 9, 1, fits=False), 10**9, "no, memory is too small"),
        (Memory(9, 9, 10, fits=True), 5, "no, the disk is too small"),
    ],
)
def test_what_does_not_fit_is_named(memory: Memory, free: int, words: str) -> None:
    assert table(replace(PLAN, memory=memory, disk_free=free))["fits"] == words


def test_a_form_that_was_not_looked_for_is_said_so() -> None:
    plan = replace(PLAN, form=None, memory=Memory(9, 9, 1, fits=False))
    assert table(plan)["form"] == "not decided, because the model does not fit"


def test_a_file_that_opens_straight_says_what_its_numbers_become() -> None:
    header = CacheEntry(None, False, 2 * 10**6, 2 * 10**6)
    plan = Plan(
        "x.gguf", "x.gguf", None, "int8", True, "cpu", 10**9, form="compiled", header=header, numbers="int4 from Q4_K"
    )
    assert table(plan)["form"] == "compiled decoding step on int4 from Q4_K, straight from the file"
    assert table(plan)["header"] == "read once: at most 2.0 MB"
