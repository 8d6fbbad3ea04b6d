"""How an explanation is told and drawn."""

import json
from itertools import pairwise

import pytest

from pyg_ibmea.align import Contribution, Explanation

TERMS = (
    Contribution("image", 0.75, "similarity 0.90 x weight 0.42"),
    Contribution("name", 0.125, "similarity 0.50 x weight 0.25"),
    Contribution("neighbourhood", 0.25, "both in → A\n$x^$", "fact", "in → u/A", "in"),
    Contribution("neighbourhood", 0.125, "3 more", "rest"),
    Contribution("hubness", -0.5, "of a", "decoder"),
)
OTHER = Explanation(
    *("a", "y", "zh", "en", -0.25),
    (Contribution("image", 0.25, "i"), Contribution("hubness", -0.5, "h", "decoder")),
    "csls",
)
WHY = Explanation(
    *("a", "x", "zh", "en", 0.75, TERMS, "csls", 0.875, True, ("a note",), OTHER)
)


def test_text_has_a_line_for_each_contribution_and_the_runner_up():
    lines = WHY.text().splitlines()
    assert lines[:3] == ["a = x (zh - en)", "score 0.750 by csls, confidence 0.875", ""]
    values = [float(line.split()[0]) for line in lines[3:8]]
    assert values == [term.value for term in TERMS]
    assert "both in → A $x^$" in lines[5]
    assert lines[9:11] == ["   0.750  score", "note: a note"]
    table = {line.split()[0]: [*map(float, line.split()[1:])] for line in lines[14:]}
    assert table == {
        "image": [0.75, 0.25, 0.5],
        "name": [0.125, 0.0, 0.125],
        "neighbourhood": [0.375, 0.0, 0.375],
        "hubness": [-0.5, -0.5, 0.0],
        "score": [0.75, -0.25, 1.0],
    }


def test_dictionary_holds_all_as_json_does():
    said = json.loads(json.dumps(WHY.to_dict()))
    assert said["score"] == sum(term["value"] for term in said["contributions"])
    assert said["contributions"][2] == {
        "name": "neighbourhood", "value": 0.25, "text": "both in → A\n$x^$",
        "kind": "fact", "source": "in → u/A", "target": "in",
    }  # fmt: skip
    assert said["runner_up"]["contributions"][0]["value"] == 0.25
    assert (said["confidence"], said["is_match"]) == (0.875, True)
    assert said["runner_up"]["runner_up"] is None


def test_notebook_shows_the_text_escaped():
    shown = Explanation("<b>", "x", "zh", "en", 0.0, ())._repr_html_()
    assert "&lt;b&gt; = x" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize("one", [WHY, OTHER])
def test_waterfall_starts_at_zero_and_ends_at_the_score(one, tmp_path):
    figure = one.plot()
    shown = [one] if one.runner_up is None else [one, one.runner_up]
    assert len(figure.axes) == len(shown)
    for axis, told in zip(figure.axes, shown, strict=True):
        bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches]
        *steps, score = bars
        assert steps[0][0] == 0.0
        for (_, end), (start, _) in pairwise(steps):
            assert end == start
        widths = [end - start for start, end in steps]
        assert widths == [term.value for term in told.contributions]
        assert steps[-1][1] == told.score
        assert score == (0.0, told.score)
        labels = [label.get_text() for label in axis.get_yticklabels()]
        assert [label.split(":")[0] for label in labels] == [
            *(term.name for term in told.contributions), "score"
        ]  # fmt: skip
        low, high = axis.get_xlim()
        assert low < min(min(bar) for bar in bars)
        assert high > max(max(bar) for bar in bars)
    figure.savefig(tmp_path / "why.png")  # With the sign $, which is no formula.
    assert (tmp_path / "why.png").stat().st_size > 1000
