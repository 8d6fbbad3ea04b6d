# ruff: noqa: F401, F811
import pytest
from reviewed_run import alignment, data, files, make_session, run

from pyg_ibmea.review import StaleQuestionError
from pyg_ibmea.review.session import numbered
from pyg_ibmea.train import read_answers


def pair_of(question):
    return question["source"]["uri"][-2:], question["target"]["uri"][-2:]


def test_questions_follow_one_another_and_answers_are_kept(make_session, run):
    session = make_session()
    assert len(session.rows) == 6
    assert pair_of(session.question()) == ("e2", "e2")
    assert session.question()["confidence"] == 0.5
    session.answer(0, "same")
    second = pair_of(session.question())
    session.answer(1, "different")
    session.answer(2, "skip")
    [first, *rest] = read_answers(run)
    assert first[:5] == ("a", "b", "http://a.org/e2", "http://b.org/e2", "same")
    assert [answer.answer for answer in rest] == ["different", "skip"]
    assert rest[0].source[-2:] == second[0]
    found = session.progress
    assert (found.done, found.questions) == (3, 6)
    assert (found.same, found.different, found.skipped) == (1, 1, 1)


def test_neighbours_of_what_was_asked_wait(make_session):
    session = make_session()
    order = [session.match(i).source[-2:] for i in range(6)]
    assert order.index("e3") > order.index("e4")  # e3 is next to e2.


def test_the_next_session_asks_about_the_rest(make_session):
    first = make_session(number=2)
    first.answer(0, "same")
    first.answer(1, "skip")
    second = make_session()
    assert len(second.rows) == 4
    asked = {second.match(i).source for i in range(4)}
    assert not asked & {first.match(i).source for i in range(2)}
    assert (second.progress.same, second.progress.skipped) == (1, 1)


def test_undo_asks_again_and_nothing_is_erased(make_session, run):
    session = make_session()
    assert session.undo() is False
    session.answer(0, "same")
    assert session.undo() is True
    assert session.question()["number"] == 0
    session.answer(0, "different")
    told = [answer.answer for answer in read_answers(run)]
    assert told == ["same", "undo", "different"]
    assert (session.progress.same, session.progress.different) == (0, 1)
    assert make_session().progress.different == 1


def test_only_the_question_that_is_asked_can_be_answered(make_session, run):
    session = make_session(number=1)
    with pytest.raises(StaleQuestionError, match="question 2 is not asked"):
        session.answer(1, "same")
    with pytest.raises(ValueError, match="must be same, different or skip"):
        session.answer(0, "undo")
    session.answer(0, "same")
    for number in (0, 1):
        with pytest.raises(StaleQuestionError):
            session.answer(number, "same")
    assert session.question() is None
    assert len(read_answers(run)) == 1


def test_when_it_is_enough(make_session, monkeypatch):
    session = make_session()
    assert session.num_known == 2
    assert session.progress.said.startswith("10 more answers make a new training")
    monkeypatch.setattr("pyg_ibmea.review.session._AT_LEAST", 2)
    session.answer(0, "skip")
    session.answer(1, "same")
    assert session.progress.said.startswith("1 more answer makes a new training")
    assert not session.progress.enough
    session.answer(2, "different")
    assert session.progress.enough
    assert session.progress.said.startswith("Enough for now: 1 same, 1 different.")
    assert "2 answers are in" in session.farewell
    assert session.farewell.endswith(f"pyg-ibmea train --continue {session.run}")


def test_when_no_question_is_left(make_session):
    session = make_session(number=1)
    session.answer(0, "skip")
    assert session.progress.said.startswith("No question is left: 0 same")


def test_matches_of_other_files(alignment, data):
    found = numbered(alignment, data)
    assert found.source.tolist() == [5, 2, 7, 3, 4, 6]
    assert [m.source for m in found] == [m.source for m in alignment]
    data.uri["b"][7] = "another"
    with pytest.raises(ValueError, match="graph 'b' has no such entity"):
        numbered(alignment, data)
