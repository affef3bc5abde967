"""Which replica is of which role, and how a job with roles ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Demand, Group, Resources
from quarterdeck.core.jobs.lineup import part_of, parts_of
from quarterdeck.core.jobs.roles import MAIN, Role
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.limits import LIMITS
from quarterdeck.testing.builders import a_job_spec

LOADER, CACHE = Role("loader", ("serve",), 2), Role("cache", ("keep",))
BESIDE = (Group(2, Resources(cpus=8)), Group(1, Resources(cpus=4)))


def a_spec(**changes: object) -> JobSpec:
    demand = Demand(3, Resources(8), beside=BESIDE)
    return replace(a_job_spec(demand=demand, roles=(LOADER, CACHE)), **changes)  # type: ignore[arg-type]


def test_replicas_go_by_role_the_jobs_own_first() -> None:
    assert [(part.role.name, part.first, part.size) for part in parts_of(a_spec(), 6)] == [
        (MAIN, 0, 3),
        ("loader", 3, 2),
        ("cache", 5, 1),
    ]
    assert [part_of(a_spec(), 6, rank).role.name for rank in range(6)] == [
        *([MAIN] * 3),
        *(["loader"] * 2),
        "cache",
    ]
    assert part_of(a_spec(), 6, 4).resources == Resources(cpus=8)


def test_of_a_range_of_nodes_it_is_the_jobs_own_part_that_varies() -> None:
    spec = a_spec(demand=Demand(1, Resources(8), nodes_max=8, beside=BESIDE))
    assert [part.size for part in parts_of(spec, 7)] == [4, 2, 1]


def test_without_roles_all_replicas_are_the_jobs_own() -> None:
    (part,) = parts_of(a_job_spec(command=("train",)), 4)
    assert (part.role.command, part.size, part.is_main) == (("train",), 4, True)


WRONG: dict[str, tuple[Role, Group, str]] = {
    "no name": (Role("", ("a",)), Group(), "roles"),
    "the job's own name": (Role(MAIN, ("a",)), Group(), "roles"),
    "a name that another one becomes": (Role("LOADER", ("a",)), Group(), "roles"),
    "no command": (Role("x", ()), Group(), "roles.x.run"),
    "no nodes": (Role("x", ("a",)), Group(0), "roles.x.nodes"),
    "no CPU": (Role("x", ("a",)), Group(1, Resources(cpus=0)), "roles.x.resources.cpu"),
    "no ranks": (Role("x", ("a",), 0), Group(), "roles.x.ranks_per_node"),
}


@pytest.mark.parametrize(("role", "group", "field"), WRONG.values(), ids=WRONG)
def test_what_no_engine_could_run_is_refused(role: Role, group: Group, field: str) -> None:
    beside = (BESIDE[0], group)
    with pytest.raises(Invalid) as refused:
        a_spec(demand=Demand(beside=beside), roles=(LOADER, role))
    assert refused.value.field == field


def test_there_are_not_endlessly_many_roles() -> None:
    count = LIMITS.roles_max + 1
    roles = tuple(Role(f"r{number}", ("a",)) for number in range(count))
    with pytest.raises(Invalid, match=f"there are {count} roles"):
        a_spec(demand=Demand(beside=(Group(),) * count), roles=roles)
