"""Figures of a run of the command, as TensorBoard and MLflow find them."""

import sys

import pytest
from torch_geometric.testing import withPackage

from pyg_ibmea.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")


@withPackage("tensorboard", "mlflow")
def test_a_run_is_logged_into_its_folder(tmp_path, monkeypatch, capsys):
    from mlflow.tracking import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    words = ["--links", "a", "b", "links.tsv", "--ratio", "0.6", "--epochs", "2"]
    words += ["--refits", "0", "--graph-channels", "8", "--out", "run"]
    for side in "ab":
        rows = [f"{side}{i}\tr{i % 3}\t{side}{7 * i % 40}\n" for i in range(40)]
        (tmp_path / f"{side}.tsv").write_text("".join(rows))
        words += ["--graph", side, f"triples={side}.tsv"]
    (tmp_path / "links.tsv").write_text("".join(f"a{i}\tb{i}\n" for i in range(40)))
    to = ["--log-to", "tensorboard", "--log-to", "mlflow"]
    assert main(["train", *words, *to]) == 0
    assert "failed" not in capsys.readouterr().err
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "run")).Reload()
    assert [event.step for event in found.Scalars("validation/mrr")] == [2]
    client = MlflowClient((tmp_path / "run" / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("pyg_ibmea").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.data.metrics["validation/mrr"] == pytest.approx(
        found.Scalars("validation/mrr")[0].value
    )


@pytest.mark.parametrize("command", ["tensorboard", "mlflow", "wandb"])
def test_what_is_missing_is_told_before_data_are_read(command, monkeypatch, capsys):
    module = {"tensorboard": "torch.utils.tensorboard", "mlflow": "mlflow.tracking"}
    monkeypatch.setitem(sys.modules, module.get(command, command), None)
    words = ["--graph", "a", "rdf=no.nt", "--graph", "b", "rdf=no.nt"]
    assert main(["train", *words, "--log-to", command]) == 1
    assert f'"pyg_ibmea[{command}]"' in capsys.readouterr().err
