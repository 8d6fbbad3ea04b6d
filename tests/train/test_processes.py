"""Several processes under torchrun learn what one learns."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from recorded_trainings import CASES, record

from pyg_ibmea.train import processes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)"),
]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def torchrun(count, *words, cwd, **options):
    """Starts processes on this machine."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    launch = ("-m", "torch.distributed.run", "--standalone")
    return subprocess.Popen(
        [sys.executable, *launch, f"--nproc-per-node={count}", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def alone():
    """What one process, without torchrun, records."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case: record(case) for case in CASES}


@pytest.mark.parametrize("count", [2, 3])
def test_steps_are_those_of_one_process(count, alone, tmp_path):
    script = HERE / "recorded_trainings.py"
    process = torchrun(count, script, tmp_path / "found.pt", cwd=tmp_path)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    found = torch.load(tmp_path / "found.pt", weights_only=False)
    for case, expected in alone.items():
        assert len(expected["losses"]) > 20
        for name, values in expected.items():
            # Adam blows up what rounding leaves of a gradient of zero.
            most = 1e-6 if "weights" in name else 1e-10
            torch.testing.assert_close(
                found[case][name], values, rtol=1e-10, atol=most,
                msg=lambda text, at=(case, name): f"{at}: {text}",
            )  # fmt: skip
    assert alone["withheld, pseudo-seeds"]["pseudo-seeds"] > 5
    traffic = found["traffic"]
    assert (traffic["count"], traffic["backend"]) == (count, "gloo")
    assert traffic["bytes_per_step"] > 1000
    assert traffic["seconds_per_step_communicating"] > 0


def test_one_process_is_not_several():
    assert (processes.rank(), processes.count()) == (0, 1)
    assert processes.same("x") == "x"
    assert processes.device_of("cpu") == "cpu"
    before = torch.get_rng_state()
    with processes.joined(), processes.same_draws():
        assert processes.traffic(torch.device("cpu")) == {}
    assert torch.get_rng_state().equal(before)
