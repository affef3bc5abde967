"""More nodes, other nodes and limits: what a question makes of a while."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Location, Node
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.scheduling.allowances import Party
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.ports.cycles import Cycle, Inputs
from quarterdeck.sim.fast.agendas import BookedFrom
from quarterdeck.sim.fast.limits import Ruling
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Outage, Ran, Span, Story
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.sim.replay.more import add_nodes
from quarterdeck.sim.replay.rulings import InForce, read_in_force
from quarterdeck.sim.replay.whatif import (
    Elsewhere,
    Moved,
    TeamMoved,
    by_team,
    fidelity_of,
    most,
    moved,
    place,
    really,
    simulate,
)
from quarterdeck.sim.replay.workload import Told
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_spec
from tests.spec.sim.recording import ALWAYS, a_recording_desk


def racked(*places: str) -> list[Node]:
    """Nodes `dgx-01` on, each at `unit/rack`."""
    return [
        a_dgx(f"dgx-{number:02d}", location=Location(rack, unit))
        for number, text in enumerate(places, start=1)
        for unit, _, rack in (text.partition("/"),)
    ]


def a_sim_job(line: int, submit_s: float = 0.0, duration_s: float = 10.0) -> SimJob:
    return SimJob(line, f"job {line}", submit_s, duration_s, a_demand(1, 8))


def places_of(nodes: tuple[Node, ...], number: int) -> list[str]:
    return [f"{node.location.unit}/{node.location.rack}" for node in nodes[-number:]]


def test_more_nodes_fill_racks_then_units_and_then_open_new_ones() -> None:
    nodes = racked("su1/r1", "su1/r1", "su1/r2", "su1/r2", "su2/r1", "su2/r1", "su2/r2")
    grown = add_nodes(nodes, 4)
    assert grown[:7] == tuple(nodes)
    assert places_of(grown, 4) == ["su2/r2", "su3/r1", "su3/r1", "su3/r2"]
    assert [node.name for node in grown[7:]] == ["dgx-08", "dgx-09", "dgx-10", "dgx-11"]


def test_a_unit_with_fewer_racks_gets_more_of_them() -> None:
    grown = add_nodes(racked("su1/r1", "su1/r2", "su1/r3", "su2/r1"), 2)
    assert places_of(grown, 2) == ["su2/r2", "su2/r3"]


def test_more_nodes_are_like_the_most_common_ones_with_gpus_of_their_own() -> None:
    small = a_dgx("login-1", cpus=8, gpus=0)
    grown = add_nodes([small, a_dgx("dgx-1"), a_dgx("dgx-2")], 2)
    assert [node.name for node in grown[3:]] == ["dgx-3", "dgx-4"]
    assert all(len(node.devices) == 8 and node.cpus == 256 for node in grown[3:])
    ids = [device.id for node in grown for device in node.devices]
    assert len(set(ids)) == len(ids) == 32


def test_more_nodes_of_another_type_stand_where_nothing_is_known() -> None:
    other = a_dgx("big-0", cpus=512)
    grown = add_nodes(racked("su1/r1"), 2, other)
    assert [(node.name, node.cpus) for node in grown[1:]] == [("big-1", 512), ("big-2", 512)]
    assert [node.location for node in grown[1:]] == [Location(), Location()]


def test_nodes_whose_names_have_no_number_get_one() -> None:
    grown = add_nodes([a_dgx("alpha")], 2)
    assert [node.name for node in grown] == ["alpha", "alpha-1", "alpha-2"]


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_a_number_of_nodes_that_is_none_is_refused(number: int) -> None:
    with pytest.raises(Invalid, match="more nodes are"):
        add_nodes([a_dgx()], number)
    with pytest.raises(Invalid, match="no nodes to take"):
        add_nodes([], 1)


def a_told(*nodes: Node, jobs: tuple[SimJob, ...] = (), **parts: Any) -> Told:
    usual = Told(START_NS, 100.0, nodes, jobs, (), (), ())
    return replace(usual, **parts)


def test_on_other_nodes_what_ran_on_one_that_is_not_there_waits() -> None:
    stays = Begun(a_sim_job(1), (Grant("a", ("GPU-a-0/50%",)),))
    homeless = Begun(a_sim_job(2), (Grant("b", ("GPU-b-0",)),))
    told = a_told(
        a_dgx("a"),
        a_dgx("b"),
        jobs=(a_sim_job(3),),
        begun=(stays, homeless),
        outages=(Outage("a", 1.0, 2.0), Outage("b", 1.0, 2.0)),
    )
    there = place(told, [a_dgx("a"), a_dgx("c")])
    assert there.begun == (stays,)
    assert [job.line for job in there.jobs] == [2, 3]
    assert there.outages == (Outage("a", 1.0, 2.0),)
    assert sorted(there.remarks.values()) == [1, 1]


def test_fidelity_is_how_far_simulated_starts_are_from_the_real_ones() -> None:
    jobs = tuple(a_sim_job(line) for line in (1, 2, 3))
    real = tuple(
        Ran(job, (Span(start_s, start_s + 10, ()),))
        for job, start_s in zip(jobs, (0.0, 10.0, 100.0), strict=True)
    )
    simulated = run([a_dgx()], jobs, Policy())
    found = fidelity_of(a_told(a_dgx(), jobs=jobs, really=real), simulated)
    assert (found.jobs, found.off_p50_s, round(found.close, 3)) == (3, 0.0, 0.667)
    assert (found.wait_mean_s, round(found.really_wait_mean_s, 3)) == (10.0, 36.667)


def test_what_really_happened_is_a_story_of_its_own() -> None:
    job = a_sim_job(1)
    real = Ran(job, (Span(5.0, 15.0, ()),))
    story = really(a_told(a_dgx(), jobs=(job,), really=(real,)), 7)
    assert (story.ran, story.plans, story.never) == ((real,), 7, ())


def test_those_that_gain_and_lose_most_are_named() -> None:
    jobs = [a_sim_job(line) for line in range(1, 5)]

    def story(*starts: float) -> Story:
        ran = [
            Ran(job, (Span(start_s, start_s + 1, ()),))
            for job, start_s in zip(jobs, starts, strict=True)
        ]
        return Story((), tuple(ran), (), 0)

    gained, lost = most(moved(story(10, 20, 30, 40), story(10, 5, 29, 90)), 2)
    assert gained == [Moved(jobs[1], 20, 5), Moved(jobs[2], 30, 29)]
    assert lost == [Moved(jobs[3], 40, 90)]
    assert lost[0].gained_s == -50


def test_what_teams_gain_and_lose_is_told_of_all_their_jobs() -> None:
    def of(team: str, line: int, wait_s: float, other_wait_s: float) -> Moved:
        return Moved(replace(a_sim_job(line), team=team), wait_s, other_wait_s)

    jobs = [of("a", 1, 10, 0), of("a", 2, 5, 5.5), of("a", 3, 0, 6.5), of("b", 4, 100, 10)]
    assert by_team(jobs) == [
        TeamMoved("b", 1, 1, 0, 100, 10),
        TeamMoved("a", 3, 1, 1, 5, 4),
    ]


def limits_of(running: int) -> tuple[tuple[Party, Quota], ...]:
    return ((("team", "default"), Quota(running_jobs=Bound(running), sites=("elsewhere",))),)


def test_limits_hold_in_a_fast_run_and_change_when_they_did() -> None:
    """Three jobs on three nodes; one may run at a time, and from second 15 on two."""
    jobs = [a_sim_job(line) for line in (1, 2, 3)]
    rulings = [Ruling(0.0, limits_of(1)), Ruling(15.0, limits_of(2))]
    nodes = [a_dgx(name) for name in ("a", "b", "c")]
    alone = run(nodes, jobs, Policy(), limits=rulings[:1])
    assert sorted(one.start_s for one in alone.ran) == [0.0, 10.0, 20.0]
    later = run(nodes, jobs, Policy(), limits=rulings)
    assert sorted(one.start_s for one in later.ran) == [0.0, 10.0, 15.0]
    opened = run(nodes, jobs, Policy(), limits=[Ruling(0.0, limits_of(0)), Ruling(500.0)])
    assert [one.start_s for one in opened.ran] == [500.0] * 3
    free = run(nodes, jobs, Policy())
    assert sorted(one.start_s for one in free.ran) == [0.0, 0.0, 0.0]


def test_a_job_takes_the_place_in_the_queue_that_it_had_all_along() -> None:
    """One that was kept from starting until second 3 goes before one that came at second 2."""
    runs = a_sim_job(1, 0.0)
    came, kept = a_sim_job(2, 2.0), replace(a_sim_job(3, 3.0), since_s=-50.0)
    story = run([a_dgx()], [runs, came, kept], Policy())
    assert [(one.job.line, one.start_s) for one in story.ran] == [(1, 0.0), (3, 10.0), (2, 20.0)]


def test_policies_and_limits_in_force_are_read_from_the_cycles() -> None:
    desk = a_recording_desk()
    for patience_s in (300.0, 300.0, 60.0):
        desk.submit(a_job_spec(demand=a_demand(1, 1)))
        desk.use(Policy(patience_s=patience_s))
        desk.turn()
    begin_ns = desk.clock.now_ns()

    def limited(cycle: Cycle) -> Cycle:
        inputs = Inputs(cycle.inputs.policy, limits_of(1))
        return replace(cycle, inputs=inputs)

    desk.meddle(3, limited)
    found = read_in_force(desk.cycle_log, ALWAYS)
    assert [one.patience_s for one in found.policies] == [300.0, 60.0]
    assert [one.limits for one in found.limits] == [(), limits_of(1)]
    assert found.limits[1].at_s == begin_ns / 10**9
    assert found.plans == 3
    assert read_in_force(desk.cycle_log, (begin_ns, begin_ns)).limits == (
        Ruling(0.0, limits_of(1)),
    )


def test_the_calendar_is_told_on_the_clock_of_the_while() -> None:
    desk = a_recording_desk()
    for _ in range(3):
        desk.submit(a_job_spec(demand=a_demand(1, 1)))
        desk.turn()
        desk.clock.pass_s(10)
    time = Occurrence(
        "b1", Kind.RESERVATION, START_NS + 60 * NS_PER_S, START_NS + 90 * NS_PER_S, "red", site="x"
    )
    desk.meddle(2, lambda cycle: replace(cycle, inputs=replace(cycle.inputs, times=(time,))))
    first, second, third = read_in_force(desk.cycle_log, (START_NS, ALWAYS[1])).booked
    assert (first.at_s, first.times, third.times) == (0.0, (), ())
    made_s = [(cycle.at_ns - START_NS) / NS_PER_S for _, cycle in desk.cycle_log._cycles]
    assert [second.at_s, third.at_s] == made_s[1:]
    (told,) = second.times
    assert (told.start_ns, told.end_ns) == (60 * NS_PER_S, 90 * NS_PER_S)
    assert (told.team, told.site) == ("red", "")


def test_both_sides_keep_to_the_calendar_as_it_was() -> None:
    nodes = (a_dgx("dgx-1"),)
    time = Occurrence("b1", Kind.MAINTENANCE, 0, 60 * NS_PER_S, nodes=("dgx-1",))
    in_force = InForce((Policy(),), (), 1, (BookedFrom(0.0, (time,)),))
    (ran,) = simulate(Elsewhere(nodes, (a_sim_job(1),), (), ()), Policy(), in_force).ran
    assert ran.start_s == 60
