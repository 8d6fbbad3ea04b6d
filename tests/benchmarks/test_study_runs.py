"""The table of the study's runs."""

from dataclasses import replace

from benchmarks.study.runs import BOTTLENECKS, GROUPS
from pyg_ibmea.train import Options


def test_every_run_has_a_key_of_its_own_and_valid_options():
    runs = [run for group in GROUPS.values() for run in group()]
    assert len({run.key for run in runs}) == len(runs) > 200
    for run in runs:
        if run.group != "contrastive":
            assert Options.from_flat(run.options) == Options.of(**run.config)
    main = {(r.problem, r.ratio, r.row, r.seed) for r in runs if r.group == "main"}
    assert len(main) == 3 * (5 * 2 + 2) + 1
    sweeps = [r for r in runs if r.group in ("noise", "low resource", "missing")]
    # What is compared differs in the bottleneck and in nothing else.
    assert {r.row for r in sweeps} == set(BOTTLENECKS)
    points = [replace(r, row="", config={}) for r in sweeps]
    assert all(points.count(point) == (3 if point.seed else 4) for point in points)
