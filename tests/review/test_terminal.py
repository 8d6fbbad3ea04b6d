# ruff: noqa: F401, F811
from reviewed_run import alignment, data, files, make_session, run

from pyg_ibmea.review.terminal import ask_in_terminal, question_text
from pyg_ibmea.train import read_answers


def talk(session, keys):
    keys, said = iter(keys), []

    def read(prompt):
        try:
            return next(keys)
        except StopIteration:
            raise EOFError from None

    ask_in_terminal(session, read, said.append)
    return "\n".join(said)


def test_a_review_in_a_terminal(make_session, run):
    text = talk(make_session(), ["u", "s", "u", "D ", "?", "k", "q", "s"])
    told = [answer.answer for answer in read_answers(run)]
    assert told == ["same", "undo", "different", "skip"]
    assert "nothing to undo" in text
    assert "'?' is none of s, d, k, u, q" in text
    assert "Question 1 of 6: the same? (confidence 0.50, score 0.25)" in text
    assert "  a: Two, http://a.org/e2" in text
    assert "      near → <b>Three</b>" in text
    assert "      height: 12.5" in text


def test_it_ends_with_the_input_or_the_questions(make_session, run):
    talk(make_session(), [])
    assert read_answers(run) == []
    talk(make_session(), ["s"] * 9)
    assert len(read_answers(run)) == 6


def test_names_cannot_steer_the_terminal(make_session):
    question = make_session().question()
    question["source"]["name"] = "red \x1b[31m and \u202eback, 👩\u200d🚀"
    text = question_text(question, 6)
    assert "\x1b" not in text
    assert "red \\u001b[31m and \\u202eback, 👩\u200d🚀" in text
