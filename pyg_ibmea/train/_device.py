"""Where to train."""

from __future__ import annotations

import torch


def usable_device(name: str | torch.device) -> torch.device:
    """The device of a name, if tensors can be made there.

    Args:
        name (str or torch.device): Such as ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.

    Raises:
        ValueError: If there is no such device, or PyTorch cannot use it.

    Example:
        >>> usable_device('cpu')
        device(type='cpu')
    """
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # Built without CUDA: the latter.
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"device {str(name)!r} cannot be used: {reason}") from error
