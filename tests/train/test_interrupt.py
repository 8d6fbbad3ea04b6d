import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyg_ibmea.train._interrupt import InterruptGuard, Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_stops_the_second_interrupts(number):
    before = signal.getsignal(number)
    with InterruptGuard(lambda: "epoch 7") as guard:
        guard.check()
        with pytest.raises(Stopped, match=r"^epoch 7$"):
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt) as second:
            os.kill(os.getpid(), number)
        assert not isinstance(second.value, Stopped)
    assert signal.getsignal(number) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_request_that_python_drops_is_met_at_the_next_step():
    class Collected:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)

    with InterruptGuard() as guard:
        collected = [Collected()]
        collected.clear()
        with pytest.raises(Stopped):
            guard.check()


def test_handlers_are_restored_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), InterruptGuard():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_is_left_alone():
    def guarded():
        with InterruptGuard() as guard:
            guard.check()
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        handler = pool.submit(guarded).result()
    assert handler is signal.getsignal(signal.SIGINT)
