import pytest
import torch

from pyg_ibmea.train import Options, RunFolder
from pyg_ibmea.train._memory_log import MemoryLog


def without_time(lines):
    return [{**line, "seconds": 0} for line in lines]


@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
def test_a_run_folder_has_the_same_lines(data, run_stages, tmp_path):
    options = Options.of(epochs=5, eval_every=2, graph_channels=8, modal_channels=4)
    memory, folder = MemoryLog(), RunFolder(tmp_path / "run", {})
    remembered, written = (
        run_stages(data, options, log) for log in (memory, folder)
    )  # fmt: skip
    lines = memory.read_metrics()
    assert [line["epoch"] for line in lines] == [2, 4, 5]
    # Through JSON and back nothing changes.
    assert without_time(lines) == without_time(folder.read_metrics())
    assert lines[0]["seconds"] < lines[1]["seconds"] <= remembered.seconds
    for name, value in remembered.final[0].model.state_dict().items():
        assert value.equal(written.final[0].model.state_dict()[name])


def test_lines_are_copies():
    log, losses = MemoryLog(), {"total": 1.0}
    log.append_metrics(1, 0.5, losses, {"mrr": 0.5}, {})
    losses["total"] = 2.0
    log.read_metrics().clear()
    assert log.read_metrics() == [
        {
            "epoch": 1,
            "seconds": 0.5,
            "loss": {"total": 1.0},
            "val": {"mrr": 0.5},
            "weights": {},
            "information": {},
        }
    ]


def test_nothing_is_there_to_go_on_from():
    log = MemoryLog()
    log.save_checkpoint({"weights": torch.zeros(2)})
    assert log.start() is None
    assert log.path is None
    log.append_metrics(1, 0.5, {}, {}, {})
    part = log.part("refit_0", epochs=3)
    part.append_metrics(7, 0.5, {}, {}, {})
    assert [line["epoch"] for line in log.read_metrics()] == [1]
    assert [line["epoch"] for line in part.read_metrics()] == [7]
