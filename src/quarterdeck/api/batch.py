"""A batch of jobs: an id for each before any is made, so that they may name each other."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from quarterdeck.api.translate import shown, to_spec
from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.control.submit import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.ids import Ids
    from quarterdeck.wire.v1.jobs import BatchRequest, JobRequest


def to_wanted(
    body: BatchRequest, ids: Ids, choose_team: Callable[[str | None], str]
) -> list[Wanted]:
    """The jobs of a batch, each under an id of its own, with the names in `needs` made ids."""
    teams: dict[str | None, str] = {}
    job_ids = [ids.new_job_id() for _ in body.jobs]
    names: dict[str, JobId] = {}
    doubled: set[str] = set()
    for one, job_id in zip(body.jobs, job_ids, strict=True):
        if names.setdefault(one.name, job_id) != job_id:
            doubled.add(one.name)
    wanted = []
    for place, (one, job_id) in enumerate(zip(body.jobs, job_ids, strict=True)):
        try:
            _refuse_doubled(one, doubled)
            if one.team not in teams:
                teams[one.team] = choose_team(one.team)
            wanted.append(Wanted(job_id, to_spec(one, names, team=teams[one.team]), one.hold))
        except Refused as error:
            field = f"jobs.{place}.{error.field}"
            raise type(error)(
                error.message, code=error.code, field=field, hint=error.hint
            ) from None
    _refuse_cycle(body, wanted)
    return wanted


def _refuse_doubled(body: JobRequest, doubled: set[str]) -> None:
    """A name in `needs` must say which job is meant."""
    for need in doubled.intersection(body.needs):
        raise Invalid(
            f"needs names {shown(need)}, and several jobs of the batch have that name",
            field="needs",
            hint="give them different names",
        )


def _refuse_cycle(body: BatchRequest, wanted: Sequence[Wanted]) -> None:
    """Jobs that wait for each other would wait for ever."""
    needs = {one.job_id: set(one.spec.needs) for one in wanted if one.spec.needs}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        names = {one.job_id: job.name for one, job in zip(wanted, body.jobs, strict=True)}
        path = " -> ".join(names.get(job_id, job_id) for job_id in reversed(error.args[1]))
        raise Invalid(
            f"jobs need each other in a circle: {path}",
            field="jobs",
            hint="take one of these out of `needs`",
        ) from None
