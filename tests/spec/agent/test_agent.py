"""A turn of the site agent makes the engine match what should be, and says what it sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.agent.agent import LAUNCH_S, SiteAgent
from quarterdeck.basics.errors import Invalid, Unavailable
from quarterdeck.core.cluster.hardware import Foreign, NodeState
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.site import StopOrder
from quarterdeck.testing.builders import SITE, a_dgx
from tests.spec.agent.script import EXITED, STARTED, Site, an_order, ref, running_site


def test_the_first_report_tells_the_nodes_and_asks_for_everything() -> None:
    site = Site()
    site.quiet_turn()
    report = site.link.reports[0]
    assert (report.cursor, report.nodes, report.observations) == (0, site.engine.nodes, ())


def test_what_is_told_once_and_accepted_is_not_told_again() -> None:
    site = running_site(1)
    site.quiet_turn()
    assert site.link.reports[-1].nodes is None
    assert site.told() == {}
    site.engine.end(ref(1))
    site.quiet_turn()
    assert site.told() == {ref(1): EXITED}


def test_what_others_take_is_told_at_once_and_what_they_give_back_a_little_later() -> None:
    """Each such report is kept in the log, and on a busy cluster there is one with every look."""
    now = [100.0]
    site = Site()
    site.agent = SiteAgent(SITE, site.engine, site.link, MemoryBlobs(), lambda: now[0])
    both, one = Foreign("a", ("GPU-dgx-1-0", "GPU-dgx-1-1"), 2), Foreign("b", ("GPU-dgx-1-1",), 1)
    later, kept = replace(one, ends_at_ns=5), Foreign("course", starts_at_ns=7)

    def tell(at_s: float, *others: Foreign, **changes: Any) -> bool:
        now[0] = 100.0 + at_s
        site.engine.nodes = (a_dgx(others=others, **changes),)
        site.quiet_turn()
        told = site.link.reports[-1].nodes
        assert told in (None, site.engine.nodes)
        return told is not None

    site.quiet_turn()
    assert tell(0.0, both)
    assert not tell(4.0, one)
    assert tell(5.0, one)
    assert not tell(9.9, one)
    assert not tell(34.0, later)
    assert tell(35.0, later)
    assert tell(35.1, later, kept)
    assert tell(35.2, kept, both)
    assert tell(35.3, kept, both, state=NodeState.DRAINED)
    assert not tell(35.4, kept, state=NodeState.DRAINED)
    assert tell(35.5, kept, both, Foreign("c", (), 1), state=NodeState.DRAINED)


def test_what_ends_is_told_while_many_are_launched() -> None:
    now = [100.0]
    site = Site()

    def tick() -> float:
        now[0] += LAUNCH_S / 10
        return now[0]

    site.agent = SiteAgent(SITE, site.engine, site.link, MemoryBlobs(), tick)
    assert site.turn(is_complete=True, run=tuple(an_order(number) for number in range(1, 26)))
    first = len(site.engine.starts)
    assert 5 < first < 15
    site.engine.end(ref(1))
    assert site.quiet_turn(), "it goes on at once"
    assert site.told()[ref(1)] == EXITED
    assert first < len(site.engine.starts) < 25
    while site.quiet_turn():
        pass
    assert sorted(site.engine.starts) == [ref(number) for number in range(1, 26)]


def test_one_is_launched_in_each_turn_however_long_it_takes() -> None:
    site = Site()
    times = iter(range(0, 100000, int(1 + LAUNCH_S) * 10))
    site.agent = SiteAgent(SITE, site.engine, site.link, MemoryBlobs(), lambda: float(next(times)))
    site.turn(is_complete=True, run=(an_order(1), an_order(2)))
    assert len(site.engine.starts) == 1
    site.quiet_turn()
    assert len(site.engine.starts) == 2


def test_nodes_that_changed_are_told_again() -> None:
    site = running_site()
    site.engine.nodes = (a_dgx("new"),)
    site.quiet_turn()
    assert site.link.reports[-1].nodes == (a_dgx("new"),)


def test_each_answer_is_asked_for_from_where_the_last_one_ended() -> None:
    site = running_site()
    before = site.link.reports[-1].cursor
    site.quiet_turn()
    assert site.link.reports[-1].cursor == before + 1


def test_an_attempt_that_should_run_is_launched_once() -> None:
    site = Site()
    site.turn(is_complete=True, run=(an_order(1),))
    for _ in range(3):
        site.quiet_turn()
    assert site.engine.take_calls() == [("launch", ref(1))]
    assert site.told() == {}


def test_a_launch_without_an_answer_is_tried_until_it_is_seen() -> None:
    site = running_site()
    site.engine.away.add("launch")
    site.turn(run=(an_order(1), an_order(2)))
    site.quiet_turn()
    site.engine.away.clear()
    site.quiet_turn()
    site.quiet_turn()
    assert [call for call in site.engine.take_calls() if call[1] == ref(1)] == [
        ("launch", ref(1))
    ] * 3
    assert site.engine.starts == [ref(1), ref(2)]


def test_a_launch_that_lost_its_reply_starts_once() -> None:
    site = running_site()
    site.engine.loses_reply_to.add(ref(1))
    site.turn(run=(an_order(1),))
    site.quiet_turn()
    site.engine.uncover()
    site.quiet_turn()
    assert site.engine.starts == [ref(1)]
    assert site.told() == {ref(1): STARTED}


def test_a_launch_that_cannot_be_prepared_is_reported_for_every_replica() -> None:
    site = running_site()
    site.engine.broken = Invalid("bad order")
    assert site.turn(run=(an_order(1, nodes=2), an_order(2)))
    site.engine.broken = None
    site.quiet_turn()
    sightings = site.told()[ref(1)]
    assert [(one.node_rank, one.state, one.reason) for one in sightings] == [
        (0, ReplicaState.EXITED, Reason.SETUP_FAILED),
        (1, ReplicaState.EXITED, Reason.SETUP_FAILED),
    ]
    assert "bad order" in sightings[0].message
    assert site.engine.starts == []


def test_a_failed_launch_is_forgotten_when_the_control_plane_has_let_go_of_it() -> None:
    site = running_site()
    site.engine.broken = Invalid("bad order")
    site.turn(run=(an_order(1),))
    site.turn(gone=(ref(1),))
    assert not site.quiet_turn()
    assert site.told() == {}


def test_an_attempt_that_should_stop_is_asked_once_per_grace() -> None:
    site = running_site(1)
    site.engine.stubborn = True
    site.turn(stop=(StopOrder(ref(1), 30.0, 1),))
    site.quiet_turn()
    site.turn(stop=(StopOrder(ref(1), 5.0, 1),))
    site.quiet_turn()
    assert site.engine.take_calls() == [("stop", ref(1), 30.0), ("stop", ref(1), 5.0)]


def test_an_attempt_that_should_stop_is_not_launched_again() -> None:
    site = running_site()
    site.engine.away.add("launch")
    site.turn(run=(an_order(1),))
    site.engine.away.clear()
    site.turn(stop=(StopOrder(ref(1), 30.0, 1),))
    site.quiet_turn()
    assert site.engine.starts == []


def test_a_stop_of_what_was_never_launched_is_reported_as_its_end_at_once() -> None:
    site = running_site()
    assert site.turn(stop=(StopOrder(ref(1), 30.0, 2),))
    assert not site.quiet_turn()
    sightings = site.told()[ref(1)]
    assert [(one.node_rank, one.state, one.exits) for one in sightings] == [
        (0, ReplicaState.EXITED, ()),
        (1, ReplicaState.EXITED, ()),
    ]
    site.turn(gone=(ref(1),))
    site.quiet_turn()
    assert site.told() == {}


def test_what_has_ended_and_is_known_to_have_is_forgotten_once() -> None:
    site = running_site(1)
    site.engine.end(ref(1))
    site.turn(gone=(ref(1),))
    site.quiet_turn()
    assert site.engine.take_calls() == [("forget", ref(1))]
    assert site.engine.attempts == {}


def test_what_still_lives_but_should_be_gone_is_killed_and_then_forgotten() -> None:
    site = running_site(1)
    site.turn(gone=(ref(1),))
    site.quiet_turn()
    site.quiet_turn()
    assert site.engine.take_calls() == [("stop", ref(1), 0.0), ("forget", ref(1))]


def test_an_attempt_that_nobody_wants_is_killed_and_then_forgotten() -> None:
    site = running_site(1)
    site.restart()
    site.turn(is_complete=True)
    site.quiet_turn()
    site.quiet_turn()
    assert site.engine.take_calls() == [("stop", ref(1), 0.0), ("forget", ref(1))]


def test_a_launch_that_shows_after_its_attempt_was_given_up_is_killed() -> None:
    """Its devices may be another's by now."""
    site = running_site()
    site.engine.loses_reply_to.add(ref(1))
    site.turn(run=(an_order(1),))
    site.turn(stop=(StopOrder(ref(1), 30.0, 1),))
    site.turn(gone=(ref(1),))
    site.engine.take_calls()
    site.engine.uncover()
    for _ in range(3):
        site.quiet_turn()
    assert site.engine.take_calls() == [("stop", ref(1), 0.0), ("forget", ref(1))]


def test_when_everything_is_told_what_was_said_before_counts_no_more() -> None:
    site = running_site(1, 2)
    site.turn(is_complete=True, run=(an_order(2), an_order(3)))
    assert site.engine.take_calls() == [("launch", ref(3)), ("stop", ref(1), 0.0)]


def test_a_control_plane_that_cannot_tell_since_when_is_told_everything_again() -> None:
    site = running_site(1)
    site.turn(is_complete=True, run=(an_order(1),))
    site.quiet_turn()
    assert site.told() == {ref(1): STARTED}
    site.quiet_turn()
    assert site.told() == {}


def test_an_engine_that_does_not_answer_costs_a_turn_and_nothing_else() -> None:
    site = running_site(1)
    site.engine.end(ref(1))
    site.engine.away.add("observe")
    reports = len(site.link.reports)
    with pytest.raises(Unavailable):
        site.quiet_turn()
    assert len(site.link.reports) == reports
    site.engine.away.clear()
    site.quiet_turn()
    assert site.told() == {ref(1): EXITED}


def test_an_engine_that_cannot_say_its_nodes_yet_is_heard_and_told_to_stop() -> None:
    """A server that starts while slurmctld is down: what runs there is not out of reach."""
    site = Site()
    site.engine.nodes = (a_dgx("new"),)
    site.engine.attempts[ref(1)] = STARTED
    site.engine.attempts[ref(3)] = STARTED
    site.engine.away.add("list_nodes")
    run, stop = (an_order(1), an_order(2)), (StopOrder(ref(3), 9.0, 1),)
    assert not site.turn(is_complete=True, run=run, stop=stop)
    assert site.told() == {ref(1): STARTED, ref(3): STARTED}
    assert site.engine.take_calls() == [("stop", ref(3), 9.0)]
    site.engine.away.clear()
    site.quiet_turn()
    assert [report.nodes for report in site.link.reports] == [None, (a_dgx("new"),)]
    assert site.engine.take_calls() == [("launch", ref(2))]


def test_nodes_that_an_engine_cannot_say_for_a_while_stay_as_they_were() -> None:
    site = running_site(1)
    site.engine.away.add("list_nodes")
    site.quiet_turn()
    site.engine.away.clear()
    site.engine.nodes = ()
    site.quiet_turn()
    assert [report.nodes for report in site.link.reports[-2:]] == [None, ()]


def test_a_launch_that_breaks_the_engine_has_failed_and_the_others_go_on() -> None:
    site = running_site()
    site.engine.broken = IndexError("tuple index out of range")
    site.engine.breaks_on = {ref(1)}
    site.turn(run=(an_order(1, nodes=2), an_order(2)))
    site.quiet_turn()
    assert site.engine.starts == [ref(2)]
    sightings = site.told()[ref(1)]
    assert [(one.node_rank, one.reason) for one in sightings] == [
        (0, Reason.SETUP_FAILED),
        (1, Reason.SETUP_FAILED),
    ]
    assert "could not prepare it: IndexError: tuple index" in sightings[0].message


def test_a_control_plane_that_does_not_answer_is_told_again() -> None:
    site = running_site(1)
    site.engine.end(ref(1))
    site.engine.nodes = (a_dgx("new"),)
    site.link.is_away = True
    with pytest.raises(Unavailable):
        site.quiet_turn()
    lost = site.link.reports[-1]
    site.link.is_away = False
    site.quiet_turn()
    assert site.link.reports[-1] == lost
    assert lost.nodes == (a_dgx("new"),)


@pytest.mark.parametrize("call", ["stop", "forget"])
def test_what_the_engine_did_not_hear_is_said_again(call: str) -> None:
    site = running_site(1, 2)
    site.engine.end(ref(2))
    site.engine.away.add(call)
    with pytest.raises(Unavailable):
        site.turn(stop=(StopOrder(ref(1), 7.0, 1),), gone=(ref(2),))
    site.engine.away.clear()
    site.quiet_turn()
    assert {("stop", ref(1), 7.0), ("forget", ref(2))} <= set(site.engine.take_calls())
    assert list(site.engine.attempts) == [ref(1)]


def test_a_restarted_agent_finds_what_runs_and_what_should() -> None:
    site = running_site(1, 2, 3)
    site.engine.end(ref(2))
    site.restart()
    wanted = (an_order(1), an_order(2), an_order(4))
    site.turn(is_complete=True, run=wanted, stop=(StopOrder(ref(3), 9.0, 1),))
    assert site.link.reports[-1].cursor == 0
    assert site.told() == {ref(1): STARTED, ref(2): EXITED, ref(3): STARTED}
    assert site.engine.take_calls() == [("launch", ref(4)), ("stop", ref(3), 9.0)]
    assert site.engine.starts == [ref(1), ref(2), ref(3), ref(4)]


def test_replicas_that_the_engine_does_not_know_are_lost_once_the_others_are_gone() -> None:
    """A job may have spoilt what its site knew of them, and nobody else would ever end it."""
    site = Site()
    site.turn(is_complete=True, run=(an_order(1, nodes=3),))
    site.engine.attempts[ref(1)] = STARTED
    site.quiet_turn()
    assert site.told() == {ref(1): STARTED}
    site.engine.attempts[ref(1)] = EXITED
    site.quiet_turn()
    told = site.told()[ref(1)]
    assert [one.node_rank for one in told] == [0, 1, 2]
    assert told[0] == EXITED[0]
    assert {one.state for one in told[1:]} == {ReplicaState.LOST}
    site.quiet_turn()
    assert site.told() == {}


def test_so_are_those_of_one_that_is_to_stop() -> None:
    site = Site()
    site.engine.attempts[ref(1)] = STARTED
    site.turn(is_complete=True, stop=(StopOrder(ref(1), 0.0, 2),))
    site.quiet_turn()
    assert [one.state for one in site.told()[ref(1)]] == [ReplicaState.EXITED, ReplicaState.LOST]
