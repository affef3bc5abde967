"""A worker takes turns for as long as it is not closed."""

from __future__ import annotations

import threading
from functools import partial
from itertools import count

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.wiring.worker import Worker

LONG_S = 1000.0
PATIENCE_S = 20.0


def test_a_worker_turns_at_once_and_again_when_woken() -> None:
    turns = threading.Semaphore(0)
    worker = Worker("test", turns.release, every_s=LONG_S)
    worker.start()
    assert turns.acquire(timeout=PATIENCE_S)
    worker.wake()
    assert turns.acquire(timeout=PATIENCE_S)
    worker.close()


def test_a_turn_with_more_to_do_is_followed_by_another() -> None:
    left = iter([True, True, False])
    done = threading.Event()

    def turn() -> bool:
        has_more = next(left)
        if not has_more:
            done.set()
        return has_more

    worker = Worker("test", turn, every_s=LONG_S)
    worker.start()
    assert done.wait(PATIENCE_S)
    worker.close()


def test_a_worker_rests_as_long_as_it_was_busy_by_the_measure_it_is_given() -> None:
    """By a clock on which each turn takes very long, there is no second one."""
    for hours, turns_wanted in ((0.0, 3), (1.0, 1)):
        clock = count(0.0, hours * 3600)
        turns = threading.Semaphore(0)
        worker = Worker("test", turns.release, every_s=0.001, measure=partial(next, clock))
        worker.start()
        for _ in range(turns_wanted):
            assert turns.acquire(timeout=PATIENCE_S)
        assert turns.acquire(timeout=0.1) is (hours == 0.0)
        worker.close()


def test_a_turn_that_is_due_comes_unasked() -> None:
    due = iter([0.01, 0.01])
    turns = threading.Semaphore(0)
    worker = Worker("test", turns.release, every_s=LONG_S, due_in_s=lambda: next(due, None))
    worker.start()
    for _ in range(3):
        assert turns.acquire(timeout=PATIENCE_S)
    worker.close()


def test_failures_are_survived_whoever_made_them() -> None:
    failures = iter([Stale("look again"), Unavailable("later"), RuntimeError("a bug")])
    done = threading.Event()

    def turn() -> None:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        done.set()

    worker = Worker("test", turn, every_s=LONG_S)
    worker.start()
    assert done.wait(PATIENCE_S)
    worker.close()


def test_closing_waits_for_the_turn_that_runs() -> None:
    began, go_on, ended = (threading.Event() for _ in range(3))

    def turn() -> None:
        began.set()
        go_on.wait(PATIENCE_S)
        ended.set()

    worker = Worker("test", turn, every_s=LONG_S)
    worker.start()
    assert began.wait(PATIENCE_S)
    closing = threading.Thread(target=worker.close)
    closing.start()
    go_on.set()
    closing.join(PATIENCE_S)
    assert ended.is_set()
    assert not closing.is_alive()
