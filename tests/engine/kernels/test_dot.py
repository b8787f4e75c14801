"""Sums of products of bytes: the same whole numbers by every instruction, and the instruction is the processor's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from llvmlite import binding, ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from jupyter_complete.engine.kernels import dot
from jupyter_complete.engine.kernels.llvm_vectors import CAN, INDEX, ROWS, WORDS, load, store
from jupyter_complete.engine.kernels.symbols import at

GROUP = 8  # words of a group at 4 bits
PROCESSORS = {
    "+avx512vnni": ("sapphirerapids", "vpdpbusd"),
    "+avxvnni": ("alderlake", "vpdpbusd"),
    "+avx512bw": ("skylake-avx512", "vpmaddubsw"),
    "+avx2": ("haswell", "vpmaddubsw"),
    "+ssse3": ("nehalem", "pmaddubsw"),
}


def emit(builder: Any, way: dot.Way | None, w: Any, x: Any, y: Any) -> None:
    """y = the sum of a group of words."""
    total = dot.nothing(4, way)
    for word in range(GROUP):
        here = INDEX(word * ROWS)
        one, other = (load(builder, builder.gep(pointer, [here]), WORDS) for pointer in (w, x))
        total = dot.dot(builder, total, one, other, 4, way)
    store(builder, dot.whole(builder, total), y)


def summed(way: dot.Way | None, w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """int32 [16] of bytes w and x [8, 16, 4]."""

    @intrinsic
    def sums(typing: Any, w: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(builder, way, *args)
            return context.get_dummy_value()

        return types.void(w, x, y), generate

    @njit
    def run(w: Any, x: Any, y: Any) -> None:
        sums(at(w, 0), at(x, 0), at(y, 0))

    y = np.zeros(ROWS, np.int32)
    run(w.reshape(-1).view(np.int32), x.reshape(-1).view(np.int32), y)
    return y


@pytest.fixture(params=[None, *dot.WAYS], ids=lambda way: way.feature if way else "none")
def way(request: pytest.FixtureRequest) -> dot.Way | None:
    given: dot.Way | None = request.param
    if given and given.feature not in CAN:
        pytest.skip(f"this processor lacks {given.feature[1:]}")
    return given


@pytest.mark.parametrize("largest", [-127, 127, None])
def test_every_way_comes_to_the_same_sum(way: dot.Way | None, largest: int | None) -> None:
    made, shape = np.random.default_rng(0), (GROUP, ROWS, 4)
    w = made.integers(0, 16, shape, dtype=np.int8) if largest is None else np.full(shape, 15, np.int8)
    x = made.integers(-127, 128, shape, dtype=np.int8) if largest is None else np.full(shape, largest, np.int8)
    wanted = (w.astype(int) * x).sum((0, 2))
    assert summed(way, w, x).tolist() == wanted.tolist()
    assert largest is None or abs(wanted[0]) == 32 * 15 * 127


@pytest.mark.skipif(binding.get_default_triple().split("-")[0] != "x86_64", reason="these are of another processor")
@pytest.mark.parametrize("way", dot.WAYS, ids=lambda way: way.feature)
def test_a_way_becomes_its_instruction_on_a_processor_that_has_it(way: dot.Way) -> None:
    processor, instruction = PROCESSORS[way.feature]
    module = ir.Module()
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32).as_pointer()] * 3)
    function = ir.Function(module, kind, "sums")
    builder = ir.IRBuilder(function.append_basic_block())
    emit(builder, way, *function.args)
    builder.ret_void()
    machine = binding.Target.from_default_triple().create_target_machine(cpu=processor, opt=3)
    written = machine.emit_assembly(binding.parse_assembly(str(module)))
    assert written.count(f"{instruction}\t") == GROUP * 64 // way.size
