"""The table of runs: which trainings the study consists of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from benchmarks.study.contrastive import LOSSES
from pyg_ibmea.train import Options

BOTTLENECKS = {
    "on": {"bottleneck": "all"},
    "features only": {"bottleneck": "features"},
    "off": {"bottleneck": "none"},
    "ten times beta": {"beta": {"*": 1e-3, "relation": 1e-2, "attribute": 1e-2}},
}
# Embeddings only, without neighbourhood agreement: where layers are compared.
EMBEDDINGS = {"neighbor_agreement": 0.0}


@dataclass(frozen=True)
class Run:
    """One training: a row of a table, or a point of a plot."""

    group: str
    row: str
    problem: str = "zh_en"
    ratio: float = 0.3
    seed: int = 0
    config: dict = field(default_factory=dict)
    modalities: str | None = None
    damage: str | None = None
    level: float = 0.0
    names: bool = False

    @property
    def key(self):
        """What names the run in the results."""
        damage = f"{self.damage} {self.level:g}" if self.damage else "as it is"
        problem = f"{self.problem} {self.ratio:g}"
        return f"{self.group} | {problem} | {damage} | {self.row} | seed {self.seed}"

    @property
    def options(self):
        """All options, including those that the run leaves at their defaults."""
        if self.group == "contrastive":
            return {}
        return Options.of(**self.config).flat()

    def folder(self, work):
        """Where it is trained."""
        return work / self.key.replace(" | ", "--").replace(" ", "_")


def main_runs():
    """The published benchmarks, without and with pseudo-seeds and names."""
    alone, iterative = ({"iterative": i, "refits": 1} for i in (False, True))
    rows = {
        "seeds only": alone,
        "pseudo-seeds": iterative,
        "seeds only, names": alone,
        "pseudo-seeds, names": iterative,
    }
    others = [("en_fr", 0.3)]
    others += [("FB15K_DB15K", ratio) for ratio in (0.2, 0.5, 0.8)]
    for seed in range(3):
        for row, config in rows.items():
            yield Run("main", row, seed=seed, config=config, names="names" in row)
        for problem, ratio in others:
            for row in ("seeds only", "pseudo-seeds"):
                yield Run("main", row, problem, ratio, seed, rows[row])
    config = {"iterative": True, "refits": 3}
    yield Run("main", "pseudo-seeds, three refits", config=config)


def ablation_runs():
    """Bottlenecks one by one, the loss on the fused vectors, the modalities."""
    every = ["graph", "relation", "attribute"]
    rows = {
        "all bottlenecks": (BOTTLENECKS["on"], None),
        "bottlenecks for features only": (BOTTLENECKS["features only"], None),
        "no bottleneck": (BOTTLENECKS["off"], None),
    }
    rows |= {f"bottleneck for {m} alone": ({"bottleneck": m}, None) for m in every}
    rows["no features of neighbours"] = ({"neighbor_features": False}, None)
    rows["no loss on the fused vectors"] = ({"hybrid_weight": 0.0}, None)
    rows["multi-similarity on the fused vectors"] = (
        {"objective": "multi_similarity"},
        None,
    )
    rows |= {f"without {m}": ({}, ",".join(o for o in every if o != m)) for m in every}
    rows |= {f"{m} alone": ({}, m) for m in every}
    key_rows = ["all bottlenecks", "bottlenecks for features only", "no bottleneck"]
    key_rows += ["no features of neighbours", "no loss on the fused vectors"]
    for seed in range(3):
        for row, (config, modalities) in rows.items():
            if seed == 0 or row in key_rows:
                config = {**config, **EMBEDDINGS, "epochs": 14}
                run = Run("ablation", row, config=config, modalities=modalities)
                yield replace(run, seed=seed)


def sweep_runs():
    """Few seeds, noise and missing modalities on the sub-sample, by bottleneck."""
    small = Run("", "", "zh_en_small")
    ratios = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
    points = [replace(small, group="low resource", ratio=ratio) for ratio in ratios]
    for group, damages, levels in (
        (
            "noise",
            ("edges rewired", "features swapped", "wrong seeds"),
            (0.2, 0.4, 0.6),
        ),
        ("missing", ("modalities missing", "missing on one side"), (0.3, 0.6, 0.9)),
    ):
        points += [
            replace(small, group=group, damage=damage, level=level)
            for damage in damages
            for level in levels
        ]
    for seed in range(3):
        for point in points:
            for row, config in BOTTLENECKS.items():
                if row == "ten times beta" and seed:
                    continue
                config = {**config, **EMBEDDINGS, "epochs": 14}
                yield replace(point, row=row, seed=seed, config=config)


def emoji_runs():
    """Real images, whole and with most of one side's images missing."""
    for seed in range(3):
        for row, config in BOTTLENECKS.items():
            config = {**config, **EMBEDDINGS}
            run = Run("emoji", f"bottleneck {row}", "emoji", 0.3, seed, config)
            yield run
            yield replace(run, damage="images missing on one side", level=0.8)
        for iterative in (False, True):
            config = {"iterative": iterative, "refits": 1}
            row = "pseudo-seeds" if iterative else "seeds only"
            yield Run("emoji", f"{row}, refit", "emoji", 0.3, seed, config)
        for modality in ("graph", "image"):
            row = f"{modality} alone"
            yield Run("emoji", row, "emoji", 0.3, seed, EMBEDDINGS, modality)


def contrastive_runs():
    """The losses alone, on vectors."""
    for seed in range(3):
        for level in (0.2, 0.4, 0.6, 0.8):
            for row in (*LOSSES, "canonical correlation"):
                run = Run("contrastive", row, "vectors", 0.25, seed)
                yield replace(run, damage="noise", level=level)


GROUPS = {
    "contrastive": contrastive_runs,
    "emoji": emoji_runs,
    "ablation": ablation_runs,
    "sweeps": sweep_runs,
    "main": main_runs,
}


def runs_by_key(groups=None):
    """The runs of some groups, in the order of the table."""
    groups = groups or GROUPS
    return {run.key: run for group in groups for run in GROUPS[group]()}
