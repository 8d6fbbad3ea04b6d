import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.train.answers import (
    ANSWERS,
    Answer,
    answers_text,
    append_answers,
    now,
    read_answers,
    standing,
)

ONE = Answer("zh", "en", "巴黎", "Paris", "same", "2026-01-02T03:04:05+00:00")
TWO = Answer("zh", "en", "tab\there", "line\nend", "different", "")


def test_answers_come_back_in_order(tmp_path):
    assert read_answers(tmp_path) == []
    append_answers(tmp_path, [ONE])
    append_answers(tmp_path, [TWO, ONE])
    assert read_answers(tmp_path) == [ONE, TWO, ONE]
    assert read_answers(tmp_path / ANSWERS) == [ONE, TWO, ONE]
    lines = (tmp_path / ANSWERS).read_text(encoding="utf-8").split("\n")
    head = "source_graph\ttarget_graph\tsource\ttarget\tanswer\ttime"
    assert [lines[0], len(lines), lines[-1]] == [head, 5, ""]
    assert (tmp_path / ANSWERS).read_text(encoding="utf-8") == answers_text(
        [ONE, TWO, ONE]
    )


def test_a_line_cut_short_is_no_answer_and_spoils_none(tmp_path):
    append_answers(tmp_path, [ONE, TWO])
    with (tmp_path / ANSWERS).open("a") as file:
        file.write("zh\ten\tx")
    assert read_answers(tmp_path) == [ONE, TWO]
    append_answers(tmp_path, [TWO])
    assert read_answers(tmp_path) == [ONE, TWO, TWO]


def test_a_header_cut_short(tmp_path):
    (tmp_path / ANSWERS).write_text("source_gr")
    assert read_answers(tmp_path) == []
    append_answers(tmp_path, [ONE])
    assert read_answers(tmp_path) == [ONE]


def test_what_was_told_as_written_survives_a_kill(tmp_path):
    code = (
        "import sys\n"
        "from pyg_ibmea.train.answers import *\n"
        "for i in range(10**6):\n"
        "    append_answers(sys.argv[1], [Answer('a', 'b', f'x{i}', 'y', 'same')])\n"
        "    print(i, flush=True)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(20):
        told = int(writer.stdout.readline())
    time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.communicate()[0].split("\n")
    told = max([told, *(int(line) for line in rest[:-1])])
    found = read_answers(tmp_path)
    assert [answer.source for answer in found] == [f"x{i}" for i in range(len(found))]
    assert len(found) > told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source\ttarget\n", "line 1: expected the columns source_graph"),
        (answers_text([ONE]) + "a\tb\n", "line 3: expected 6 columns, got 2"),
        (
            answers_text([ONE, ONE]).replace("same", "perhaps", 1),
            "line 2: the answer must be one of same, different, skip, undo",
        ),
        (answers_text([ONE, ONE._replace(target="")]), "line 3: a graph or an entity"),
    ],
)
def test_a_damaged_file_names_the_line(tmp_path, text, message):
    (tmp_path / ANSWERS).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_answers(tmp_path)
    assert str(tmp_path / ANSWERS) in str(error.value)


def test_bytes_that_are_no_text_name_the_line(tmp_path):
    (tmp_path / ANSWERS).write_bytes(answers_text([ONE]).encode() + b"\xff\n")
    with pytest.raises(ValueError, match="line 3: not UTF-8"):
        read_answers(tmp_path)


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    for wrong in (ONE._replace(answer="maybe"), ONE._replace(source="")):
        with pytest.raises(ValueError, match="an answer for"):
            append_answers(tmp_path, [ONE, wrong])
    assert not (tmp_path / ANSWERS).exists()
    with pytest.raises(FileNotFoundError):
        read_answers(tmp_path / "other.tsv")


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        (["same"], ["same"]),
        (["same", "undo"], []),
        (["undo"], []),
        (["same", "undo", "different"], ["different"]),
        (["same", "different", "undo"], ["same"]),
        (["same", "different"], ["same", "different"]),
        (["same", "same"], ["same"]),
        (["skip"], ["skip"]),
        (["skip", "same"], ["same"]),
        (["same", "skip"], ["same"]),
        (["skip", "skip", "undo"], ["skip"]),
    ],
)
def test_what_stands(said, stands):
    other = ONE._replace(target="Lyon")
    given_answers = [ONE._replace(answer=kind) for kind in said]
    found = standing([other, *given_answers])
    assert found[0] == other
    assert [answer.answer for answer in found[1:]] == stands


names = st.text(min_size=1).filter(lambda text: "\0" not in text)


@settings(max_examples=50)
@given(st.lists(st.builds(Answer, names, names, names, names, st.just("skip"))))
def test_any_name_survives_the_file(tmp_path_factory, answers):
    folder = tmp_path_factory.mktemp("run")
    (folder / ANSWERS).write_text(answers_text(answers), encoding="utf-8", newline="")
    assert read_answers(folder) == answers


def test_times_are_utc():
    assert now().endswith("+00:00")
