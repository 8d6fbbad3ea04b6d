"""What is told of a run, by a clock that the tests turn."""

import io
import sys
from types import SimpleNamespace

import pytest

from pyg_ibmea.train import _progress
from pyg_ibmea.train._progress import Planned, Progress, said_time

LOSSES = {"total": 3.0, "hybrid": 1.5, "info_nce/graph": 0.25, "kl/graph": 700.0}
PLAN = [Planned("choosing the epoch", 20), Planned("judging", 8), Planned("joining", 8)]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def epochs(progress, clock, number, seconds):
    for _ in range(number):
        clock.now += seconds
        progress.update(LOSSES)


def test_a_line_a_minute_where_there_is_no_terminal():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(PLAN, matching=4, stream=stream, clock=clock)
    progress.begin(20)
    epochs(progress, clock, 4, 10)  # 40 s: too soon.
    clock.now += 5
    progress.evaluated(4, LOSSES, hits=0.625, best_epoch=4)
    epochs(progress, clock, 3, 10)  # The second of them is past a minute.
    progress.end()
    progress.match()
    clock.now += 7
    progress.done(matched=True)
    first, minute, last = stream.getvalue().splitlines()
    assert first == "training 1 of 3: choosing the epoch, 20 epochs"
    assert minute == (
        "training 1 of 3: choosing the epoch, epoch 6 of 20: loss 3.000, validation "
        # 14 + 8 + 8 + 4 epochs of 65 / 6 s.
        "Hits@1 0.625 (best: epoch 4), about 6 min left"
    )
    assert last == "done in 1 min: 3 trainings, and all entities matched"


def test_what_is_left_counts_all_trainings_and_the_matches():
    clock = Clock()
    progress = Progress(PLAN, matching=4, stream=io.StringIO(), clock=clock)
    progress.begin(20)
    assert progress.seconds_left() is None
    epochs(progress, clock, 5, 2)
    assert progress.seconds_left() == pytest.approx(2 * (15 + 8 + 8 + 4))
    progress.end()  # Early.
    clock.now += 1000  # What comes between is no epoch.
    progress.begin(6)  # Of 8.
    assert progress.seconds_left() == pytest.approx(2 * (6 + 8 + 4))
    epochs(progress, clock, 6, 3)
    mean = (4 * 2 + 6 * 3) / 10
    assert progress.seconds_left() == pytest.approx(mean * (8 + 4))
    progress.end()
    progress.begin(8, start=8)  # Resumed: it was done.
    assert progress.seconds_left() == pytest.approx(mean * 4)


def test_a_resumed_training_says_where_it_goes_on():
    stream = io.StringIO()
    progress = Progress(PLAN, stream=stream)
    progress.begin(20, start=6)
    assert stream.getvalue().endswith("choosing the epoch, from epoch 7 of 20\n")


def test_without_matches_and_with_one_training():
    stream, clock = io.StringIO(), Clock()
    progress = Progress(PLAN[:1], stream=stream, clock=clock)
    progress.begin(20)
    clock.now += 3
    progress.done(matched=False)
    assert stream.getvalue().splitlines()[-1] == "done in 3 s: 1 training"


def test_a_bar_on_a_terminal_spans_all_trainings():
    stream = Terminal()
    progress = Progress(PLAN, stream=stream)
    progress.begin(20, start=4)
    progress.update(LOSSES)
    progress.evaluated(5, LOSSES, hits=0.625, best_epoch=5)
    assert (progress.bar.n, progress.bar.total) == (5, 36)
    progress.clear()
    progress.end()
    progress.begin(6)
    progress.update(LOSSES)
    bar = progress.bar
    assert (bar.n, bar.total) == (6, 19)
    progress.match()
    progress.done(matched=True)
    text = stream.getvalue()
    for part in (
        "training 1 of 3: choosing the epoch",
        "5/36",
        "5/36, about 0 s left, validation Hits@1 0.625 (best: epoch 5), loss 3.000",
        "training 2 of 3: judging",
        "matching all entities",
    ):
        assert part in text
    assert text.splitlines()[-1].startswith("done in 0 s: 3 trainings, and all")


def test_a_widget_in_a_notebook(monkeypatch):
    class ZMQInteractiveShell:
        pass

    made = []

    def widget(**options):
        made.append(options)
        return SimpleNamespace(
            set_description_str=lambda *_, **__: None,
            set_postfix_str=lambda *_, **__: None,
            clear=lambda: None,
            refresh=lambda: None,
            close=lambda: None,
        )

    module = SimpleNamespace(get_ipython=ZMQInteractiveShell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setattr(_progress, "tqdm", widget)
    progress = Progress(PLAN, stream=io.StringIO())
    progress.begin(20)
    assert len(made) == 1
    assert progress.bar.total == 36


def test_silence():
    stream = io.StringIO()
    progress = Progress(PLAN, stream=stream, silent=True)
    progress.begin(20)
    progress.update(LOSSES)
    progress.evaluated(1, LOSSES, hits=0.5, best_epoch=1)
    progress.end()
    progress.match()
    progress.done(matched=True)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59, "59 s"), (90, "2 min"), (7000, "117 min"), (9000, "2.5 h")],
)
def test_time_as_people_say_it(seconds, said):
    assert said_time(seconds) == said
