"""Two machines train one model: network namespaces that a pair of interfaces joins."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from started_processes import ROOT

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parent / "ending_training.py"
PORT = 29500


def ip(*words, check=True):
    return subprocess.run(
        ["ip", *map(str, words)], check=check, capture_output=True, text=True
    )


@pytest.fixture
def machines():
    """Names, addresses and interfaces of both; 10.77.0.0/24 is seen by them only."""
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("namespaces need root and iproute2")
    number = os.getpid()
    names = [f"machine{number}a", f"machine{number}b"]
    ends = [f"v{number}a", f"v{number}b"]
    addresses = ["10.77.0.1", "10.77.0.2"]
    if ip("netns", "add", names[0], check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    try:
        ip("netns", "add", names[1])
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, addresses, strict=True):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield list(zip(names, addresses, ends, strict=True))
    finally:
        for name in names:
            ip("netns", "del", name, check=False)


def start(machines, out, how):
    """The recipe of the documentation, on both."""
    found = []
    for number, (name, _, end) in enumerate(machines):
        launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2"]
        launch += ["--nproc-per-node=1", f"--node-rank={number}"]
        launch += [f"--master-addr={machines[0][1]}", f"--master-port={PORT}"]
        words = ["ip", "netns", "exec", name, *launch, SCRIPT, out, how]
        given = {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": end}
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=out.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1", **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        found.append(process)
    return found


def pids_of(out):
    files = (out.with_name(f"{out.name}.{rank}.pid") for rank in (0, 1))
    return [int(file.read_text()) for file in files]


def sent_bytes(machine):
    told = ip("-n", machine[0], "-s", "-j", "link", "show", "dev", machine[2]).stdout
    return json.loads(told)[0]["stats64"]["tx"]["bytes"]


def test_train_to_the_end_and_count_what_they_send(machines, tmp_path):
    out = tmp_path / "run"
    started = start(machines, out, "short")
    told = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    assert told[1][0] == ""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [2, 4]
    found = json.loads((out / "metrics.json").read_text())["processes"]
    assert (found["count"], found["backend"]) == (2, "gloo")
    # Four epochs of four steps; weights, decisions and headers come on top.
    steps = 16 * found["bytes_per_step"]
    assert steps < sent_bytes(machines[1]) < 2 * steps + 200_000


@pytest.mark.attack
@pytest.mark.parametrize("how", ["killed", "unplugged"])
def test_a_machine_that_is_lost_ends_the_other(how, machines, tmp_path):
    out = tmp_path / "run"
    started = start(machines, out, "training")
    until = time.monotonic() + 120
    while not (out / "checkpoint.previous.pt").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    began = time.monotonic()
    if how == "killed":
        os.kill(started[1].pid, signal.SIGKILL)
        os.kill(pids_of(out)[1], signal.SIGKILL)
    else:
        ip("-n", machines[1][0], "link", "set", machines[1][2], "down")
    try:
        _, err = started[0].communicate(timeout=70)
    finally:
        for pid in (*(process.pid for process in started), *pids_of(out)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started[1].communicate()
    assert time.monotonic() - began < 60
    assert started[0].returncode != 0
    told = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert told[0].startswith("error: process 1 of 2 ")
    assert "--resume" in told[0]
