# ruff: noqa: F401, F811
import csv

import pytest
from reviewed_run import alignment, data, files, make_session, run

from pyg_ibmea.review import read_question_table, write_question_table
from pyg_ibmea.review.table import COLUMNS


def filled(path, answers, sign="\t"):
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, delimiter="\t")
    for row, answer in zip(rows, answers, strict=False):
        row[head.index("answer")] = answer
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=sign).writerows([head, *rows])


@pytest.mark.parametrize("sign", ["\t", ",", ";"])
def test_a_table_comes_back_filled_in(make_session, tmp_path, sign):
    session, path = make_session(), tmp_path / "questions.tsv"
    assert write_question_table(session, path) == 6
    assert read_question_table(path) == []
    filled(path, ["same", "D", "", " skip "], sign)
    found = read_question_table(path)
    assert [answer.answer for answer in found] == ["same", "different", "skip"]
    for answer, place in zip(found, (0, 1, 3), strict=True):
        match = session.match(place)
        assert answer.about == ("a", "b", match.source, match.target)


def test_what_the_table_shows(make_session, tmp_path):
    path = tmp_path / "questions.tsv"
    write_question_table(make_session(), path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["source_name"] == "Two"
    assert rows[0]["confidence"] == "0.500"
    assert rows[0]["source_evidence"] == (
        "near → <b>Three</b>; near ← e1; height: 12.5"
    )


def test_no_cell_is_a_formula_and_names_survive(make_session, data, tmp_path):
    session = make_session()
    session.views["a"].names[data.uri["a"][2]] = '=HYPERLINK("x")'
    strange = 'http://a.org/"\t;,\n'
    data.uri["a"][2] = strange
    view = session.views["a"]
    view.number[strange] = 2
    view.names[strange] = '=HYPERLINK("x")'
    session.alignment.uris["a"] = data.uri["a"]
    path = tmp_path / "questions.tsv"
    write_question_table(session, path)
    filled(path, ["same"])
    assert read_question_table(path)[0].source == strange
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    assert row["source_name"] == '\'=HYPERLINK("x")'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("answer\tsource\n", "line 1: the column 'source_graph' is missing"),
        ("", "line 1: the column 'answer' is missing"),
        (
            "answer\tsource_graph\ttarget_graph\tsource\ttarget\n"
            "\ta\tb\tx\ty\nmaybe\ta\tb\tx\ty\n",
            "line 3: the answer must be same, different, skip or empty, got 'maybe'",
        ),
        (
            "answer\tsource_graph\ttarget_graph\tsource\ttarget\nsame\ta\tb\tx\n",
            "line 2: the column 'target' is empty",
        ),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "questions.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_question_table(path)
    assert str(path) in str(error.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8"):
        read_question_table(path)
