import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyg_ibmea.train._interrupt import InterruptGuard


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks_the_second_interrupts(number):
    before = signal.getsignal(number)
    with InterruptGuard() as guard:
        assert not guard.requested
        os.kill(os.getpid(), number)
        assert guard.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_handlers_are_restored_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), InterruptGuard():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_is_left_alone():
    def guarded():
        with InterruptGuard() as guard:
            return signal.getsignal(signal.SIGINT), guard.requested

    with ThreadPoolExecutor(1) as pool:
        handler, requested = pool.submit(guarded).result()
    assert handler is signal.getsignal(signal.SIGINT)
    assert not requested
