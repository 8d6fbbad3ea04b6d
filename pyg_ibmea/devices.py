"""Where to compute."""

from __future__ import annotations

import torch


def usable_device(name: str | torch.device | None = None) -> torch.device:
    """The device of a name, if tensors can be made there.

    Args:
        name (str or torch.device, optional): Such as ``'cpu'``, ``'cuda'`` or
            ``'cuda:1'``. (default: CUDA if it is available, else the CPU)

    Raises:
        ValueError: If there is no such device, or PyTorch cannot use it.

    Example:
        >>> usable_device('cpu')
        device(type='cpu')
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # Built without CUDA: the latter.
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"device {str(name)!r} cannot be used: {reason}") from error
