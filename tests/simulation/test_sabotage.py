"""The simulator sees what it is there to see: each break of the house turns it red."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.sim.checks import Check
from quarterdeck.sim.run import NEVER, simulate
from tests.simulation import sabotage
from tests.simulation import sabotage_gates as gates

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = 150
SEEDS = range(1, 11)
"""Most are seen with the first; what needs an unlucky moment may take a few."""
CASES: list[tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = [
    (sabotage.scheduler_commits_a_device_twice, {Check.HELD_ONCE}),
    (sabotage.scheduler_does_not_mind_cordons, {Check.CORDONED}),
    (sabotage.plan_grants_a_device_twice, {Check.PLAN_FITS}),
    (sabotage.plan_leaves_a_replica_out, {Check.GANG_WHOLE}),
    (sabotage.plan_forgets_a_job, {Check.VERDICTS}),
    (sabotage.plan_counts_wrong, {Check.NUMBERS}),
    (sabotage.plan_serves_the_last_first, {Check.ORDER}),
    (sabotage.scheduler_commits_blindly, {Check.HELD_ONCE}),
    (sabotage.rooms_have_endless_cpus, {Check.CAPACITY}),
    (sabotage.board_releases_at_the_stop, {Check.HELD_ONCE, Check.REBUILT}),
    (sabotage.board_forgets_a_job_that_waits, {Check.REBUILT}),
    (sabotage.restore_does_nothing, {Check.REPLAY}),
    (sabotage.store_says_yes_and_keeps_nothing, {Check.KEPT}),
    (sabotage.keys_are_ignored, {Check.ONE_PER_KEY}),
    (sabotage.nothing_is_impossible, {Check.REFUSED}),
    (sabotage.asking_submits, {Check.EXPLAINED}),
    (sabotage.cancel_is_not_heard, {Check.WISHES}),
    (sabotage.cancelled_jobs_are_called_failed, {Check.WISHES}),
    (sabotage.every_end_is_a_success, {Check.TRUE_END}),
    (sabotage.attempts_are_numbered_in_twos, {Check.ATTEMPTS_COUNT}),
    (sabotage.old_attempts_are_believed, {Check.RELEASED_LATE, Check.TRUE_END}),
    (sabotage.every_report_is_news, {Check.TWICE_ONCE}),
    (sabotage.old_node_lists_are_not_noticed, {Check.NODES_KNOWN}),
    (sabotage.agent_launches_under_two_numbers, {Check.USED_ONCE}),
    (sabotage.agent_launches_late, {Check.FENCED}),
    (sabotage.agent_never_stops_anything, {Check.CONVERGED}),
    (sabotage.agent_never_forgets, {Check.CONVERGED}),
    (sabotage.agent_says_that_what_it_stops_is_gone, {Check.RELEASED_LATE}),
    (sabotage.engine_does_not_know_what_it_launched, {Check.LAUNCH_ONCE}),
    (sabotage.gangs_do_not_wait, {Check.BARRIER}),
    (sabotage.commands_start_twice, {Check.STARTED_ONCE}),
    (gates.board_does_not_know_of_array_limits, {Check.ARRAY_LIMIT}),
    (gates.tasks_are_placed_while_they_live, {Check.TASK_ONCE}),
    (gates.agent_launches_one_attempt_under_two_numbers_elsewhere, {Check.TASK_ONCE}),
    (gates.succeeded_tasks_go_back_into_the_queue, {Check.ENDS_ONCE}),
    (gates.needs_keep_nobody_back, {Check.NEEDS}),
    (gates.jobs_are_given_up_too_early, {Check.GIVEN_UP}),
    (gates.jobs_are_never_given_up, {Check.CONVERGED}),
    (gates.a_hold_holds_nothing, {Check.HOLD}),
    (gates.retries_do_not_wait, {Check.VERDICTS, Check.NUMBERS}),
    (gates.waits_do_not_double, {Check.BACKOFF}),
    (gates.time_limits_are_not_heard, {Check.TRUE_END}),
    (sabotage.reports_are_never_lost, {NEVER}),
]


@pytest.mark.parametrize(
    ("break_it", "expected"), CASES, ids=lambda it: getattr(it, "__name__", "")
)
def test_the_simulator_sees(
    break_it: Callable[[pytest.MonkeyPatch], None],
    expected: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_it(monkeypatch)
    for seed in SEEDS:
        outcome = simulate(seed, JOBS, MemoryStore, MemoryBlobs)
        if not outcome.is_ok:
            break
    assert not outcome.is_ok
    assert outcome.violated in expected, outcome.text[:3000]
    assert f"seed={seed} jobs={JOBS}" in outcome.text


def test_every_check_has_been_seen_to_fire() -> None:
    seen = {str(name) for _, expected in CASES for name in expected}
    assert {check.value for check in Check} - seen == set()
