"""Batch jobs are handed in several at once, and told of by whoever asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.handins import AT_ONCE, HandIns
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.tickets import SUBMITTING, Ticket
from quarterdeck.adapters.spool.locks import is_held
from quarterdeck.basics.errors import Unavailable

WAIT_S = 20


class Counter(SlurmCommands):
    """An sbatch that answers when it is let, with one more each time."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.given = iter(range(1, 100))

    def submit(self, request: BatchRequest, kept_open: Sequence[int] = ()) -> int:
        assert kept_open, "sbatch holds the lock"
        self.inside.release()
        assert self.go_on.acquire(timeout=WAIT_S)
        if request.name == "away":
            raise Unavailable("nobody is there")
        return next(self.given)


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    yield made
    for _ in range(100):
        made.go_on.release()


def ticket(folder: Path, name: str = "job") -> Ticket:
    request = BatchRequest(script="#!/bin/sh\n", name=name, comment="c", nodes=("n1",))
    folder.mkdir()
    return Ticket(folder, request)


def test_several_are_handed_in_at_once_and_no_more(counter: Counter, tmp_path: Path) -> None:
    hand_ins, answers = HandIns(counter), list[Future[int]]()
    for number in range(AT_ONCE + 1):
        hand_ins.begin(ticket(tmp_path / str(number)), answers.append)
    for _ in range(AT_ONCE):
        assert counter.inside.acquire(timeout=WAIT_S)
    assert not counter.inside.acquire(blocking=False)
    hand_ins.settle()
    assert answers == []
    for _ in range(AT_ONCE + 1):
        counter.go_on.release()
    assert counter.inside.acquire(timeout=WAIT_S)
    hand_ins.close()
    hand_ins.settle()
    assert sorted(answer.result() for answer in answers) == list(range(1, AT_ONCE + 2))
    hand_ins.settle()
    assert len(answers) == AT_ONCE + 1, "each is told of once"


def test_one_that_cannot_be_told_of_keeps_none_of_the_others(
    counter: Counter, tmp_path: Path
) -> None:
    hand_ins, answers = HandIns(counter), list[Future[int]]()

    def fail(answer: Future[int]) -> None:
        answers.append(answer)
        raise Unavailable("the disk is full")

    hand_ins.begin(ticket(tmp_path / "1", "away"), fail)
    assert counter.inside.acquire(timeout=WAIT_S)
    counter.go_on.release()
    hand_ins.begin(ticket(tmp_path / "2"), answers.append)
    assert counter.inside.acquire(timeout=WAIT_S)
    counter.go_on.release()
    hand_ins.close()
    with pytest.raises(Unavailable, match="the disk is full"):
        hand_ins.settle()
    hand_ins.settle()
    first, second = answers
    assert isinstance(first.exception(), Unavailable)
    assert second.result() == 1


def test_who_calls_off_has_none_handed_in_that_waits(counter: Counter, tmp_path: Path) -> None:
    hand_ins, answers = HandIns(counter), list[Future[int]]()
    tickets = [ticket(tmp_path / str(number)) for number in range(AT_ONCE + 2)]
    for one in tickets:
        hand_ins.begin(one, answers.append)
    for _ in range(AT_ONCE):
        assert counter.inside.acquire(timeout=WAIT_S)
    hand_ins.call_off()
    hand_ins.settle()
    assert [answer.cancelled() for answer in answers] == [True, True]
    locked = [is_held(one.folder / SUBMITTING) for one in tickets]
    assert locked == [True] * AT_ONCE + [False] * 2
    for _ in range(AT_ONCE):
        counter.go_on.release()
    hand_ins.close()
    hand_ins.settle()
    assert sorted(answer.result() for answer in answers[2:]) == list(range(1, AT_ONCE + 1))


def test_who_closes_waits_for_those_under_way_and_begins_no_other(
    counter: Counter, tmp_path: Path
) -> None:
    hand_ins = HandIns(counter)
    for number in range(AT_ONCE + 2):
        hand_ins.begin(ticket(tmp_path / str(number)), lambda _: None)
    for _ in range(AT_ONCE):
        assert counter.inside.acquire(timeout=WAIT_S)
    closing = threading.Thread(target=hand_ins.close)
    closing.start()
    assert closing.is_alive()
    for _ in range(AT_ONCE):
        counter.go_on.release()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert next(counter.given) == AT_ONCE + 1
