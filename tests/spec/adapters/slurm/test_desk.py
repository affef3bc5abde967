"""What becomes of batch jobs that are handed in, with a Slurm that answers when it is let."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

import pytest

from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.desk import Batch, Desk
from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.handins import AT_ONCE
from quarterdeck.adapters.engines.slurm.records import (
    Listing,
    SlurmJob,
    SlurmNode,
    SlurmPartition,
    SlurmReservation,
    Switch,
)
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.adapters.engines.slurm.tickets import Ticket, load_ticket
from quarterdeck.basics.errors import Unavailable

WAIT_S = 20


class Slurm(SlurmCommands):
    """Has one partition and no job. `answers`: what sbatch says, once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Semaphore(0)
        self.submitted: list[str] = []
        self.answers: dict[str, Exception] = {}

    def list_partitions(self) -> Listing[SlurmPartition]:
        return Listing((SlurmPartition("main", ("n1",), "UP", True, None, None, True, ()),))

    def list_reservations(self) -> Listing[SlurmReservation]:
        return Listing(())

    def show_topology(self) -> Listing[Switch]:
        return Listing(())

    def list_nodes(self) -> Listing[SlurmNode]:
        return Listing(())

    def list_jobs(self) -> Listing[SlurmJob]:
        return Listing(())

    def submit(self, request: BatchRequest, kept_open: Sequence[int] = ()) -> int:
        assert kept_open
        self.submitted.append(request.name)
        assert self.go_on.acquire(timeout=WAIT_S)
        if request.name in self.answers:
            raise self.answers[request.name]
        return 70 + len(self.submitted)


@pytest.fixture
def slurm() -> Slurm:
    return Slurm()


@pytest.fixture
def desk(slurm: Slurm) -> Iterator[Desk]:
    made = Desk(slurm, SlurmSettings())
    yield made
    for _ in range(100):
        slurm.go_on.release()
    made.close()


def make_batch(folder: Path, name: str) -> Batch:
    request = BatchRequest(script="#!/bin/sh\n", name=name, comment=name, nodes=("n1",))
    (folder / name).mkdir()
    return Batch(Ticket(folder / name, request))


def read(batch: Batch) -> Ticket:
    found = load_ticket(batch.ticket.folder, batch.ticket.request.comment)
    assert found is not None
    return found


def no_refusal(told: str) -> None:
    raise AssertionError(told)


def settle(desk: Desk, *batches: Batch) -> None:
    until, pause = monotonic() + WAIT_S, threading.Event()
    while any(batch.is_underway for batch in batches):
        assert monotonic() < until
        desk.settle()
        pause.wait(0.005)


def test_one_under_way_has_no_news_until_a_look_after_its_answer(
    desk: Desk, slurm: Slurm, tmp_path: Path
) -> None:
    batch = make_batch(tmp_path, "a")
    desk.submit(batch, no_refusal)
    assert read(batch).is_asked, "written before Slurm may have it"
    assert not desk.has_news(batch)
    slurm.go_on.release()
    settle(desk, batch)
    assert read(batch).job == 71
    assert not desk.has_news(batch), "that look was asked for before"


def test_while_slurm_is_away_what_waits_for_an_sbatch_is_not_handed_in(
    desk: Desk, slurm: Slurm, tmp_path: Path
) -> None:
    batches = [make_batch(tmp_path, str(number)) for number in range(AT_ONCE + 3)]
    slurm.answers = {str(number): Unavailable("sbatch: no answer") for number in range(AT_ONCE)}
    for batch in batches:
        desk.submit(batch, no_refusal)
    until, pause = monotonic() + WAIT_S, threading.Event()
    while len(slurm.submitted) < AT_ONCE:
        assert monotonic() < until
        pause.wait(0.005)
    slurm.go_on.release()
    while desk.is_open:
        assert monotonic() < until
        desk.settle()
        pause.wait(0.005)
    for _ in range(AT_ONCE):
        slurm.go_on.release()
    settle(desk, *batches)
    assert "no answer" in desk.problem
    # The one whose place became free may have begun before that was known.
    assert len(slurm.submitted) <= AT_ONCE + 1
    assert not any(batch.ticket.is_asked for batch in batches[AT_ONCE + 1 :])
    assert not any(read(batch).is_asked for batch in batches[AT_ONCE + 1 :])
    before = list(slurm.submitted)
    desk.submit(batches[-1], no_refusal)
    assert (slurm.submitted, batches[-1].is_underway) == (before, False)


def test_what_is_refused_for_good_is_told_and_what_will_pass_is_not(
    desk: Desk, slurm: Slurm, tmp_path: Path
) -> None:
    told: list[str] = []
    causes = {"bad": Cause.NODES, "full": Cause.LIMIT, "account": Cause.ACCOUNT}
    slurm.answers = {name: SlurmRefused(name, cause) for name, cause in causes.items()}
    batches = [make_batch(tmp_path, name) for name in causes]
    for batch in batches:
        desk.submit(batch, told.append)
        slurm.go_on.release()
    settle(desk, *batches)
    assert [line.partition(";")[0] for line in told] == ["Slurm refused it: bad"]
    assert not any(batch.ticket.is_asked for batch in batches)
    assert "takes no jobs of this site: account" in desk.problem
