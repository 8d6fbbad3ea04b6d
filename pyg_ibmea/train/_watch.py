"""Noticing at once that another process has ended.

Each process holds a connection to the first one. The system closes it when a process
ends, however it does, and its keepalive finds machines that have vanished: there is no
heartbeat that could be late because a process is busy.
"""

from __future__ import annotations

import _thread
import os
import secrets
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

DONE, STOPPED, FAILED, LOST = "done", "stopped", "failed", "lost"
_STATUS = {STOPPED: 130, FAILED: 1, LOST: 1}
# From news of an end until the process ends, whatever it is doing. torchrun kills what
# is still there after 30 s.
_GRACE = 15.0  # s
_CONNECTING = 60.0  # s
# Of idle connections: half a minute until a machine that does not answer is given up.
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass(frozen=True)
class End:
    """How a process ended.

    Args:
        kind (str): ``'done'``, ``'stopped'`` (by a signal), ``'failed'`` (with an error
            that it tells) or ``'lost'`` (without a word).
        rank (int): Which process.
    """

    kind: str
    rank: int

    @property
    def status(self) -> int:
        """The exit status of all others."""
        return _STATUS[self.kind]


class Watch:
    """A connection to the first process or, in the first, to all others.

    News that a process has ended before its time reach all of them: their main threads
    are interrupted, and after some seconds they end even where they wait for an answer
    that will never come.

    Args:
        rank (int): This process.
        names (sequence of str): What each process is called in messages.
        peers (dict): By rank, the connections.
    """

    def __init__(
        self, rank: int, names: Sequence[str], peers: Mapping[int, socket.socket]
    ):
        self.rank = rank
        self.names = list(names)
        self.end: End | None = None
        self._peers = dict(peers)
        self._open = set(peers)
        self._done: set[int] = set()
        self._news = threading.Condition()
        self._told = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    @classmethod
    def connect(
        cls,
        rank: int,
        count: int,
        host: str,
        exchange: Callable[[object], list[object]],
    ) -> Watch:
        """Connects all processes to the first.

        Args:
            rank (int): This process.
            count (int): How many there are.
            host (str): Where the others find the first; ``'127.0.0.1'`` if all are on
                one machine.
            exchange (callable): From an object of each process to the list of all.

        Raises:
            OSError: If the first process cannot be reached.
        """
        name = (
            f"process {rank} of {count} (pid {os.getpid()} on {socket.gethostname()})"
        )
        if rank > 0:
            address: Any
            address, *others = exchange(name)
            port, token, first = address
            peer = socket.create_connection((host, port), _CONNECTING)
            peer.sendall(f"{token} {rank}\n".encode())
            names = [first, *map(str, others)]
            return cls(rank, names, {0: _kept_alive(peer)})
        token = secrets.token_hex(16)
        with _listen(host) as server:
            _, *others = exchange((server.getsockname()[1], token, name))
            server.settimeout(_CONNECTING)
            peers: dict[int, socket.socket] = {}
            while len(peers) < count - 1:
                peer, _ = server.accept()
                peer.settimeout(_CONNECTING)
                found, _, number = _line(peer).partition(" ")
                if secrets.compare_digest(found, token):
                    peers[int(number)] = _kept_alive(peer)
                else:  # Whoever it was, it is none of ours.
                    peer.close()
        return cls(rank, [name, *map(str, others)], peers)

    def start(self) -> None:
        """From now on this process may be interrupted by news."""
        self._thread.start()

    def tell(self, kind: str) -> None:
        """Tells the others how this process ends; from then on no news end it, but one
        that is done, and is not the first, waits for that.
        """
        with self._news:
            self._told = self._told or kind != DONE or self.rank == 0
        self._send(f"{kind} {self.rank}\n", self._peers)

    def wait(self, seconds: float | None = None) -> End | None:
        """Waits until another process has ended before its time, or the first is done.

        Args:
            seconds (float, optional): How long, at most. (default: for ever)
        """
        with self._news:
            self._news.wait_for(lambda: self.end is not None, seconds)
            return self.end

    def wait_for_all(self) -> None:
        """Waits, in the first process, until all others are done."""
        with self._news:
            every = self._peers.keys()
            self._news.wait_for(lambda: self._done == every or self.end is not None)

    def close(self) -> None:
        """Closes the connections, at the end."""
        for peer in self._peers.values():
            with suppress(OSError):  # The other has closed it.
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def _send(self, line: str, ranks: Mapping[int, object] | set[int]) -> None:
        for rank in sorted(ranks):
            try:
                self._peers[rank].sendall(line.encode())
            except OSError:  # It has ended, which the thread finds.
                continue

    def _read(self) -> None:
        """What the thread does: it reads until all connections are closed."""
        with selectors.DefaultSelector() as waiting:
            for rank, peer in self._peers.items():
                waiting.register(peer, selectors.EVENT_READ, rank)
            while self._open:
                for key, _ in waiting.select():
                    line = _line(self._peers[key.data])
                    if line:
                        self._heard(line, key.data)
                        continue
                    waiting.unregister(key.fileobj)
                    self._open.discard(key.data)
                    self._heard(f"{LOST} {key.data}", key.data)

    def _heard(self, line: str, sender: int) -> None:
        kind, _, number = line.partition(" ")
        end = End(kind, int(number))
        # The main thread goes on, and may end, only when all has been told.
        with self._news:
            if kind == DONE:
                self._done.add(sender)
            # The others' work is done when there is nothing left to do but to wait.
            if self.end is None and (kind != DONE or self.rank > 0):
                self.end = end
                if kind != DONE and not self._told:
                    self._pass_on(end, sender)
            self._news.notify_all()

    def _pass_on(self, end: End, sender: int) -> None:
        """Tells the others, and a person, and ends this process."""
        if self.rank == 0:
            self._send(f"{end.kind} {end.rank}\n", self._open - {sender})
        if end.kind == LOST and self.rank == (1 if end.rank == 0 else 0):
            sys.stderr.write(_epitaph(self.names[end.rank]))
            sys.stderr.flush()
        timer = threading.Timer(_GRACE, os._exit, [end.status])
        timer.daemon = True
        timer.start()
        _interrupt_main_thread()


def _interrupt_main_thread() -> None:
    """As Ctrl-C does, also where the system lets it sleep."""
    if hasattr(signal, "pthread_kill"):
        number = threading.main_thread().ident
        assert number is not None
        signal.pthread_kill(number, signal.SIGINT)
    else:  # Windows.
        _thread.interrupt_main()


def _epitaph(name: str) -> str:
    return (
        f"error: {name} has ended without a word (was it killed, perhaps for want of "
        "memory?), and all others end with it; go on from the last checkpoint by the "
        "same command with --resume\n"
    )


def _listen(host: str) -> socket.socket:
    """A socket that this machine, or all, can connect to."""
    if host == "127.0.0.1":
        return socket.create_server((host, 0))
    if socket.has_dualstack_ipv6():
        family = socket.AF_INET6
        return socket.create_server(("", 0), family=family, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _kept_alive(peer: socket.socket) -> socket.socket:
    peer.settimeout(None)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return peer


def _line(peer: socket.socket) -> str:
    """A line; empty if the connection was closed. Lines are short and few, and none is
    read further than its end.
    """
    read = b""
    while not read.endswith(b"\n"):
        try:
            byte = peer.recv(1)
        except OSError:
            return ""
        if not byte or len(read) > 100:
            return ""
        read += byte
    return read.decode("ascii", "replace").strip()
