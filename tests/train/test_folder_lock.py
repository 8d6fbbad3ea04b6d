"""One process at a time writes into a run folder."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from pyg_ibmea.train import RunFolder
from pyg_ibmea.train import _folder_lock as folder_lock
from pyg_ibmea.train._folder_lock import LOCK, locked, refuse_if_locked

HOLDER = """
import sys, time
from pathlib import Path
from pyg_ibmea.train._folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def record(**changes):
    return json.dumps({**folder_lock._this_process(), **changes})


def test_the_second_is_refused_and_told_who_is_first(tmp_path):
    refuse_if_locked(tmp_path)
    with locked(tmp_path):
        found = json.loads((tmp_path / LOCK).read_text())
        assert found["pid"] == os.getpid()
        told = rf"written by process {os.getpid()} on .* \(since 20.*\); wait"
        with pytest.raises(BlockingIOError, match=told):
            refuse_if_locked(tmp_path)
        with pytest.raises(BlockingIOError, match=told), locked(tmp_path):
            pass
        assert json.loads((tmp_path / LOCK).read_text()) == found
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"process {holder.pid} on"):
            refuse_if_locked(tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    refuse_if_locked(tmp_path)
    with (
        pytest.warns(UserWarning, match=f"left by process {holder.pid} .*taken over"),
        locked(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_of_another_machine_is_not(tmp_path):
    (tmp_path / LOCK).write_text(record(host="elsewhere", boot="other"))
    with (
        pytest.raises(BlockingIOError, match=r"on elsewhere .* remove .*run\.lock"),
        locked(tmp_path),
    ):
        pass
    assert (tmp_path / LOCK).exists()


# Another container of this machine; killed while it wrote the lock.
@pytest.mark.parametrize("left", [record(host="container"), '{"pid": 17, "ho'])
def test_what_can_be_seen_to_have_ended_is(tmp_path, left):
    (tmp_path / LOCK).write_text(left)
    with pytest.warns(UserWarning, match="taken over"), locked(tmp_path):
        pass


def test_a_file_system_without_locks_goes_by_the_process(tmp_path, monkeypatch):
    def flock(number, how):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(folder_lock.fcntl, "flock", flock)
    refuse_if_locked(tmp_path)
    with locked(tmp_path), pytest.raises(BlockingIOError), locked(tmp_path):
        pass
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    (tmp_path / LOCK).write_text(record(pid=int(ended.stdout)))
    with pytest.warns(UserWarning, match="taken over"), locked(tmp_path):
        pass


def test_a_lock_that_its_owner_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    flock, calls = folder_lock.fcntl.flock, []

    def removed_first(number, how):
        calls.append(number)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()
        flock(number, how)

    monkeypatch.setattr(folder_lock.fcntl, "flock", removed_first)
    with locked(tmp_path):
        assert len(calls) == 2
        with pytest.raises(BlockingIOError):
            refuse_if_locked(tmp_path)


def test_a_look_at_the_lock_does_not_refuse_its_owner(tmp_path, monkeypatch):
    flock, looks = folder_lock.fcntl.flock, []

    def looked_at(number, how):
        looks.append(how)
        if len(looks) == 1:
            raise BlockingIOError
        flock(number, how)

    monkeypatch.setattr(folder_lock.fcntl, "flock", looked_at)
    with locked(tmp_path):
        assert len(looks) == 2


def test_a_run_that_another_finished_meanwhile_is_not_overwritten(tmp_path):
    run = RunFolder(tmp_path / "run", {"lr": 0.1})
    other = RunFolder(tmp_path / "run", {"lr": 0.1})
    with other.locked():
        other.start()
    with (
        pytest.raises(FileExistsError, match="already holds another run"),
        run.locked(),
    ):
        pass
    assert sorted(os.listdir(run.path)) == ["config.json"]


def test_a_lock_that_was_left_does_not_fill_a_folder(tmp_path):
    (tmp_path / LOCK).write_text(record(pid=2**22 + 1))
    run = RunFolder(tmp_path, {})
    with pytest.warns(UserWarning, match="taken over"), run.locked():
        run.start()


@pytest.mark.parametrize(
    "text", ['{"pid": "x"}', '{"pid": -1}', '{"pid": 1e400}', "[" * 99_999, "\x00", "7"]
)
def test_a_lock_that_was_edited_is_taken_over(text, tmp_path):
    (tmp_path / "run.lock").write_text(text)
    told = pytest.warns(UserWarning, match="was left by another process")
    with told, locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
