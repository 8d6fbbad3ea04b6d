"""Processes that tests start, by torchrun or, within milliseconds, without it."""

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

from forked_processes import FORKED

ROOT = Path(__file__).parents[2]


def torchrun(count, *words, cwd, **options):
    """Starts processes on this machine; ``words`` are a script and its arguments."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    launch = ("-m", "torch.distributed.run", "--standalone")
    return subprocess.Popen(
        [sys.executable, *launch, f"--nproc-per-node={count}", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class Forked:
    """The same without torchrun, so that nobody but themselves can end them.

    Args:
        count (int): How many.
        words (sequence): A script, or ``-m`` and a module, and its arguments.
        folder (Path): Where their output goes.
    """

    def __init__(self, count, words, folder):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        words = [str(word) for word in words]
        self.files = [folder / f"output.{rank}.txt" for rank in range(count)]
        self.all = [
            FORKED.Process(
                target=_run, args=(rank, count, port, words, os.fspath(file))
            )
            for rank, file in enumerate(self.files)
        ]
        for file, process in zip(self.files, self.all, strict=True):
            file.touch()
            process.start()

    def end(self, seconds):
        """Exit statuses and outputs, in time."""
        for process in self.all:
            process.join(seconds)
        late = [process for process in self.all if process.is_alive()]
        for process in late:
            process.kill()
        assert not late, [file.read_text() for file in self.files]
        codes = [process.exitcode for process in self.all]
        return codes, [file.read_text() for file in self.files]


def _run(rank, count, port, words, told):
    number = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(number, 1)
    os.dup2(number, 2)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
    numbers |= {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "OMP_NUM_THREADS": 1}
    os.environ |= {name: str(number) for name, number in numbers.items()}
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
