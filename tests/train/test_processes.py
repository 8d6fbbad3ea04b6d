"""Several processes under torchrun learn what one learns."""

import re
import warnings
from itertools import chain
from pathlib import Path

import pytest
import torch
from recorded_trainings import CASES, record, resumed
from started_processes import Forked, torchrun

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss
from pyg_ibmea.train import Objective, Options, processes
from pyg_ibmea.train._facts import facts_of
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)"),
]
PAIR = ("source", "target")
SCRIPT = Path(__file__).parent / "recorded_trainings.py"


@pytest.fixture(scope="module")
def alone():
    """What one process, without torchrun, records."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case: record(case) for case in CASES}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process, two and three record, who also go on with one training."""
    folder = tmp_path_factory.mktemp("processes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {1: {"resumed": resumed(folder / "run", 2)}}
    words = (SCRIPT, folder / "2.pt", folder / "run", 4)
    process = torchrun(2, *words, cwd=folder)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    words = (SCRIPT, folder / "3.pt", folder / "run", 0)
    codes, told = Forked(3, words, folder).end(200)
    assert codes == [0, 0, 0], told
    return found | {n: torch.load(folder / f"{n}.pt") for n in (2, 3)}


def assert_same(found, expected):
    for name, values in expected.items():
        # Adam blows up what rounding leaves of a gradient of zero.
        most = 1e-6 if "weights" in name else 1e-10
        torch.testing.assert_close(
            found[name],
            values,
            rtol=1e-10,
            atol=most,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [2, 3])
def test_steps_are_those_of_one_process(count, case, alone, found):
    if case == "parts" and count <= CASES[case]["parts"]:
        pytest.skip("every process has a part of its own, see test_part_ranks.py")
    assert len(alone[case]["losses"]) > 20
    assert_same(found[count][case], alone[case])
    if case in ("withheld, pseudo-seeds", "candidates"):
        assert alone[case]["pseudo-seeds"] > 5


@pytest.mark.parametrize("count", [2, 3])
def test_exchange_is_measured(count, found):
    traffic = found[count]["traffic"]
    assert (traffic["count"], traffic["backend"]) == (count, "gloo")
    assert traffic["bytes_per_step"] > 1000
    assert traffic["seconds_per_step_communicating"] > 0


@pytest.mark.parametrize("count", [2, 3])
def test_the_first_has_the_threads_of_all_while_they_wait(count, found):
    assert found[count]["threads"] == [1, count, 1]


def test_any_number_of_processes_goes_on(found, tmp_path):
    whole = resumed(tmp_path / "run", None)
    last = found[3]["resumed"]
    parts = [found[1]["resumed"], found[2]["resumed"], last["losses"].tolist()]
    assert all(len(part) > 20 for part in parts)
    joined = torch.tensor([*chain(*parts)], dtype=torch.double)
    assert_same({**last, "losses": joined}, whole)


def test_processes_that_differ_say_in_what(found):
    assert re.fullmatch(
        r"process 1 of 3 \(pid \d+ on .+\) differs from process 0 in the option lr: "
        r"1\.1, not 0\.1; give all processes the same command, files and packages",
        found[3]["different"],
    )


def test_what_processes_have_in_common_is_told_by_name():
    def facts(kind=torch.float, name="a", **changes):
        data = SyntheticMMKG(num_entities=30)[0]
        data["source"].x_image = data["source"].x_image.to(kind)
        for key, value in changes.items():
            data["target"][key].view(-1)[0] = value
        data.uri["source"][0] = name
        return facts_of(data, {"lr": 0.1})

    one = facts()
    assert one == facts()
    assert one["the option lr"] == "0.1"
    assert one["the version of torch"] == torch.__version__
    assert {name for name in one if "relation" in name} == {
        f"the data of {kg!r}, {part}_relation" for kg in PAIR for part in ("x", "mask")
    }

    def changed(**given):
        other = facts(**given)
        return [name for name, value in other.items() if one.get(name) != value]

    assert changed(kind=torch.double) == ["the data of 'source', x_image"]
    assert changed(x_image=7.0) == ["the data of 'target', x_image"]
    assert changed(name="b") == ["the data, uri"]


def test_a_loss_that_gathers_by_itself_is_refused(monkeypatch):
    monkeypatch.setattr("pyg_ibmea.train._training.team", lambda: object())
    data = SyntheticMMKG(num_entities=30)[0]
    model = IBMEA.from_data(data, graph_channels=4, modal_channels=4)
    objective = Objective(HybridContrastiveLoss(gather=True), {})
    with pytest.raises(ValueError, match="give a loss without gather=True"):
        Training(data, model, objective, Options(), MemoryLog())


def test_one_process_is_not_several():
    assert (processes.rank(), processes.count()) == (0, 1)
    assert processes.same("x") == "x"
    assert processes.device_of("cpu") == "cpu"
    before = torch.get_rng_state()
    with processes.joined(), processes.same_draws():
        assert processes.traffic(torch.device("cpu")) == {}
    assert torch.get_rng_state().equal(before)
