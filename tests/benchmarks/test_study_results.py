"""Whether a result is still valid, whichever version wrote it."""

import json

import pytest

from benchmarks.study import __main__ as study
from benchmarks.study.results import in_one_form, is_current, read_results
from benchmarks.study.runs import Run, runs_by_key

# As version 0.1 wrote the options of a run without changes.
OLD = json.loads("""{
  "num_features": 1000, "epochs": 24, "eval_every": 2, "batch_size": 7500,
  "withhold": 0.3, "lr": 0.01, "weight_decay": 0.01, "clip_norm": 0.0,
  "warmup_epochs": 3, "cosine_epochs": 0, "graph_channels": 300,
  "modal_channels": 100, "num_layers": 2, "heads": 1, "relational": true,
  "residual": true, "neighbor_features": true, "share_seeds": true, "dropout": 0.3,
  "separate_stacks": false, "bottleneck": "features",
  "beta": "1e-4,relation=1e-3,attribute=1e-3", "beta_warmup": 5, "average_decay": 0.7,
  "objective": "info_nce", "hybrid_weight": 1.0, "temperature": 0.1,
  "modal_temperature": 0.1, "scale_pos": 5.0, "scale_neg": 40.0, "base": 0.5,
  "iterative": false, "propose_from": 7, "propose_every": 2, "propose_window": 3,
  "propose_first_threshold": 0.9, "propose_threshold": 0.5, "propose_easing": 5,
  "refits": 0, "refit_epochs": 8, "neighbor_agreement": 0.5, "neighbor_rounds": 3,
  "csls_k": 3, "sinkhorn_temperature": 0.02
}""")


def current(options, **config):
    run = Run("ablation", "row", config=config)
    return is_current({"key": run.key, "options": options}, {run.key: run})


def test_options_of_version_0_1_are_those_of_now():
    assert current(OLD)
    assert in_one_form(OLD) == Run("ablation", "row").options
    beta = {"*": 1e-3, "relation": 1e-2, "attribute": 1e-2}
    assert current({**OLD, "beta": "1e-3,relation=1e-2,attribute=1e-2"}, beta=beta)
    assert current({**OLD, "bottleneck": "graph"}, bottleneck=("graph",))
    assert current({**OLD, "bottleneck": "none"}, bottleneck="none")


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 25},
        {"bottleneck": "all"},
        {"beta": "1e-4,relation=1e-3"},
        {"beta": "1e-4"},
        {"modal_dropout": 0.5},
        {"an option that there is no more": 1},
    ],
)
def test_other_options_are_not(changes):
    assert not current({**OLD, **changes})


def test_options_that_a_result_does_not_know_are_not_taken_for_granted():
    without = {
        name: value for name, value in OLD.items() if not name.startswith("neighbor_a")
    }
    assert not current(without)
    assert not current({})
    # Those of what is switched off may be missing.
    assert current(without, neighbor_agreement=0.0)


def test_every_result_of_the_study_is_current():
    table = runs_by_key()
    results = read_results(study.RESULTS / "runs.jsonl")
    assert len(results) > 200
    assert all(is_current(result, table) for result in results)
