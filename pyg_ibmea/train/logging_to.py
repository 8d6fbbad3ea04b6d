"""Loggers for TensorBoard, MLflow and Weights & Biases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyg_ibmea.train.metric_loggers import MetricLogger


class TensorBoardLogger:
    """Writes the figures for TensorBoard; a part for each training.

    Args:
        folder (str or Path): Where to write; ``tensorboard --logdir FOLDER`` shows it.

    Raises:
        ImportError: If tensorboard is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard", "TensorBoard") from error
        self.folder = Path(folder)
        self._open: Callable[[str], Any] = SummaryWriter
        self._writers: dict[str, Any] = {}

    def start(self, config: Mapping[str, Any]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        text = json.dumps(config, indent=2)
        self._writer("").add_text("config", f"```json\n{text}\n```")

    def log(self, training: str, epoch: int, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        writer = self._writer(training)
        for name, value in figures.items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    def finish(self, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        for name, value in figures.items():
            self._writer("").add_scalar(f"final/{name}", value)
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, training: str) -> Any:
        if training not in self._writers:
            self._writers[training] = self._open(str(self.folder / (training or "run")))
        return self._writers[training]


class MLflowLogger:
    """Writes the figures as a run of MLflow.

    Args:
        folder (str or Path): Folder of the runs, which ``mlflow ui
            --backend-store-uri FOLDER`` shows; or the address of a server.
        name (str, optional): Name of the run. (default: MLflow makes one)

    Raises:
        ImportError: If mlflow is missing.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str | None = None):
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise _missing("mlflow", "MLflow") from error
        place = str(folder)
        if "://" not in place:
            # MLflow asks those who keep to files whether they mean it.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            place = Path(place).absolute().as_uri()
        self.name = name
        # It makes the folder, for which it is too early here.
        self._new_client: Callable[[], Any] = lambda: MlflowClient(place)
        self._client: Any = None
        self._run = ""

    def start(self, config: Mapping[str, Any]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        self._client = self._new_client()
        found = self._client.get_experiment_by_name("pyg_ibmea")
        experiment = (
            self._client.create_experiment("pyg_ibmea")
            if found is None
            else found.experiment_id
        )
        run = self._client.create_run(experiment, run_name=self.name)
        self._run = run.info.run_id
        for key, value in config.items():
            self._client.log_param(self._run, key, str(value)[:500])

    def log(self, training: str, epoch: int, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        before = f"{training}/" if training else ""
        for name, value in figures.items():
            self._client.log_metric(self._run, before + name, value, step=epoch)

    def finish(self, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        for name, value in figures.items():
            self._client.log_metric(self._run, f"final/{name}", value)
        self._client.set_terminated(self._run, "FINISHED" if figures else "KILLED")


class WandbLogger:
    """Sends the figures to Weights & Biases.

    Args:
        project (str): Name of the project.
        name (str, optional): Name of the run. (default: W&B makes one)

    Raises:
        ImportError: If wandb is missing.
    """

    def __init__(self, project: str = "pyg_ibmea", name: str | None = None):
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb", "W&B") from error
        self.project, self.name = project, name
        self._wandb: Any = wandb
        self._run: Any = None

    def start(self, config: Mapping[str, Any]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        given = {"project": self.project, "name": self.name}
        self._run = self._wandb.init(**given, config=dict(config))

    def log(self, training: str, epoch: int, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        before = f"{training}/" if training else ""
        named = {before + name: value for name, value in figures.items()}
        self._run.log({**named, f"{before}epoch": epoch})

    def finish(self, figures: Mapping[str, float]) -> None:
        """See :class:`~pyg_ibmea.train.MetricLogger`."""
        self._run.summary.update({f"final/{k}": v for k, v in figures.items()})
        self._run.finish()


def logger_to(name: str, run: Path) -> MetricLogger:
    """The logger that a name stands for.

    Args:
        name (str): ``'tensorboard'`` or ``'mlflow'``, which write into the run folder,
            or ``'wandb'``.
        run (Path): The run folder.

    Raises:
        ImportError: If what it needs is missing.
        ValueError: If there is no such logger.
    """
    if name == "tensorboard":
        return TensorBoardLogger(run / "tensorboard")
    if name == "mlflow":
        return MLflowLogger(run / "mlflow", run.name)
    if name == "wandb":
        return WandbLogger(name=run.name)
    raise ValueError(f"there is no logger {name!r}; give tensorboard, mlflow or wandb")


def _missing(package: str, what: str) -> ImportError:
    return ImportError(
        f'logging to {what} needs {package}: pip install "pyg_ibmea[{package}]"'
    )
