"""Processes that train one model end together, and one of them says why."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from started_processes import Forked, torchrun

from pyg_ibmea.train._checkpoint import latest_checkpoint, read_checkpoint

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parent / "ending_training.py"


def start(count, out, how, *words):
    """Starts a training in a session of its own, as a terminal does."""
    return torchrun(
        count, SCRIPT, out, how, *words, cwd=out.parent, start_new_session=True
    )


def end_of(process, seconds):
    """Output and errors, told in time; nothing is left running."""
    try:
        out, err = process.communicate(timeout=seconds)
    except Exception:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    with pytest.raises(ProcessLookupError):  # No process of the group is left.
        os.killpg(process.pid, 0)
    return out, err


def wait_for(process, condition):
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, process.kill()
        time.sleep(0.05)


def pid_of(out, rank):
    return int(out.with_name(f"{out.name}.{rank}.pid").read_text())


def kept_epoch(out):
    return read_checkpoint(latest_checkpoint(out))["epoch"]


def lines(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def told_of(rank, count):
    return (
        rf"error: process {rank} of {count} \(pid \d+ on .+\) has ended without a word "
        r"\(was it killed, perhaps for want of memory\?\), and all others end with it; "
        r"go on from the last checkpoint by the same command with --resume"
    )


@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_killed_ends_all(victim, tmp_path):
    out = tmp_path / "run"
    forked = Forked(2, [SCRIPT, out, "training"], tmp_path)
    while not (out / "checkpoint.previous.pt").exists():
        assert all(process.is_alive() for process in forked.all)
        time.sleep(0.05)
    forked.all[victim].kill()
    codes, told = forked.end(60)
    assert codes == [-9 if rank == victim else 1 for rank in range(2)]
    (line,) = lines(told[1 - victim], "error: ")
    assert re.fullmatch(told_of(victim, 2), line)
    assert "stopped after" not in "".join(told)
    assert kept_epoch(out) > 0


@pytest.mark.attack
@pytest.mark.parametrize("victim", [0, 1])
def test_what_torchrun_does_about_a_killed_one_hides_nothing(victim, tmp_path):
    out = tmp_path / "run"
    process = start(2, out, "training")
    wait_for(process, (out / "checkpoint.previous.pt").exists)
    os.kill(pid_of(out, victim), signal.SIGKILL)
    _, err = end_of(process, 60)
    assert process.returncode != 0
    (told,) = lines(err, "error: ")
    assert re.fullmatch(told_of(victim, 2), told)
    assert not lines(err, "stopped after")
    assert kept_epoch(out) > 0


@pytest.mark.parametrize("victim", [0, 2])
@pytest.mark.parametrize("work", ["proposing", "writing"])
def test_long_work_of_the_first_neither_ends_the_others_nor_hides_an_end(
    work, victim, tmp_path
):
    forked = Forked(3, [SCRIPT, tmp_path / "run", work], tmp_path)
    until = time.monotonic() + 60
    while work not in forked.files[0].read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(2)
    assert all(process.is_alive() for process in forked.all)
    forked.all[victim].kill()
    codes, told = forked.end(60)
    assert codes == [-9 if rank == victim else 1 for rank in range(3)]
    (line,) = lines("".join(told), "error: ")
    assert re.fullmatch(told_of(victim, 3), line)


def test_interrupted_by_a_terminal_and_resumed(tmp_path):
    out = tmp_path / "run"
    process = start(2, out, "training")
    wait_for(process, (out / "checkpoint.previous.pt").exists)
    os.killpg(process.pid, signal.SIGINT)
    told, err = end_of(process, 60)
    assert process.returncode != 0
    assert re.fullmatch(rf"stopped after epoch \d+ of {re.escape(str(out))}\n", told)
    assert not lines(err, "error: ")
    assert "KeyboardInterrupt" not in err
    assert not (out / "run.lock").exists()
    kept = kept_epoch(out)
    assert f"epoch {kept} of" in told

    # One alone may be stopped, too, and stops the others.
    checkpoint = out / "checkpoint.pt"
    once = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    forked = Forked(2, [SCRIPT, out, "training", "--resume"], tmp_path)
    while not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > once):
        assert all(process.is_alive() for process in forked.all)
        time.sleep(0.05)
    os.kill(forked.all[1].pid, signal.SIGTERM)
    codes, told = forked.end(60)
    assert codes == [130, 130]
    assert re.fullmatch(r"(training .+\n)*stopped after epoch \d+ of .+\n", told[0])
    assert told[1] == ""
    assert kept_epoch(out) > kept


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("failing", "this machine has no such file"),
        ("same error", "there is no such option"),
        (
            "other options",
            r"process 1 of 2 \(.+\) differs from process 0 in the option epochs: 401, "
            "not 400; give all processes the same command, files and packages",
        ),
    ],
)
def test_an_error_is_told_once(how, why, tmp_path):
    out = tmp_path / "run"
    codes, told = Forked(2, [SCRIPT, out, how], tmp_path).end(60)
    assert codes == [1, 1]
    alone = how == "failing"
    note = r"note: process 1 of 2 \(.+\) has failed:\n" if alone else ""
    assert re.fullmatch(f"{note}error: {why}\n", told[alone])
    assert told[not alone] == ""
    assert not out.exists()
