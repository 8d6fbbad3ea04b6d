"""A pretended CUDA device: tensors that say they are on ``cuda:0``, with real numbers
on the CPU.

Operators that mix them with tensors of the CPU raise, as they would on CUDA. What makes
the host wait for the device, and what the device is asked to run, is counted by line of
the project. A process that has begun to pretend cannot stop, so that tests of this kind
run in one of their own, see :func:`on_pretended_cuda`.

How many kernels an operator of PyTorch launches is not known here: each counts once.
The operators of this package run as PyTorch's sparse products, and count as these or as
the Triton kernels that take their place where Triton is installed.
"""

import functools
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.optim import optimizer
from torch.overrides import TorchFunctionMode
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

ROOT = Path(__file__).parents[1]
CUDA = torch.device("cuda", 0)
memory_bytes = 2**34
# The device that PyTorch leaves to others: it asks for no driver.
_NAME = "pretended"
_SPARSE_KEYS = {
    torch.sparse_coo: "SparsePrivateUse1",
    torch.sparse_csr: "SparseCsrPrivateUse1",
}
# On CUDA the host waits for the size or the value of their result.
_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount"),
    *("_unique", "_unique2", "unique_dim", "unique_consecutive"),
    *("unique_dim_consecutive", "_coalesce", "repeat_interleave"),
}
# They make or describe a tensor without running anything.
_IDLE = {
    *("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"),
    *("_unsafe_view", "_reshape_alias", "_nnz", "is_coalesced", "_coalesced_"),
    *("sparse_dim", "dense_dim", "_local_scalar_dense", "lift_fresh", "resize_"),
    *("_sparse_coo_tensor_with_dims_and_tensors", "_sparse_coo_tensor_unsafe"),
    *("_sparse_compressed_tensor_with_dims", "_sparse_compressed_tensor_unsafe"),
    *("_sparse_csr_tensor_unsafe", "sparse_compressed_tensor"),
}
TRITON_LAUNCHES = {"diagonal_attention": 5, "diagonal_attention_backward": 13}
"""Launches of the package's operators on a graph that they have seen before, see
``test_launches`` of ``test_triton_pieces.py``."""

_INDEXING = {"index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_"}


@dataclass
class Tally:
    """What was asked of the device, by line of the project.

    Attributes:
        waits (Counter): By line and operator, how often the host waited.
        launches (Counter): By line, how many operators ran.
        triton (bool): Whether the package's own operators count as Triton kernels.
        in_kernels (bool): Whether one of these is running.
    """

    waits: Counter[tuple[str, str]] = field(default_factory=Counter)
    launches: Counter[str] = field(default_factory=Counter)
    triton: bool = False
    in_kernels: bool = False

    def __str__(self) -> str:
        """All lines, those that ask the most first."""
        rows = [
            f"{number:6d} {kind} {place}"
            for kind, found in (
                ("waits", {" ".join(key): n for key, n in self.waits.items()}),
                ("launches", self.launches),
            )
            for place, number in Counter(found).most_common()
        ]
        sums = self.waits.total(), self.launches.total()
        return "\n".join(["{} waits, {} launches".format(*sums), *rows])


_tallies: list[Tally] = []


@contextmanager
def tally(triton: bool = False) -> Iterator[Tally]:
    """Counts what is asked of the device meanwhile."""
    found = Tally(triton=triton)
    _tallies.append(found)
    try:
        yield found
    finally:
        _tallies.remove(found)


class PretendedTensor(torch.Tensor):
    """A tensor on the pretended device.

    Attributes:
        host (torch.Tensor): The numbers.
    """

    host: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host: torch.Tensor) -> "PretendedTensor":
        if host.layout == torch.strided:
            layout = {
                "strides": host.stride(),
                "storage_offset": host.storage_offset(),
            }
        else:
            key = getattr(torch._C.DispatchKey, _SPARSE_KEYS[host.layout])
            layout = {"_extra_dispatch_keys": torch._C.DispatchKeySet(key)}
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            dtype=host.dtype,
            device=torch.device(_NAME, 0),
            dispatch_layout=True,
            **layout,
        )
        tensor.host = host
        return tensor

    def __reduce_ex__(self, protocol):
        return self.host.__reduce_ex__(protocol)  # In files it is one of the CPU.

    def __repr__(self) -> str:
        return f"PretendedTensor({self.host})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Takes the name of the device for the device that is pretended."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        # Made below all modes: made on the CPU, then moved, as it is on CUDA.
        if name == "new_tensor":
            device = kwargs.pop("device", args[0].device)
            return torch.tensor(args[1], device=device, **kwargs)
        if name == "tolist":
            return func(args[0].cpu())
        if func is torch.tensor and "device" in kwargs:
            device = _pretended(kwargs.pop("device"))
            return torch.tensor(*args, **kwargs).to(device)
        if kwargs.get("device") is not None:
            kwargs["device"] = _pretended(kwargs["device"])
        if name == "to":
            args = tuple(map(_pretended, args))
        return func(*args, **kwargs)


def _pretended(value):
    is_cuda = value in ("cuda", "cuda:0") if isinstance(value, str) else False
    if isinstance(value, torch.device):
        is_cuda = value.type == "cuda" and not value.index
    return torch.device(_NAME, 0) if is_cuda else value


class _Factories(TorchDispatchMode):
    """Sees the operators that no tensor of the device takes part in, too."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args, kwargs):
    if func.namespace == "prim":
        return getattr(args[0].host, func._opname)
    in_python = torch._library.custom_ops._maybe_get_opdef(func._name)
    if in_python is not None:
        with _Names(), _Factories(), _counted_as_kernels(func._opname):
            return in_python._init_fn(*args, **kwargs)
    composite = "CompositeImplicitAutograd"
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composite):
        with _Factories():
            return func.decompose(*args, **kwargs)
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    pretended = any(isinstance(t, PretendedTensor) for t in tensors)
    device = kwargs.get("device")
    there = pretended if device is None else device.type == _NAME
    if pretended or there:
        _check_devices(func, args, tensors)
        _count(func, args, kwargs, pretended, there)
    if device is not None and device.type == _NAME:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*tree_map(_host_of, args), **tree_map(_host_of, kwargs))
    if not there:
        return out
    known = {id(t.host): t for t in tensors if isinstance(t, PretendedTensor)}

    def pretend(value):
        if not isinstance(value, torch.Tensor):
            return value
        # What is changed in place stays itself.
        changed = known.get(id(value)) if func._schema.is_mutable else None
        return PretendedTensor(value) if changed is None else changed

    return tree_map(pretend, out)


def _host_of(value):
    return value.host if isinstance(value, PretendedTensor) else value


def _check_devices(func, args, tensors) -> None:
    allowed = func._opname in ("copy_", "_to_copy", "_copy_from")
    if func._opname in _INDEXING and isinstance(args[0], PretendedTensor):
        allowed = len(args) < 3 or isinstance(args[2], PretendedTensor)
    strangers = [t for t in tensors if not isinstance(t, PretendedTensor) and t.dim()]
    if strangers and len(strangers) < len(tensors) and not allowed:
        shapes = [(str(t.device), tuple(t.shape)) for t in tensors]
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two "
            f"devices in {func} at {_line()}: {shapes}"
        )


def _count(func, args, kwargs, pretended, there) -> None:
    if not _tallies:
        return
    line, name = _line(), func._opname
    waits = name in _WAITING or _crosses(func, args, kwargs, pretended, there)
    first = args[0] if args else None
    if name == "index_select" and first.layout != torch.strided:
        waits = True  # The number of entries is not known in advance.
    if name in _INDEXING:
        index = [t for t in args[1] if t is not None]
        waits = any(
            t.dtype in (torch.bool, torch.uint8) or not isinstance(t, PretendedTensor)
            for t in index
        )
    for found in _tallies:
        if found.in_kernels:
            continue
        if waits:
            found.waits[line, name] += 1
        if not (func.is_view or name in _IDLE):
            found.launches[line] += 1


@contextmanager
def _counted_as_kernels(name: str) -> Iterator[None]:
    """Counts an operator of the package as its Triton kernels, where it is to be."""
    replaced = [found for found in _tallies if found.triton and name in TRITON_LAUNCHES]
    for found in replaced:
        found.launches[_line()] += TRITON_LAUNCHES[name]
        found.in_kernels = True
    yield
    for found in replaced:
        found.in_kernels = False


def _crosses(func, args, kwargs, pretended, there) -> bool:
    """Whether the host waits for a copy from one device to the other."""
    if func._opname == "copy_":
        there, pretended = (isinstance(t, PretendedTensor) for t in args[:2])
        unblocked = args[2:] == (True,)
    else:
        unblocked = kwargs.get("non_blocking", False)
    copies = func._opname in ("copy_", "_to_copy")
    return copies and pretended != there and not (there and unblocked)


def _line() -> str:
    """The line of the project that runs; autograd runs backward in a thread of its
    own."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        ours = path.is_relative_to(ROOT) and "site-packages" not in path.parts
        if ours and path != Path(__file__):
            return f"{path.relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "backward"


def _begin() -> None:
    _setup_privateuseone_for_python_backend(_NAME, torch.cuda)
    actual = torch.Tensor.device

    def device(self) -> torch.device:
        found = actual.__get__(self)
        return CUDA if found.type == _NAME else found

    torch.Tensor.device = property(device)
    torch.Tensor.is_cuda = property(lambda self: self.device.type == "cuda")
    wrapper = torch.Tensor._make_wrapper_subclass

    def make_wrapper(cls, size, *args, device=None, **kwargs):
        return wrapper(cls, size, *args, device=_pretended(device), **kwargs)

    torch.Tensor._make_wrapper_subclass = staticmethod(make_wrapper)
    # As for parameters on CUDA, many are updated at once.
    for module in (_foreach_utils, optimizer):
        module._foreach_supported_types.append(PretendedTensor)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    pretences = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: False,
        "get_rng_state": lambda device=0: torch.get_rng_state(),
        "set_rng_state": lambda state, device=0: None,
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "set_rng_state_all": lambda states: None,
        "manual_seed": lambda seed: None,
        "manual_seed_all": lambda seed: None,
        "max_memory_allocated": lambda device=0: 3 * 2**20,
        "get_device_properties": lambda device=0: SimpleNamespace(
            total_memory=memory_bytes
        ),
    }
    for name, pretence in pretences.items():
        setattr(torch.cuda, name, pretence)
    _Names().__enter__()
    _Factories().__enter__()


@functools.cache
def _process() -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, spawn, initializer=_begin)


def on_pretended_cuda(function, *args):
    """What a function of a module returns in the process that pretends."""
    return _process().submit(function, *args).result()
