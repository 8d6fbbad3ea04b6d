"""A trained model in a folder: a configuration and its weights, without pickles."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pyg_ibmea.files import replacing
from pyg_ibmea.nn.encoder.protocols import GraphEncoder, ModalityEncoder

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
# Of the metadata in the weights' file.
_HASH = "sha256"

# Of a model with encoders of the user's own, what config.json says of them.
_ENCODERS, _GRAPH_ENCODER = "encoders", "graph_encoder"

Model = TypeVar("Model", bound="Pretrained")


class Pretrained(nn.Module):
    """A model that can be saved to a folder and loaded from it."""

    def _config(self) -> dict[str, Any]:
        """The arguments that build a model of the same shapes, but for tensors and
        modules, as JSON holds them.
        """
        raise NotImplementedError

    def _own_encoders(self) -> dict[str, Any]:
        """The encoders that the user gave, as ``encoders`` and ``graph_encoder``; their
        weights are saved, but they cannot be built from a configuration.
        """
        raise NotImplementedError

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``config.json`` and ``model.safetensors``, from which
        :meth:`from_pretrained` makes the same model. Each file takes its place in one
        step.

        The weights of encoders of your own are saved with the others. Their classes
        are not: pass such encoders to :meth:`from_pretrained` again.

        Args:
            folder (str or Path): The folder; it is made if it does not exist.

        Raises:
            ImportError: If safetensors is not installed.
        """
        torch_files = _safetensors()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # Copies, as the format takes no tensors that share memory, such as those of one
        # encoder for two modalities.
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.state_dict().items()
        }
        config = {"class": type(self).__name__, **self._config()}
        own = self._own_encoders()
        if own[_ENCODERS]:
            config[_ENCODERS] = list(own[_ENCODERS])
        if own[_GRAPH_ENCODER] is not None:
            config[_GRAPH_ENCODER] = True
        text = json.dumps(config, indent=2) + "\n"
        writers: dict[str, Callable[[Path], object]] = {
            WEIGHTS: lambda path: torch_files.save_file(
                state, path, {_HASH: _content_hash(state)}
            ),
            CONFIG: lambda path: path.write_text(text, encoding="utf-8"),
        }
        for name, write in writers.items():
            with replacing(folder / name) as unfinished:
                write(unfinished)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads what :meth:`save_pretrained` writes to the Hugging Face Hub.

        :meth:`from_pretrained` reads a folder: get it back by
        ``huggingface_hub.snapshot_download(repo_id)``.

        Args:
            repo_id (str): Owner and name; the repository is made if it is not there.
            **options: Arguments of ``huggingface_hub.HfApi.upload_folder``, such as
                ``token``, ``commit_message`` or ``revision``.

        Returns:
            str: The address of the commit.

        Raises:
            ImportError: If huggingface_hub or safetensors is not installed.
        """
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise ImportError(
                'uploading needs huggingface_hub: pip install "pyg_ibmea[hub]"'
            ) from error
        api = HfApi(token=options.pop("token", None))
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            api.create_repo(repo_id, exist_ok=True)
            commit = api.upload_folder(folder_path=folder, repo_id=repo_id, **options)
        return str(commit.commit_url)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        folder: str | os.PathLike[str],
        encoders: Mapping[str, ModalityEncoder] | None = None,
        graph_encoder: GraphEncoder | None = None,
    ) -> Model:
        """The model that :meth:`save_pretrained` wrote, in evaluation mode.

        Args:
            folder (str or Path): The folder.
            encoders (dict, optional): Encoders of your own by modality, as the model
                had them; they take the saved weights. (default: :obj:`None`)
            graph_encoder (GraphEncoder, optional): Your own graph encoder, likewise.
                (default: :obj:`None`)

        Raises:
            FileNotFoundError: If a file is missing.
            ImportError: If safetensors is not installed.
            ValueError: If a file is damaged or belongs to another model, or the
                encoders given are not those that the model had.
        """
        config, state = _read(cls.__name__, folder)
        wanted = config.pop(_ENCODERS, []), config.pop(_GRAPH_ENCODER, False)
        given = list(encoders or {}), graph_encoder is not None
        if (set(wanted[0]), wanted[1]) != (set(given[0]), given[1]):
            raise ValueError(
                f"{folder}: the model was saved with encoders of your own for "
                f"{wanted[0]} and {_own(wanted[1])} graph encoder of your own; got "
                f"encoders for {given[0]} and {_own(given[1])} graph encoder"
            )
        try:
            model = cls(
                **config,
                seed_rows=state.get("embedding.seed_row"),
                encoders=encoders,
                graph_encoder=graph_encoder,
            )
            model.load_state_dict(state)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{folder}: the weights do not fit the configuration: {error}"
            ) from error
        return model.eval()


def _own(given: bool) -> str:
    return "a" if given else "no"


def _read(
    kind: str, folder: str | os.PathLike[str]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A model's configuration and weights."""
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no model: {name} is missing")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        found = config.pop("class")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} describes no model: {error}") from error
    if found != kind:
        raise ValueError(f"{folder} holds a model {found}, not {kind}")
    try:
        state, written = _load_weights(folder / WEIGHTS)
    except ImportError:
        raise
    except Exception as error:  # safetensors has an exception of its own.
        raise ValueError(f"{folder / WEIGHTS} cannot be read: {error}") from error
    if written not in (None, _content_hash(state)):  # None: of version 0.1.
        raise ValueError(
            f"{folder / WEIGHTS} is damaged: its content does not have the SHA-256 "
            "that was written with it; get the file again or save the model anew"
        )
    return config, state


def _load_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """The weights, and the hash that was written with them, if any."""
    _safetensors()  # Says what to install.
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return state, (file.metadata() or {}).get(_HASH)


def _content_hash(state: Mapping[str, Tensor]) -> str:
    """A SHA-256 of weights: their names, types, shapes and bits."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        bits = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(bits.numpy().data)
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            'saving models needs safetensors: pip install "pyg_ibmea[hub]"'
        ) from error
    return safetensors.torch
