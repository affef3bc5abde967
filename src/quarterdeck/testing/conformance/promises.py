"""What every log of promises must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.promises import Because, Bounds, Promise, Stretch
from quarterdeck.ports.promises import Day, Settled
from quarterdeck.testing.builders import START_NS, a_job_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.promises import PromiseLog

JOB, OTHER = a_job_id(1), a_job_id(2)
DAY_S = 86_400


def at(second: float) -> int:
    """So long after the start of all tests."""
    return START_NS + round(second * NS_PER_S)


def a_promise(
    job_id: JobId = JOB, made: float = 0, because: Because = Because.FIRST, why: str = ""
) -> Promise:
    """From 100 to 200 seconds after it was made with one half, from 50 to 400 with nine tenths."""
    return Promise(
        job_id,
        at(made),
        140.5,
        at(made + 150),
        Bounds(at(made + 100), at(made + 200)),
        Bounds(at(made + 50), at(made + 400)),
        because,
        why,
        Stretch(0.25, -0.5),
    )


class PromiseLogConformance:
    """On a fixture `promises`, and `reopened`, which is the same log as a later process sees it."""

    def test_it_gives_back_what_was_promised_in_order(self, promises: PromiseLog) -> None:
        """As it was, the last so many, and each job's own."""
        made = [
            a_promise(),
            a_promise(made=60, because=Because.LONGER, why="it takes longer"),
            a_promise(made=90, because=Because.NODES_LOST, why="a node is away"),
        ]
        promises.add(made)
        promises.add([a_promise(OTHER)])
        assert [one.promise for one in promises.list_promises(JOB, 9)] == made
        assert [one.promise for one in promises.list_promises(JOB, 2)] == made[1:]
        assert promises.list_promises(a_job_id(3), 9) == []

    def test_what_is_open_is_so_until_it_is_settled_or_void(self, promises: PromiseLog) -> None:
        """All promises of a wait end together."""
        renewed = a_promise(made=60, because=Because.SOONER)
        promises.add([a_promise(), a_promise(OTHER), renewed])
        assert promises.list_open() == [a_promise(), a_promise(OTHER), renewed]
        promises.settle([Settled(JOB, at(150)), Settled(OTHER, None)])
        assert promises.list_open() == []
        ends = [(one.started_at_ns, one.is_void) for one in promises.list_promises(JOB, 9)]
        assert ends == [(at(150), False)] * 2
        assert promises.list_promises(OTHER, 9)[0].is_void

    def test_a_later_wait_of_the_same_job_is_another_one(self, promises: PromiseLog) -> None:
        """What was settled stays as it was."""
        promises.add([a_promise()])
        promises.settle([Settled(JOB, at(150))])
        promises.add([a_promise(made=1000)])
        promises.settle([Settled(JOB, at(1900))])
        found = [one.started_at_ns for one in promises.list_promises(JOB, 9)]
        assert found == [at(150), at(1900)]

    def test_the_first_promises_of_the_last_starts_are_what_is_learned_from(
        self, promises: PromiseLog
    ) -> None:
        """In the order of the starts, without renewed and void ones."""
        jobs = [a_job_id(number) for number in range(10, 14)]
        promises.add([a_promise(job_id) for job_id in jobs])
        promises.add([a_promise(jobs[0], 60, Because.LONGER)])
        starts = [at(900), at(300), at(500), None]
        promises.settle([Settled(*one) for one in zip(jobs, starts, strict=True)])
        found = promises.list_settled(9)
        assert [one.promise.job_id for one in found] == [jobs[1], jobs[2], jobs[0]]
        assert [one.promise.job_id for one in promises.list_settled(1)] == [jobs[0]]
        assert all(one.promise.is_first for one in found)

    def test_starts_are_counted_by_day_and_bound(self, promises: PromiseLog) -> None:
        """At first: what was promised when the wait began; at last: before the start."""
        in_half, in_most, missed, late = (a_job_id(number) for number in range(20, 24))
        promises.add([a_promise(one) for one in (in_half, in_most, missed)])
        promises.add([a_promise(missed, 300, Because.LONGER), a_promise(late, DAY_S)])
        promises.settle(
            [Settled(in_half, at(200)), Settled(in_most, at(50)), Settled(missed, at(401))]
        )
        promises.settle([Settled(late, at(DAY_S + 150)), Settled(JOB, at(1))])
        newest, oldest = promises.list_days(9)
        assert (oldest.starts, newest.starts) == (3, 1)
        assert oldest == Day(oldest.day, 3, 1, 2, 2, 3)
        assert newest.day > oldest.day
        assert promises.list_days(1) == [newest]

    def test_what_is_older_is_forgotten_unless_it_is_open(self, promises: PromiseLog) -> None:
        """And only that."""
        promises.add([a_promise(), a_promise(OTHER), a_promise(a_job_id(3), 1000)])
        promises.settle([Settled(JOB, at(150)), Settled(a_job_id(3), at(1100))])
        promises.drop(at(500))
        assert promises.list_promises(JOB, 9) == []
        assert promises.list_open() == [a_promise(OTHER)]
        assert len(promises.list_settled(9)) == 1

    def test_a_later_process_sees_it(
        self, promises: PromiseLog, reopened: Callable[[], PromiseLog]
    ) -> None:
        """Also without an orderly end."""
        promises.add([a_promise(), a_promise(OTHER)])
        promises.settle([Settled(OTHER, at(160))])
        again = reopened()
        assert again.list_open() == [a_promise()]
        assert again.list_settled(1)[0].started_at_ns == at(160)
