"""How many run at once, and in which order those wait who are beyond a limit."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team, User
from quarterdeck.core.ledger.usage import UsageBook, Used, day_of
from quarterdeck.core.scheduling.allowances import Party, allowances_of, parties_of, quotas_of
from quarterdeck.core.scheduling.budgets import MonthUse
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_id, a_node

HISTORIES = 1000
STEPS = 8
TEAMS, PEOPLE = ("red", "blue"), ("ada", "bob")
ROOMS = (Room.empty("local", a_dgx(cpus=64)), Room.empty("attic", a_node("a", cpus=4)))


def acme(**quotas: Quota) -> People:
    """Teams and people by name, with their limits."""
    teams = (Team(name, quota=quotas.get(name, Quota())) for name in TEAMS)
    users = (User(name, quota=quotas.get(name, Quota())) for name in PEOPLE)
    return People(Organization("ACME")).with_entries((*teams, *users))


def running(value: int, *, is_hard: bool = True) -> Quota:
    return Quota(running_jobs=Bound(value, is_hard))


def job(number: int, team: str = "red", owner: str = "ada", **more: Any) -> Waiting:
    demand = more.pop("demand", a_demand())
    rank = more.pop("priority", 0)
    return Waiting(
        a_job_id(number), demand, rank, START_NS + number, team=team, owner=owner, **more
    )


def plan_for(
    people: People,
    *waiting: Waiting,
    run: dict[Party, int] | None = None,
    waited_s: float = 1.0,
    rooms: tuple[Room, ...] = ROOMS,
) -> Plan:
    def count_waiting() -> Counter[Party]:
        counts: Counter[Party] = Counter()
        for one in waiting:
            for party in parties_of(one.team, one.owner):
                counts[party] += len(one.tasks)
        return counts

    allowances = allowances_of(quotas_of(people), run or {}, count_waiting)
    now_ns = START_NS + int(waited_s * 10**9)
    return make_plan(Snapshot(now_ns, 1, rooms, waiting, allowances=allowances), Policy())


def placed(plan: Plan) -> list[JobId]:
    return [one.job_id for one in plan.placements]


def test_at_its_limit_a_team_waits_and_hears_the_numbers() -> None:
    plan = plan_for(acme(red=running(2)), *(job(n) for n in range(4)), job(9, "blue"))
    assert placed(plan) == [a_job_id(0), a_job_id(1), a_job_id(9)]
    verdict = plan.verdicts[a_job_id(2)]
    assert verdict.blocked_by is Blocker.LIMIT
    assert verdict.message == "team red may run 2 jobs at once, and 2 run or start"
    assert verdict.numbers == {"running": 2, "running_max": 2}


def test_what_runs_already_counts() -> None:
    plan = plan_for(acme(red=running(3)), job(1), job(2), run={("team", "red"): 2})
    assert placed(plan) == [a_job_id(1)]
    assert plan.verdicts[a_job_id(2)].numbers == {"running": 3, "running_max": 3}


def test_the_narrower_of_team_and_person_decides() -> None:
    people = acme(red=running(3), ada=running(1))
    plan = plan_for(people, job(1), job(2), job(3, owner="bob"), job(4, owner="bob"))
    assert placed(plan) == [a_job_id(1), a_job_id(3), a_job_id(4)]
    assert plan.verdicts[a_job_id(2)].message.startswith("user ada may run 1 jobs at once")


def test_a_person_is_limited_over_all_teams() -> None:
    plan = plan_for(acme(ada=running(1)), job(1, "red"), job(2, "blue"))
    assert placed(plan) == [a_job_id(1)]


def test_of_an_array_as_many_tasks_start_as_may() -> None:
    tasks: tuple[int | None, ...] = tuple(range(5))
    plan = plan_for(acme(red=running(3)), job(1, tasks=tasks, room=5))
    assert [one.task for one in plan.placements] == [0, 1, 2]
    assert plan.verdicts[a_job_id(1)].blocked_by is Blocker.LIMIT


def test_a_limit_below_what_runs_starts_nothing_and_stops_nothing() -> None:
    plan = plan_for(acme(red=running(1)), job(1), run={("team", "red"): 5})
    assert placed(plan) == []
    assert plan.verdicts[a_job_id(1)].numbers == {"running": 1, "running_max": 1}
    assert placed(plan_for(acme(red=running(0)), job(1))) == []


def test_who_is_at_a_limit_holds_up_nobody_however_long() -> None:
    large = job(1, demand=a_demand(gpus=8))
    plan = plan_for(acme(red=running(0)), large, job(2, "blue"), waited_s=10**6)
    assert placed(plan) == [a_job_id(2)]


def hours(value: int, *, is_hard: bool = True) -> Quota:
    return Quota(device_hours_per_month=Bound(value, is_hard))


def used(gpu_h: float, *, days_ago: int = 1, team: str = "red", owner: str = "ada") -> Used:
    return Used(team, owner, day_of(START_NS) - days_ago, round(gpu_h * 3_600_000))


def runs(gpus: int, for_s: float, *, team: str = "red", owner: str = "ada") -> Running:
    grant = Grant("d", tuple(f"GPU-{n}" for n in range(gpus)))
    since_ns = START_NS - round(for_s * 10**9)
    return Running(
        a_job_id(99), "local", a_demand(1, gpus), (grant,), 0, 0, since_ns, 0.0, team=team,
        owner=owner,
    )  # fmt: skip


def plan_in_month(
    people: People, past: list[Used], *waiting: Waiting, run: tuple[Running, ...] = ()
) -> Plan:
    usage = UsageBook(past).view()
    month = MonthUse(usage, lambda: run, START_NS)
    allowances = allowances_of(quotas_of(people), {}, Counter, month)
    snapshot = Snapshot(START_NS, 1, ROOMS, waiting, allowances=allowances, used=usage)
    return make_plan(snapshot, Policy())


ON_GPUS = a_demand(1, 1)
IN_MONTH_NS = 1_701_388_800 * 10**9
"""2023-12-01, which is when the month of START_NS is over."""


def test_when_the_hours_of_the_month_are_used_nothing_starts_before_the_next_one() -> None:
    plan = plan_in_month(
        acme(red=hours(10)), [used(10.5)], job(1, demand=ON_GPUS), job(2, "blue", demand=ON_GPUS)
    )
    assert placed(plan) == [a_job_id(2)]
    verdict = plan.verdicts[a_job_id(1)]
    assert verdict.blocked_by is Blocker.BUDGET
    assert verdict.message == "team red has used 10.5 of its 10 device hours of this month"
    assert "2023-12-01" in verdict.hint
    assert verdict.change == (("budget", "team red 11"),)
    assert plan.next_ready_ns == IN_MONTH_NS


def test_where_there_are_no_hours_in_any_month_none_is_waited_for() -> None:
    """A simulation would look at the first of every month for ever."""
    plan = plan_in_month(acme(red=hours(0)), [], job(1, demand=ON_GPUS))
    assert plan.verdicts[a_job_id(1)].blocked_by is Blocker.BUDGET
    assert plan.next_ready_ns is None


def test_what_runs_counts_for_the_month_up_to_now() -> None:
    people, mine = acme(ada=hours(10)), job(1, demand=ON_GPUS)
    assert placed(plan_in_month(people, [used(2)], mine, run=(runs(8, 3_500),)))
    assert not placed(plan_in_month(people, [used(2)], mine, run=(runs(8, 3_700),)))
    of_bob = runs(8, 3_700, owner="bob")
    assert placed(plan_in_month(people, [used(2)], mine, run=(of_bob,)))


def test_what_was_used_before_the_month_counts_for_nothing() -> None:
    people, mine = acme(red=hours(10)), job(1, demand=ON_GPUS)
    # START_NS is 14 November.
    assert placed(plan_in_month(people, [used(500, days_ago=14)], mine))
    assert not placed(plan_in_month(people, [used(500, days_ago=13)], mine))
    month_s = 13 * 86_400 + 22 * 3600 + 13 * 60 + 20
    since_october = runs(1, month_s + 10**6)
    assert placed(plan_in_month(acme(red=hours(335)), [], mine, run=(since_october,)))
    assert not placed(plan_in_month(acme(red=hours(334)), [], mine, run=(since_october,)))


def test_a_job_without_gpus_uses_none_of_the_hours() -> None:
    plan = plan_in_month(acme(red=hours(0)), [], job(1), job(2, demand=ON_GPUS))
    assert placed(plan) == [a_job_id(1)]


def test_beyond_a_soft_budget_a_team_goes_last_but_goes() -> None:
    people = acme(red=hours(1, is_hard=False))
    plan = plan_in_month(
        people, [used(2)], job(1, demand=a_demand(1, 8)), job(2, "blue", demand=a_demand(1, 4))
    )
    assert placed(plan) == [a_job_id(2)]
    alone = plan_in_month(people, [used(2)], job(1, demand=a_demand(1, 8)))
    assert placed(alone) == [a_job_id(1)]


def test_a_larger_budget_is_no_help_where_another_limit_stands_too() -> None:
    people = acme(red=hours(10), ada=hours(3))
    verdict = plan_in_month(people, [used(10.5)], job(1, demand=ON_GPUS)).verdicts[a_job_id(1)]
    assert (verdict.blocked_by, verdict.change) == (Blocker.BUDGET, ())


def test_beyond_a_soft_limit_a_team_goes_last_but_goes() -> None:
    small = (Room.empty("local", a_node(cpus=2)),)
    people = acme(red=running(1, is_hard=False))
    jobs = (job(1, "red", priority=9), job(2, "blue", "bob"), job(3, "blue", "bob", priority=-1))
    full = plan_for(people, *jobs, run={("team", "red"): 1}, rooms=small)
    assert placed(full) == [a_job_id(2), a_job_id(3)]
    roomy = plan_for(people, *jobs, run={("team", "red"): 1})
    assert placed(roomy) == [a_job_id(2), a_job_id(3), a_job_id(1)]
    below = plan_for(people, *jobs, rooms=small)
    assert placed(below) == [a_job_id(1), a_job_id(2)]


def test_beyond_a_soft_limit_of_the_queue_a_team_goes_last() -> None:
    people = acme(red=Quota(queued_jobs=Bound(1, is_hard=False)))
    assert placed(plan_for(people, job(1), job(2, "blue"))) == [a_job_id(1), a_job_id(2)]
    late = plan_for(people, job(1), job(2), job(3, "blue"))
    assert placed(late) == [a_job_id(3), a_job_id(1), a_job_id(2)]


def test_a_team_runs_where_it_may() -> None:
    people = acme(red=Quota(sites=("attic",)), ada=Quota(sites=("attic", "local")))
    plan = plan_for(people, job(1))
    assert [one.site for one in plan.placements] == ["attic"]
    assert {one.site for one in plan_for(people, job(1, "blue")).placements} <= {"attic", "local"}


def test_a_job_that_may_not_go_where_it_would_fit_hears_so() -> None:
    people = acme(red=Quota(sites=("attic",)))
    wants_gpus = job(1, demand=a_demand(gpus=1))
    plan = plan_for(people, wants_gpus, job(2, "blue"), waited_s=10**6)
    assert placed(plan) == [a_job_id(2)], "who can never start holds up nobody"
    verdict = plan.verdicts[a_job_id(1)]
    assert verdict.blocked_by is Blocker.LIMIT
    assert "only the sites attic" in verdict.message
    both = acme(red=Quota(sites=("attic",)), ada=Quota(sites=("local",)))
    assert "no site at all" in plan_for(both, job(1)).verdicts[a_job_id(1)].message


def test_a_job_that_waits_for_its_own_site_hears_of_that_one() -> None:
    people = acme(red=Quota(sites=("attic",)))
    full = replace(ROOMS[1], free_cpus=0)
    plan = plan_for(people, job(1), rooms=(ROOMS[0], full))
    verdict = plan.verdicts[a_job_id(1)]
    assert (verdict.blocked_by, verdict.numbers["nodes_able"]) == (Blocker.NO_CAPACITY, 1)
    assert "site attic" in verdict.message


def test_what_would_help_only_where_it_may_not_go_is_not_told() -> None:
    """Both nodes of `attic` are full. Without the rack it would start on `local`, which its team
    may not use."""
    places = {"attic": ("r1", "r1"), "local": ("r1", "r2")}
    rooms = tuple(
        Room.empty(site, a_node(f"{site}{n}", location=Location(rack)))
        for site, racks in places.items()
        for n, rack in enumerate(racks)
    )
    full = tuple(replace(room, free_cpus=0) if room.site == "attic" else room for room in rooms)
    two = job(1, demand=Demand(2, Resources(), topology=Wish(require=Level.RACK)))
    hints = [
        plan_for(acme(red=Quota(sites=sites)), two, rooms=full).verdicts[a_job_id(1)].hint
        for sites in (("attic",), None)
    ]
    assert ["would start now" in hint for hint in hints] == [False, True]


def a_quota(chance: random.Random) -> Quota:
    if chance.random() < 0.3:
        return Quota()
    return running(chance.randrange(5), is_hard=chance.random() < 0.8)


def test_in_no_history_does_more_run_than_a_hard_limit_lets() -> None:
    """Jobs come and end, limits move; and nobody waits for a limit that is not reached."""
    for seed in range(HISTORIES):
        live_history(random.Random(seed))


def live_history(chance: random.Random) -> None:
    numbers = count()
    waiting: list[Waiting] = []
    run: list[Waiting] = []
    people = acme()
    for _ in range(STEPS):
        if chance.random() < 0.4:
            people = acme(**{name: a_quota(chance) for name in (*TEAMS, *PEOPLE)})
        waiting += [
            job(next(numbers), chance.choice(TEAMS), chance.choice(PEOPLE), **some_tasks(chance))
            for _ in range(chance.randrange(4))
        ]
        chance.shuffle(run)
        del run[: chance.randrange(3)]
        before = counted(run)
        plan = plan_for(people, *waiting, run=dict(before))
        run, waiting = after(plan, run, waiting)
        check(people, plan, before, counted(run), waiting)


def some_tasks(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.7:
        return {}
    tasks = tuple(range(chance.randrange(1, 5)))
    return {"tasks": tasks, "room": len(tasks)}


def after(
    plan: Plan, run: list[Waiting], waiting: list[Waiting]
) -> tuple[list[Waiting], list[Waiting]]:
    started = {one.job_id: set[int | None]() for one in plan.placements}
    for placement in plan.placements:
        started[placement.job_id].add(placement.task)
    left = []
    for one in waiting:
        gone = started.get(one.job_id, set())
        run = run + [one] * len(gone)
        rest = tuple(task for task in one.tasks if task not in gone)
        if rest:
            left.append(replace(one, tasks=rest, room=len(rest)))
    return run, left


def counted(run: list[Waiting]) -> Counter[Party]:
    return Counter(party for one in run for party in parties_of(one.team, one.owner))


def check(
    people: People,
    plan: Plan,
    before: Counter[Party],
    now: Counter[Party],
    waiting: list[Waiting],
) -> None:
    bounds: dict[Party, Bound] = {}
    for team in people.teams.values():
        if team.quota.running_jobs is not None and team.quota.running_jobs.is_hard:
            bounds["team", team.name] = team.quota.running_jobs
    for user in people.users.values():
        if user.quota.running_jobs is not None and user.quota.running_jobs.is_hard:
            bounds["owner", user.name] = user.quota.running_jobs
    for party, bound in bounds.items():
        # What ran before the limit was lowered goes on.
        assert now[party] <= max(bound.value, before[party])
    for one in waiting:
        if plan.verdicts[one.job_id].blocked_by is Blocker.LIMIT:
            parties = [party for party in parties_of(one.team, one.owner) if party in bounds]
            assert any(now[party] >= bounds[party].value for party in parties)
