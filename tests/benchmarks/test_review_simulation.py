"""The simulated review, on a small folder of emoji."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.review.__main__ import add_line
from benchmarks.review.simulation import STRATEGIES, next_answers, review_problem
from pyg_ibmea.align import Alignment
from pyg_ibmea.problem import links_between
from pyg_ibmea.train import Answer, append_answers


@pytest.fixture
def folder(tmp_path):
    rows = [f"{i:04X}\t?\tSymbols\tx\t1.0\t{i:04x}.png\n" for i in range(30)]
    (tmp_path / "emoji.tsv").write_text("".join(rows))
    words = [f"{i:04X}\tw{i % 5}\n" for i in range(30)]
    for language in ("zh", "en"):
        (tmp_path / f"keywords_{language}.tsv").write_text("".join(words))
    for vendor in ("google", "twitter"):
        (tmp_path / f"img_{vendor}").mkdir()
        for i in range(30):
            image = Image.new("RGB", (8, 8), (8 * i, 255 - 8 * i, 0))
            image.save(tmp_path / f"img_{vendor}" / f"{i:04x}.png")
    return tmp_path


def test_nobody_is_asked_about_test_pairs(folder):
    data, asked_about = review_problem(folder, seeds=10, seed=3)
    links = links_between(data, ("zh", "en"))
    numbers = [int(links[f"{part}_mask"].sum()) for part in ("train", "val", "test")]
    assert numbers == [7, 3, 10]
    in_no_part = ~(links.train_mask | links.val_mask | links.test_mask)
    assert sorted(asked_about) == links.edge_index[0, in_no_part].tolist()
    assert len(asked_about) == 10


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_answers_are_the_truth_about_open_matches(folder, tmp_path, strategy):
    data, asked_about = review_problem(folder, seeds=10, seed=3)
    run = tmp_path / "run"
    run.mkdir()
    target = np.arange(30)
    target[::2] = 0
    Alignment(
        [("zh", "en")], data.uri, source=np.arange(30), target=target,
        runner_up=np.full(30, -1), score=np.zeros(30), margin=np.zeros(30),
        confidence=np.linspace(0.1, 0.9, 30), pair=np.zeros(30, int),
    ).save(run / "alignment.tsv")  # fmt: skip
    odd = next(i for i in asked_about.tolist() if i % 2)
    done = Answer("zh", "en", data.uri["zh"][odd], data.uri["en"][odd], "same")
    append_answers(run, [done])
    found = next_answers(run, data, asked_about, strategy, 5, seed=0)
    assert 1 < len(found) <= 5
    for answer in found:
        number = data.uri["zh"].index(answer.source)
        assert number in asked_about
        assert number != odd
        assert data.uri["en"].index(answer.target) == target[number]
        right = target[number] == number
        assert answer.answer == ("same" if right else "different")
    again = next_answers(run, data, asked_about, strategy, 5, seed=0)
    assert again == found


def test_the_least_sure_come_first():
    confidence = [0.2, 0.45, 0.6, 0.9]
    alignment = Alignment(
        [("zh", "en")], {kg: list("abcd") for kg in ("zh", "en")},
        source=range(4), target=range(4), runner_up=[-1] * 4, score=[0] * 4,
        margin=[0] * 4, confidence=confidence, pair=[0] * 4,
    )  # fmt: skip
    shut = np.array([False, False, True, False])
    rows = STRATEGIES["unsure"](alignment, None, shut, 2, None)
    assert rows.tolist() == [1, 0]


def test_a_round_that_was_run_again_has_one_line(tmp_path):
    path = tmp_path / "new" / "rounds.jsonl"
    line = {"strategy": "ours", "seeds": 20, "seed": 0, "questions": 0, "batch": 50,
            "settings": {"epochs": 3}, "hits@1": 0.5}  # fmt: skip
    add_line(path, line)
    add_line(path, {**line, "strategy": "random"})
    add_line(path, {**line, "hits@1": 0.6})
    found = [json.loads(text) for text in path.read_text().splitlines()]
    assert [(x["strategy"], x["hits@1"]) for x in found] == [
        ("random", 0.5),
        ("ours", 0.6),
    ]
