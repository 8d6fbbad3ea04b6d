"""What follows from a tensor that stays the same from one call to the next, such as the
structure of a graph in a training.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

T = TypeVar("T")


class Derived(Generic[T]):
    """Remembers what was derived from a tensor, for as long as the tensor lives and
    nothing is written to it.

    Nothing is remembered of tensors whose changes are not counted (those of inference
    mode), nor while a CUDA graph is captured, which runs again on other numbers.

    Example:
        >>> derived = Derived()
        >>> x = torch.tensor([1, 2])
        >>> derived.of(x, "sum", lambda: int(x.sum()))
        3
    """

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()

    def of(self, tensor: Tensor, key: Hashable, derive: Callable[[], T]) -> T:
        """What ``derive`` returned for this tensor and key, now or before.

        Args:
            tensor (torch.Tensor): What the result follows from.
            key (hashable): What else it follows from.
            derive (callable): Makes it; it must not hold the tensor itself.
        """
        if tensor.is_inference() or _is_captured(tensor):
            return derive()
        version, results = self._known.get(tensor, (None, {}))
        if version != tensor._version:
            results = {}
            self._known[tensor] = tensor._version, results
        if key not in results:
            results[key] = derive()
        found: T = results[key]
        return found


def _is_captured(tensor: Tensor) -> bool:
    on_cuda = tensor.device.type == "cuda"
    return on_cuda and torch.cuda.is_current_stream_capturing()
