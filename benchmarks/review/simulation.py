"""A review with answers from the truth: rounds of questions, answers and training."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.study.problems import emoji_problem
from pyg_ibmea import Aligner
from pyg_ibmea.align import Alignment, choose_questions
from pyg_ibmea.problem import links_between, triples_of
from pyg_ibmea.review.session import numbered
from pyg_ibmea.run_files import METRICS, read_metrics
from pyg_ibmea.train import Answer, read_answers, with_answers

PAIR = ("zh", "en")
SETTINGS = {
    "eval_every": 4,
    "iterative": True,
    "propose_from": 4,
    "propose_easing": 2,
    "refits": 0,
}
"""What all trainings share; with 24 epochs of 128 channels, one takes about a minute of
one core.
"""


def settings_of(epochs, channels):
    """The options of a training of so many epochs and channels of the graph."""
    size = {"graph_channels": channels, "modal_channels": channels // 2}
    return {**SETTINGS, "epochs": epochs, **size}


def review_problem(folder, seeds, seed):
    """Emoji with a few known pairs. Half of the others are test pairs, which nobody is
    asked about; the rest is in no part, and its truth is what people answer.

    Args:
        folder (Path): Folder of the emoji.
        seeds (int): Number of known pairs; three in ten of them are validation pairs.
        seed (int): Seed of the draw.

    Returns:
        tuple: The problem, and the source entities that may be asked about.
    """
    data = emoji_problem(folder, ratio=0.3)
    links = links_between(data, PAIR)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(links.edge_index.size(1), generator=generator)
    judges, half = round(0.3 * seeds), (len(order) + seeds) // 2
    ends = (judges, seeds, half, len(order))
    parts = dict(zip(("val", "train", "test"), ends, strict=False))
    begin = 0
    for part, end in parts.items():
        mask = torch.zeros(len(order), dtype=torch.bool)
        mask[order[begin:end]] = True
        links[f"{part}_mask"] = mask
        begin = end
    return data, links.edge_index[0, order[half:]].numpy()


def ours(alignment, data, exclude, number, generator):
    """The questions of this package."""
    edges = {kg: triples_of(data, kg).edge_index for kg in PAIR}
    return choose_questions(alignment, edges, number, exclude)


def unsure(alignment, data, exclude, number, generator):
    """Those whose confidence is nearest to one half."""
    order = np.abs(alignment.confidence - 0.5).argsort(kind="stable")
    return order[~exclude[order]][:number]


def by_chance(alignment, data, exclude, number, generator):
    """Any match."""
    rows = (~exclude).nonzero()[0]
    return generator.permutation(rows)[:number]


STRATEGIES = {"ours": ours, "unsure": unsure, "random": by_chance}


def next_answers(run, data, asked_about, strategy, number, seed):
    """The truth about the matches of a run that a strategy chooses.

    Args:
        run (Path): Folder of a finished run.
        data (HeteroData): Its problem.
        asked_about (numpy.ndarray): Source entities that may be asked about.
        strategy (str): One of ``STRATEGIES``.
        number (int): Number of questions.
        seed (int): Of what is drawn.
    """
    alignment = numbered(Alignment.load(run / "alignment.tsv"), data)
    known = {(a.source, a.target) for a in read_answers(run)}
    exclude = ~np.isin(alignment.source, asked_about)
    exclude |= [(match.source, match.target) in known for match in alignment]
    generator = np.random.default_rng(seed)
    rows = STRATEGIES[strategy](alignment, data, exclude, number, generator)
    chosen = [alignment[int(row)] for row in rows]
    truth = ["same" if m.source == m.target else "different" for m in chosen]
    return [
        Answer(*PAIR, m.source, m.target, true)
        for m, true in zip(chosen, truth, strict=True)
    ]


def rounds(folder, work, strategy, settings, seeds, seed, batch, target, most):
    """Runs a review round by round, until Hits@1 of the test pairs is reached.

    Rounds that are there already are not run again; the first round is the same for all
    strategies.

    Args:
        folder (Path): Folder of the emoji.
        work (Path): Folder of the runs.
        strategy (str): One of ``STRATEGIES``.
        settings (dict): The options of the first training, which the others keep.
        seeds (int): Number of known pairs at the start.
        seed (int): Seed of split and model.
        batch (int): Questions in a round.
        target (float): Hits@1 at which to stop.
        most (int): Number of questions at which to stop.

    Yields:
        dict: The figures of a round.
    """
    data, asked_about = review_problem(folder, seeds, seed)
    size = f"{settings['epochs']}x{settings['graph_channels']}"
    name = f"{size}-{seeds}-{seed}"
    run, answers, asked = work / f"start-{name}", [], 0
    if not (run / METRICS).exists():
        resume = (run / "config.json").exists()
        options = {"seed": seed, "device": "cpu", "progress": False, **settings}
        Aligner(**options).fit(data, run, resume)
    while True:
        metrics = read_metrics(run)
        told = [a.answer for a in answers]
        hits = metrics["test"]["csls"]["hits@1"]
        yield {
            "strategy": strategy,
            "seeds": seeds,
            "seed": seed,
            "questions": asked,
            "same": told.count("same"),
            "different": told.count("different"),
            "hits@1": hits,
            "matches": metrics["matches"]["test"]["precision"],
            "pseudo_seeds": metrics["pseudo_seeds"],
            "seconds": metrics["seconds"],
        }
        if hits >= target or asked >= most:
            return
        out = work / f"{strategy}-{batch}-{name}" / f"{asked + batch}"
        if not (out / METRICS).exists():
            known = with_answers(data, answers).data
            more = next_answers(run, known, asked_about, strategy, batch, seed + asked)
            resume = (out / "config.json").exists()
            objects = {"device": "cpu", "progress": False}
            Aligner.proceed(run, data, out, [*answers, *more], resume, **objects)
        answers = read_answers(out)
        run, asked = out, len(answers)
