"""A hint to the processor for numba's kernels: these rows are read soon."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LINE = 64  # bytes in a cache line
_MOST = 512  # bytes of a row; beyond, the processor has seen where it leads


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch_line(typing_context: Any, array: Any, row: Any, byte: Any) -> Any:
    """Asks for the cache line at ``byte`` of ``array[row]``. Never faults."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
        row_bytes = cgutils.unpack_tuple(builder, view.strides)[0]
        offsets = [
            context.cast(builder, value, kind, types.intp)
            for value, kind in zip(args[1:], signature.args[1:], strict=True)
        ]
        pointer = ir.IntType(8).as_pointer()
        offset = builder.add(builder.mul(offsets[0], row_bytes), offsets[1])
        address = builder.gep(builder.bitcast(view.data, pointer), [offset])
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        name = "llvm.prefetch.p0i8"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        # To read; to be kept in all caches; data.
        builder.call(function, [address, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, row, byte), generate


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def prefetch(array: Any, row: int) -> None:
    """Asks for the beginning of ``array[row]``; rows are contiguous."""
    size = array.shape[1] * array.itemsize
    for byte in range(0, min(size, _MOST), _LINE):
        _prefetch_line(array, row, byte)
    # A row seldom begins where a line does.
    _prefetch_line(array, row, min(size, _MOST) - 1)
