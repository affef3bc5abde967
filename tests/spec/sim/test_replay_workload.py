"""What ran in a while, as a workload: worked out by hand from a short history."""

from __future__ import annotations

import csv
from dataclasses import replace

from quarterdeck.control.cancel import cancel
from quarterdeck.control.hold import hold, release
from quarterdeck.control.needs import settle_needs
from quarterdeck.control.reorder import reorder
from quarterdeck.control.requeue import requeue
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Priority, Retry
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.formats.outages import read_outages
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Cut, Outage, OutageKind
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.sim.replay.export import COLUMNS, count_simplified, outages_csv, workload_csv
from quarterdeck.sim.replay.workload import (
    CHECKPOINT_S,
    NEVER_RAN,
    STILL_RUNS,
    STILL_WAITS,
    TRIED,
    Told,
)
from quarterdeck.testing.builders import START_NS, a_demand, a_job_spec
from tests.spec.control.desk import exited, lost
from tests.spec.sim.clocked import BIG, SMALL, Clocked


def named(told: Told) -> dict[str, SimJob]:
    begun = [one.job for one in told.begun]
    return {job.name: job for job in (*told.jobs, *begun)}


def test_a_job_comes_when_it_was_submitted_and_runs_as_long_as_it_held_its_devices() -> None:
    site = Clocked()
    spec = a_job_spec(demand=a_demand(1, 8), team="red", priority=Priority.HIGH, time_limit_s=300.0)
    job = site.submit(10, spec)
    site.place(25)
    site.end(85, job)
    told = site.tell()
    (made,) = told.jobs
    assert (made.name, made.submit_s, made.duration_s) == (job.id, 10.0, 60.0)
    assert (made.team, made.user, made.priority) == ("red", "ada", Priority.HIGH)
    assert (made.estimate_s, made.checkpoint_s) == (300.0, None)
    assert made.demand == a_demand(1, 8)
    (real,) = told.really
    assert (real.start_s, real.end_s, real.lost_s) == (25.0, 85.0, 0.0)
    assert not told.remarks


def test_a_job_counts_in_the_queue_from_the_time_of_the_place_that_it_has_taken() -> None:
    site = Clocked()
    running, first, second = (site.submit(at_s, BIG) for at_s in (1, 10, 20))
    site.place(20)
    reorder(site.desk.plane, [second.id, first.id], "ada")
    for job, ends_s in ((running, 30), (second, 40), (first, 50)):
        site.end(ends_s, job)
        site.place(ends_s)
    jobs = named(site.tell())
    assert [(jobs[it.id].submit_s, jobs[it.id].since_s) for it in (first, second)] == [
        (10.0, 20.0),
        (20.0, 10.0),
    ]


def test_an_attempt_that_a_lost_node_cut_off_had_to_be_done_again() -> None:
    site = Clocked()
    job = site.submit(10, a_job_spec(demand=a_demand(1, 8), retry=Retry(1)))
    site.place(20)
    site.desk.start(job)
    site.at(50)
    site.desk.see(job, lost())
    site.place(60)
    site.end(100, job)
    told = site.tell()
    assert told.jobs[0].duration_s == 40.0
    (real,) = told.really
    assert [(span.start_s, span.end_s, span.cut) for span in real.spans] == [
        (20.0, 50.0, Cut.NODE_LOST),
        (60.0, 100.0, Cut.DONE),
    ]
    assert real.lost_s == 30.0


def test_an_attempt_that_failed_by_itself_is_part_of_what_the_job_needed() -> None:
    site = Clocked()
    retry = Retry(1, on=(Reason.USER_ERROR,))
    job = site.submit(10, a_job_spec(demand=a_demand(1, 8), retry=retry))
    site.place(20)
    site.end(30, job, code=1)
    site.place(40)
    site.end(60, site.desk.job(job.id))
    told = site.tell()
    assert told.jobs[0].duration_s == 30.0
    assert told.really[0].lost_s == 0.0


def test_with_a_checkpoint_folder_what_was_cut_off_counts() -> None:
    site = Clocked()
    spec = a_job_spec(demand=a_demand(1, 8), retry=Retry(1), checkpoint_path="ckpt")
    job = site.submit(10, spec)
    site.place(20)
    site.desk.start(job)
    site.at(50)
    site.desk.see(job, lost())
    site.place(60)
    site.end(100, job)
    (made,) = site.tell().jobs
    assert (made.duration_s, made.checkpoint_s) == (70.0, CHECKPOINT_S)


def test_a_job_that_failed_ran_until_then_and_one_that_was_requeued_comes_again() -> None:
    site = Clocked()
    job = site.submit(10)
    site.place(20)
    site.end(30, job, code=1)
    site.at(40)
    requeue(site.desk.plane, job.id, "ann")
    site.place(50)
    site.end(55, site.desk.job(job.id))
    made = named(site.tell())
    assert [(one.name, one.submit_s, one.duration_s) for one in made.values()] == [
        (job.id, 10.0, 10.0),
        (f"{job.id}#2", 40.0, 5.0),
    ]
    later = named(site.tell(35))
    assert [(one.name, one.submit_s) for one in later.values()] == [(f"{job.id}#2", 5.0)]


def test_a_cancelled_job_ran_until_then_and_one_that_never_ran_is_counted() -> None:
    site = Clocked()
    ran, waited = site.submit(10), site.submit(11)
    site.place(20)
    site.desk.start(ran)
    site.at(30)
    cancel(site.desk.plane, ran.id, "ann")
    cancel(site.desk.plane, waited.id, "ann")
    site.end(32, site.desk.job(ran.id))
    told = site.tell()
    assert [(job.name, job.duration_s) for job in told.jobs] == [(ran.id, 12.0)]
    assert told.remarks == {NEVER_RAN: 1}


def test_what_has_not_ended_is_taken_to_the_end_of_the_log() -> None:
    site = Clocked()
    runs = site.submit(10)
    site.place(20)
    site.submit(50, SMALL)
    made = named(site.tell())
    assert made[runs.id].duration_s == 30.0
    assert site.tell().remarks == {STILL_RUNS: 1, STILL_WAITS: 1}


def test_what_has_not_started_is_taken_to_run_as_long_as_others_of_its_size() -> None:
    site = Clocked()
    for number, lasts in enumerate((10, 20, 90)):
        job = site.submit(100 * number + 1)
        site.place(100 * number + 2)
        site.end(100 * number + 2 + lasts, job)
    small = site.submit(301, SMALL)
    site.place(302)
    site.end(307, small)
    site.submit(400)
    waits = [site.desk.submit(spec).id for spec in (BIG, SMALL, a_job_spec())]
    told = site.tell()
    made = named(told)
    assert [made[job_id].duration_s for job_id in waits] == [20.0, 5.0, 10.0]
    assert told.remarks == {STILL_WAITS: 4}
    assert len(told.really) == 4


def test_a_job_that_needs_another_comes_when_that_has_succeeded() -> None:
    site = Clocked("a", "b")
    first = site.submit(10)
    second = site.submit(11, a_job_spec(demand=a_demand(1, 8), needs=(first.id,)))
    site.place(20)
    site.end(40, first)
    site.desk.plane.board.catch_up()
    assert settle_needs(site.desk.plane) == 1
    site.place(45)
    site.end(50, second)
    assert named(site.tell())[second.id].submit_s == 40.0


def test_a_held_job_comes_when_it_is_released() -> None:
    site = Clocked()
    job = site.submit(10)
    hold(site.desk.plane, job.id, "ann")
    site.at(33)
    release(site.desk.plane, job.id, "ann")
    site.place(35)
    site.end(40, job)
    assert named(site.tell())[job.id].submit_s == 33.0


def test_each_task_of_an_array_is_a_job_and_comes_when_the_arrays_limit_lets_it() -> None:
    site = Clocked()
    spec = a_job_spec(demand=a_demand(1, 1), array=parse_array("0-3%2"))
    job = site.submit(10, spec)
    site.place(20)
    for attempt, second in ((2, 30), (1, 40)):
        site.at(second)
        site.desk.see(job, exited(), attempt=attempt)
        site.place(second + 1)
    for attempt in (3, 4):
        site.at(60)
        site.desk.see(job, exited(), attempt=attempt)
    made = named(site.tell())
    assert {name: (one.submit_s, one.duration_s) for name, one in made.items()} == {
        f"{job.id}/0": (10.0, 20.0),
        f"{job.id}/1": (10.0, 10.0),
        f"{job.id}/2": (30.0, 29.0),
        f"{job.id}/3": (40.0, 19.0),
    }


def test_the_place_in_the_queue_counts_from_the_first_submission() -> None:
    """Also of a job that was held, and of one that was requeued."""
    site = Clocked()
    held, again = site.submit(10), site.submit(11)
    hold(site.desk.plane, held.id, "ann")
    site.place(20)
    site.end(25, again, code=1)
    site.at(30)
    release(site.desk.plane, held.id, "ann")
    requeue(site.desk.plane, again.id, "ann")
    site.place(31)
    site.end(40, held)
    site.place(41)
    site.end(50, site.desk.job(again.id))
    made = named(site.tell(5))
    assert {name: (one.submit_s, one.since_s) for name, one in made.items()} == {
        held.id: (25.0, 5.0),
        again.id: (6.0, None),
        f"{again.id}#2": (25.0, 6.0),
    }


def test_tasks_that_have_not_started_come_one_after_the_other() -> None:
    """Two at a time; the first took 10 s and the second runs still, since 20 s."""
    site = Clocked()
    spec = a_job_spec(demand=a_demand(1, 1), array=parse_array("0-5%2"))
    job = site.submit(10, spec)
    site.place(20)
    site.at(30)
    site.desk.see(job, exited(), attempt=1)
    site.submit(40)
    made = named(site.tell())
    waiting = {name: made[f"{job.id}/{name}"].submit_s for name in range(2, 6)}
    assert waiting == {2: 30.0, 3: 40.0, 4: 40.0, 5: 50.0}


def test_what_waits_for_another_attempt_since_before_is_counted() -> None:
    site = Clocked()
    job = site.submit(10, a_job_spec(demand=a_demand(1, 8), retry=Retry(1)))
    site.place(20)
    site.desk.start(job)
    site.at(50)
    site.desk.see(job, lost())
    site.submit(90, SMALL)
    assert site.tell(60).remarks == {TRIED: 1, STILL_WAITS: 1}


def test_a_task_that_started_while_another_waited_to_be_tried_again_came_then() -> None:
    """Two at a time: while task 0 waits for its next attempt, task 2 takes its turn."""
    site = Clocked()
    retry = Retry(1, backoff_s=20.0)
    spec = a_job_spec(demand=a_demand(1, 1), array=parse_array("0-2%2"), retry=retry)
    job = site.submit(10, spec)
    site.place(20)
    site.at(30)
    site.desk.see(job, lost(), attempt=1)
    site.place(31)
    for attempt, second in ((2, 40), (3, 60)):
        site.at(second)
        site.desk.see(job, exited(), attempt=attempt)
        site.place(second + 1)
    site.at(100)
    site.desk.see(job, exited(), attempt=4)
    made = named(site.tell())
    assert [made[f"{job.id}/{task}"].submit_s for task in range(3)] == [10.0, 10.0, 31.0]


def test_what_runs_at_the_beginning_holds_what_it_held_for_as_long_as_was_left() -> None:
    site = Clocked()
    runs, waits = site.submit(10), site.submit(20)
    site.place(30)
    site.end(100, runs)
    site.place(100)
    site.end(130, waits)
    told = site.tell(60)
    (begun,) = told.begun
    assert (begun.job.name, begun.job.submit_s, begun.job.duration_s) == (runs.id, 0.0, 40.0)
    (attempt,) = site.desk.job(runs.id).attempts
    assert begun.grants == tuple(replica.grant for replica in attempt.replicas)
    assert [(job.name, job.submit_s, job.duration_s) for job in told.jobs] == [
        (waits.id, 0.0, 30.0)
    ]
    story = run(told.nodes, told.jobs, Policy(), begun=told.begun)
    assert {one.job.name: (one.start_s, one.end_s) for one in story.ran} == {
        runs.id: (0.0, 40.0),
        waits.id: (40.0, 70.0),
    }


def test_what_was_over_before_or_came_after_is_no_part_of_it() -> None:
    site = Clocked()
    before = site.submit(10)
    site.place(11)
    site.end(20, before)
    after = site.submit(100)
    site.place(101)
    site.end(110, after)
    told = site.tell(30, 90)
    assert (told.jobs, told.begun, told.really) == ((), (), ())
    assert not told.remarks


def test_as_files_it_says_the_same_and_what_it_cannot_say_is_counted() -> None:
    job = SimJob(
        1,
        'a "job", of ann',
        1.5,
        0.25,
        a_demand(2, 3, gpu_model="A100|H100", memory_bytes=5 * 2**20, cpus=0),
        "red",
        "ann",
        Priority.LOW,
        60.0,
        600.0,
        is_preemptible=False,
    )
    wide = replace(job, name="wide", submit_s=0.0, demand=replace(job.demand, nodes_max=9))
    lasting = Outage("n,1", 5.0, float("inf"), OutageKind.CORDON)
    told = Told(START_NS, 9.0, (), (job,), (Begun(wide, ()),), (lasting,), ())
    header, first, second = csv.reader(workload_csv(told).splitlines())
    assert header == list(COLUMNS)
    assert first[3] == "wide"
    assert second == [
        "1.5", "0.25", "A100|H100:3", 'a "job", of ann', "2", "0", "5242880B", "red", "ann", "low",
        "60", "600", "no",
    ]  # fmt: skip
    assert outages_csv(told) == 'at,node,for,kind\n5,"n,1",,cordon\n'
    assert read_outages(outages_csv(told), "o.csv", {"n,1"}).outages == (lasting,)
    assert count_simplified(told) == 1
