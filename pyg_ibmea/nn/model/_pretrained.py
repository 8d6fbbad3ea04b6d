"""A trained model in a folder: a configuration and its weights, without pickles."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pyg_ibmea.files import replacing

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


def save_pretrained(
    model: nn.Module, options: dict[str, Any], folder: str | os.PathLike[str]
) -> None:
    """Writes a model's options and weights; each file takes its place in one step."""
    torch_files = _safetensors()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    text = json.dumps({"class": type(model).__name__, **options}, indent=2) + "\n"
    writers: dict[str, Callable[[Path], object]] = {
        WEIGHTS: lambda path: torch_files.save_file(state, path),
        CONFIG: lambda path: path.write_text(text, encoding="utf-8"),
    }
    for name, write in writers.items():
        with replacing(folder / name) as unfinished:
            write(unfinished)


def push_to_hub(
    model: nn.Module, options: dict[str, Any], repo_id: str, **upload: Any
) -> str:
    """Uploads a model's options and weights."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ImportError(
            'uploading needs huggingface_hub: pip install "pyg_ibmea[hub]"'
        ) from error
    api = HfApi(token=upload.pop("token", None))
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, options, folder)
        api.create_repo(repo_id, exist_ok=True)
        commit = api.upload_folder(folder_path=folder, repo_id=repo_id, **upload)
    return str(commit.commit_url)


def load_pretrained(
    kind: type[nn.Module], folder: str | os.PathLike[str]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads a model's options and weights.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or belongs to another model.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no model: {name} is missing")
    try:
        options = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        found = options.pop("class")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} describes no model: {error}") from error
    if found != kind.__name__:
        raise ValueError(f"{folder} holds a {found}, not a {kind.__name__}")
    try:
        state = _safetensors().load_file(folder / WEIGHTS)
    except ImportError:
        raise
    except Exception as error:  # safetensors has an exception of its own.
        raise ValueError(f"{folder / WEIGHTS} cannot be read: {error}") from error
    return options, state


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            'saving models needs safetensors: pip install "pyg_ibmea[hub]"'
        ) from error
    return safetensors.torch
