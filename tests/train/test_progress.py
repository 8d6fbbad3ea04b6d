import io

from pyg_ibmea.train._progress import Progress

LOSSES = {
    "total": 3.0,
    "hybrid": 1.5,
    "info_nce/graph": 0.25,
    "info_nce/image": 0.5,
    "kl/graph": 700.0,
    "kl/image": 50.0,
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_where_there_is_no_terminal():
    stream = io.StringIO()
    progress = Progress(20, stream=stream)
    progress.update(LOSSES)
    assert stream.getvalue() == ""
    progress.evaluated(5, LOSSES, hits=0.625, best_epoch=5)
    progress.close()
    line = stream.getvalue()
    assert line.startswith(
        "epoch 5/20: loss 3.000 (hybrid 1.500, InfoNCE 0.750, KL 750 nats), "
        "val Hits@1 0.625 (best: epoch 5), "
    )
    assert line.endswith(" s left\n")
    assert line.count("\n") == 1


def test_a_bar_on_a_terminal():
    stream = Terminal()
    progress = Progress(20, start=4, stream=stream)
    progress.update(LOSSES)
    progress.evaluated(5, LOSSES, hits=0.625, best_epoch=5)
    progress.close()
    assert progress.bar.n == 5
    assert "5/20" in stream.getvalue()
    assert "val Hits@1 0.625 (best: epoch 5)" in stream.getvalue()
