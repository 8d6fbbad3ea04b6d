"""Trainings that are killed at any moment go on to the same results, bit for bit.

``PYG_IBMEA_KILLS`` says how many kills there are in all.
"""

import os
import random

import pytest
from attacked_runs import RUNS, finish, results, start, train_words

pytestmark = pytest.mark.attack
KILLS = int(os.environ.get("PYG_IBMEA_KILLS", "12"))
# Of one run: it is resumed after each, and killed again before it ends.
_IN_ONE_RUN = 3


@pytest.mark.parametrize("kind", RUNS)
def test_killed_and_resumed_runs_are_those_that_were_not(kind, graph_files, tmp_path):
    draw = random.Random(kind)
    told = tmp_path / "told.txt"
    whole = tmp_path / "whole"
    for _ in range(2):  # Kernels are compiled and cached by the first.
        code, seconds = finish(train_words(graph_files, kind, whole), told)
        assert code == 0, told.read_text()
        expected = results(whole)
        whole = tmp_path / "again"
    assert any(name.endswith(" rng") for name in expected)

    number = list(RUNS).index(kind)
    left, run = KILLS // len(RUNS) + (number < KILLS % len(RUNS)), 0
    while left:
        run += 1
        out = tmp_path / str(run)
        words = train_words(graph_files, kind, out)
        for _ in range(min(left, _IN_ONE_RUN)):
            killed = False
            while not killed:  # It may have ended just before.
                process = start(resumed(words, out), told)
                process.join(draw.uniform(0, seconds))
                process.kill()
                process.join()
                assert process.exitcode in (0, -9), told.read_text()
                killed = process.exitcode == -9
            left -= 1
        code, _ = finish(resumed(words, out), told)
        assert code == 0, told.read_text()
        assert results(out) == expected
        assert not [
            path for path in out.rglob("*") if path.suffix in (".part", ".lock")
        ]


def resumed(words, out):
    """The same command again; with nothing written there is nothing to resume."""
    return [*words, "--resume"] if (out / "config.json").exists() else words
