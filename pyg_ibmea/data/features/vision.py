"""Images as vectors by a pretrained vision model in a local folder."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_ibmea.data.features._vector_cache import folder_key
from pyg_ibmea.data.features.colours import read_square
from pyg_ibmea.devices import usable_device

_CONFIG = "preprocessor_config.json"


class VisionEncoder:
    """Encodes images by a vision model of Hugging Face's transformers.

    The image is put on a white square of the model's size, so that nothing is cut off;
    colours are scaled as ``preprocessor_config.json`` says. The vector is the
    model's pooled output, or the mean of its last layer where it has none.

    Args:
        folder (str or Path): ``config.json``, weights as ``.safetensors`` and, for
            sizes and colours other than 224 pixels, mean .5 and deviation .5,
            ``preprocessor_config.json``. Nothing is downloaded, no code in the folder
            is run.
        device (str or torch.device, optional): Where to encode. (default: CUDA if it is
            available, else the CPU)

    Raises:
        ImportError: If transformers is not installed.
        ValueError: If the folder holds no vision model, or the device cannot be used.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        device: str | torch.device | None = None,
    ):
        self.device = usable_device(device)
        try:
            from transformers import AutoModel
        except ImportError as error:
            raise ImportError(
                'a vision model needs transformers: pip install "pyg_ibmea[vision]"'
            ) from error
        folder = Path(folder)
        try:
            model = AutoModel.from_pretrained(
                str(folder),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
            options = _options(folder / _CONFIG)
        except (OSError, ValueError) as error:
            reason = (str(error).strip().splitlines() or ["?"])[0]
            raise ValueError(
                f"{folder} holds no vision model that transformers can read: {reason}"
            ) from error
        # Models like CLIP have a text encoder as well.
        self.model = getattr(model, "vision_model", model).eval()
        self.model.to(self.device)
        if "pixel_values" not in _inputs(self.model):
            raise ValueError(f"{folder} holds a model that does not read images")
        self.size, self.mean, self.deviation = options
        self.cache_name = f"vision:{folder_key(folder)}"

    @torch.no_grad()
    def __call__(self, file: str | PathLike[str]) -> NDArray[np.float32]:
        """The vector of an image file.

        Raises:
            ValueError: If the file is not an image, is damaged, or has over 100 million
                pixels.
            FileNotFoundError: If there is no such file.
        """
        pixels = (read_square(file, self.size) - self.mean) / self.deviation
        image = torch.from_numpy(pixels).float().permute(2, 0, 1)[None]
        output = self.model(pixel_values=image.to(self.device))
        vector = getattr(output, "pooler_output", None)
        if vector is None:
            hidden = output.last_hidden_state
            vector = hidden.flatten(2).mean(2) if hidden.dim() == 4 else hidden.mean(1)
        found: NDArray[np.float32] = vector.flatten().cpu().numpy()
        return found


def _inputs(model: torch.nn.Module) -> tuple[str, ...]:
    import inspect

    return tuple(inspect.signature(model.forward).parameters)


def _options(path: Path) -> tuple[int, Any, Any]:
    """Pixels of a side, mean and deviation of the colours."""
    given: dict[str, Any] = {}
    if path.is_file():
        given = json.loads(path.read_text(encoding="utf-8"))
    size = given.get("crop_size", given.get("size", 224))
    if isinstance(size, dict):
        size = size.get("height", size.get("shortest_edge", 224))
    mean, deviation = (
        np.asarray(given.get(name, [0.5] * 3), dtype=np.float64)
        for name in ("image_mean", "image_std")
    )
    if not isinstance(size, int) or not 1 <= size <= 4096:
        raise ValueError(f"{path}: the image size must lie in [1, 4096], got {size!r}")
    if mean.shape != (3,) or deviation.shape != (3,) or not (deviation > 0).all():
        raise ValueError(f"{path}: image_mean and image_std must be three numbers each")
    return size, mean, deviation
