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
from jupyter_complete.engine.kernels.llvm_vectors import FEATURES, INDEX, WORDS, load, store
from jupyter_complete.engine.kernels.sizes import ROWS
from jupyter_complete.engine.kernels.symbols import at

GROUP = 8  # words of a group at 4 bits
PROCESSORS = {
    "+avx512vnni": ("sapphirerapids", "vpdpbusd"),
    "+avxvnni": ("alderlake", "vpdpbusd"),
    "+avx512bw": ("skylake-avx512", "vpmaddubsw"),
    "+avx2": ("haswell", "vpmaddubsw"),
    "+ssse3": ("nehalem", "pmaddubsw"),
}


def emit_wide(builder: Any, instruction: dot.Instruction | None, w: Any, x: Any, y: Any) -> None:
    """y = the sum of a group of words, two by two, as weights of 5 and 6 bits need it."""
    total = dot.zero(6, instruction)
    for word in range(0, GROUP, 2):
        places = [INDEX((word + one) * ROWS) for one in range(2)]
        ws, xs = ([load(builder, builder.gep(pointer, [place]), WORDS) for place in places] for pointer in (w, x))
        total = dot.dot_two(builder, total, ws, xs, instruction)
    store(builder, dot.as_words(builder, total), y)


def emit(builder: Any, instruction: dot.Instruction | None, w: Any, x: Any, y: Any) -> None:
    """y = the sum of a group of words."""
    total = dot.zero(4, instruction)
    for word in range(GROUP):
        here = INDEX(word * ROWS)
        one, other = (load(builder, builder.gep(pointer, [here]), WORDS) for pointer in (w, x))
        total = dot.dot(builder, total, one, other, 4, instruction)
    store(builder, dot.as_words(builder, total), y)


def summed(instruction: dot.Instruction | None, w: np.ndarray, x: np.ndarray, emit: Any = emit) -> np.ndarray:
    """int32 [16] of bytes w and x [8, 16, 4]."""

    @intrinsic
    def sums(typing: Any, w: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(builder, instruction, *args)
            return context.get_dummy_value()

        return types.void(w, x, y), generate

    @njit
    def run(w: Any, x: Any, y: Any) -> None:
        sums(at(w, 0), at(x, 0), at(y, 0))

    y = np.zeros(ROWS, np.int32)
    run(w.reshape(-1).view(np.int32), x.reshape(-1).view(np.int32), y)
    return y


@pytest.fixture(
    params=[None, *dot.INSTRUCTIONS], ids=lambda instruction: instruction.feature if instruction else "none"
)
def instruction(request: pytest.FixtureRequest) -> dot.Instruction | None:
    given: dot.Instruction | None = request.param
    if given and given.feature not in FEATURES:
        pytest.skip(f"this processor lacks {given.feature[1:]}")
    return given


@pytest.mark.parametrize("largest", [-127, 127, None])
def test_every_instruction_computes_the_same_sum(instruction: dot.Instruction | None, largest: int | None) -> None:
    made, shape = np.random.default_rng(0), (GROUP, ROWS, 4)
    w = made.integers(0, 16, shape, dtype=np.int8) if largest is None else np.full(shape, 15, np.int8)
    x = made.integers(-127, 128, shape, dtype=np.int8) if largest is None else np.full(shape, largest, np.int8)
    wanted = (w.astype(int) * x).sum((0, 2))
    assert summed(instruction, w, x).tolist() == wanted.tolist()
    assert largest is None or abs(wanted[0]) == 32 * 15 * 127


@pytest.mark.parametrize("largest", [-127, 127, None])
def test_sums_of_6_bits_do_not_overflow(instruction: dot.Instruction | None, largest: int | None) -> None:
    made, shape = np.random.default_rng(0), (GROUP, ROWS, 4)
    w = made.integers(0, 64, shape, dtype=np.int8) if largest is None else np.full(shape, 63, np.int8)
    x = made.integers(-127, 128, shape, dtype=np.int8) if largest is None else np.full(shape, largest, np.int8)
    wanted = (w.astype(int) * x).sum((0, 2))
    assert summed(instruction, w, x, emit_wide).tolist() == wanted.tolist()


@pytest.mark.skipif(binding.get_default_triple().split("-")[0] != "x86_64", reason="these are of another processor")
@pytest.mark.parametrize("instruction", dot.INSTRUCTIONS, ids=lambda instruction: instruction.feature)
def test_llvm_emits_an_instruction_for_a_processor_that_has_it(instruction: dot.Instruction) -> None:
    processor, mnemonic = PROCESSORS[instruction.feature]
    module = ir.Module()
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32).as_pointer()] * 3)
    function = ir.Function(module, kind, "sums")
    builder = ir.IRBuilder(function.append_basic_block())
    emit(builder, instruction, *function.args)
    builder.ret_void()
    machine = binding.Target.from_default_triple().create_target_machine(cpu=processor, opt=3)
    written = machine.emit_assembly(binding.parse_assembly(str(module)))
    assert written.count(f"{mnemonic}\t") == GROUP * 64 // instruction.size
