"""The loggers we ship, read back by the programs they are for."""

import sys
from types import SimpleNamespace

import pytest
from torch_geometric.testing import withPackage

from pyg_ibmea.train import MLflowLogger, TensorBoardLogger, WandbLogger
from pyg_ibmea.train.logging_to import logger_to

LINES = [
    ("", 2, {"loss/total": 3.0, "validation/hits_at_1": 0.5}),
    ("", 4, {"loss/total": 2.0, "validation/hits_at_1": 0.75}),
    ("refit_0", 4, {"loss/total": 1.5}),
]
END = {"test/csls/hits_at_1": 0.625, "seconds": 7.0}


def tell(logger):
    logger.start({"seed": 3, "beta": {"*": 0.001}})
    for line in LINES:
        logger.log(*line)
    logger.finish(END)


@withPackage("tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tell(logger_to("tensorboard", tmp_path))
    first, refit = (
        EventAccumulator(str(tmp_path / "tensorboard" / name)).Reload()
        for name in ("run", "refit_0")
    )
    hits = first.Scalars("validation/hits_at_1")
    assert [(event.step, event.value) for event in hits] == [(2, 0.5), (4, 0.75)]
    assert first.Scalars("final/test/csls/hits_at_1")[0].value == 0.625
    assert [event.value for event in refit.Scalars("loss/total")] == [1.5]
    (text,) = first.Tensors("config/text_summary")
    assert b'"seed": 3' in text.tensor_proto.string_val[0]


@withPackage("mlflow")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_reads_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    tell(logger_to("mlflow", tmp_path))
    client = MlflowClient((tmp_path / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("pyg_ibmea")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == (tmp_path.name, "FINISHED")
    assert run.data.params == {"seed": "3", "beta": "{'*': 0.001}"}
    hits = client.get_metric_history(run.info.run_id, "validation/hits_at_1")
    assert [(metric.step, metric.value) for metric in hits] == [(2, 0.5), (4, 0.75)]
    assert run.data.metrics["refit_0/loss/total"] == 1.5
    assert run.data.metrics["final/test/csls/hits_at_1"] == 0.625


def test_wandb_is_sent_the_figures(monkeypatch, tmp_path):
    sent, ended = [], []
    run = SimpleNamespace(
        log=sent.append, summary={}, finish=lambda: ended.append(dict(run.summary))
    )

    def init(**given):
        assert given.pop("config") == {"seed": 3, "beta": {"*": 0.001}}
        assert given == {"project": "pyg_ibmea", "name": tmp_path.name}
        return run

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    logger = logger_to("wandb", tmp_path)
    assert isinstance(logger, WandbLogger)
    tell(logger)
    assert sent[0] == {"loss/total": 3.0, "validation/hits_at_1": 0.5, "epoch": 2}
    assert sent[2] == {"refit_0/loss/total": 1.5, "refit_0/epoch": 4}
    assert ended == [{f"final/{name}": value for name, value in END.items()}]


@pytest.mark.parametrize(
    ("module", "make", "extra"),
    [
        ("torch.utils.tensorboard", TensorBoardLogger, "tensorboard"),
        ("mlflow.tracking", MLflowLogger, "mlflow"),
        ("wandb", WandbLogger, "wandb"),
    ],
)
def test_what_is_missing_is_told(module, make, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'pip install "pyg_ibmea\[{extra}\]"'):
        make("folder")


def test_a_name_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match="give tensorboard, mlflow or wandb"):
        logger_to("paper", tmp_path)
