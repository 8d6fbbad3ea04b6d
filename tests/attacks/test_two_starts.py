"""Of commands that write into one run folder at the same time, one does."""

import json
import os
import signal
import time

import pytest
from attacked_runs import finish, results, start, train_words

pytestmark = pytest.mark.attack


@pytest.mark.parametrize("resume", [False, True], ids=["new", "resumed"])
def test_two_simultaneous_trainings(resume, graph_files, tmp_path):
    alone = tmp_path / "alone"
    told = [tmp_path / "0.txt", tmp_path / "1.txt"]
    code, _ = finish(train_words(graph_files, "pseudo-seeds", alone), told[0])
    assert code == 0
    for number in range(4):
        out = tmp_path / f"run{number}"
        words = train_words(graph_files, "pseudo-seeds", out)
        if resume:
            process = start(words, tmp_path / "killed.txt")
            while not (out / "checkpoint.pt").exists():
                time.sleep(0.005)
            process.kill()
            process.join()
            words = [*words, "--resume"]
        for path in told:
            path.write_text("")
        both = overlapping(words, told, out)
        codes = [process.exitcode for process in both]
        assert sorted(codes) == [0, 1], (codes, [path.read_text() for path in told])
        (line,) = [
            line
            for line in told[codes.index(1)].read_text().splitlines()
            if not line.startswith("note:")
        ]
        assert line.startswith(f"error: {out} ")
        assert "is being written by process" in line or "already holds" in line
        assert results(out) == results(alone)


def overlapping(words, told, out):
    """Two processes with one command, of which one has begun before the other ended.

    The one that holds the lock is stopped until the other has ended, so that it cannot
    be done before the other began, however busy the machine is.
    """
    both = [start(words, path) for path in told]
    owner = None
    while owner is None and all(process.is_alive() for process in both):
        time.sleep(0.001)
        try:
            number = json.loads((out / "run.lock").read_text())["pid"]
        except (OSError, ValueError):  # There is none, or it is being written.
            continue
        # Another may have left it, which was killed.
        owner = next((p for p in both if p.pid == number), None)
    if owner is not None:
        os.kill(owner.pid, signal.SIGSTOP)
        both[1 - both.index(owner)].join()
        os.kill(owner.pid, signal.SIGCONT)
    for process in both:
        process.join()
    return both


def test_alignment_while_a_training_is_under_way(graph_files, tmp_path):
    out, told = tmp_path / "run", tmp_path / "told.txt"
    process = start(train_words(graph_files, "refits", out), tmp_path / "train.txt")
    while not (out / "checkpoint.pt").exists():
        time.sleep(0.005)
    code, _ = finish(["align", str(out)], told)
    assert process.is_alive()
    assert code == 1
    assert f"error: {out} is being written by process {process.pid}" in told.read_text()
    process.join()
    assert process.exitcode == 0
    assert finish(["align", str(out)], told)[0] == 0
