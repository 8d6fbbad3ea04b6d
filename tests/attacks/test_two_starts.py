"""Of commands that write into one run folder at the same time, one does."""

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
        both = [start(words, path) for path in told]
        for process in both:
            process.join()
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
