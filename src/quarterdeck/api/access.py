"""What a caller may do here: every route names its row of the permission table by `may`.

A route without that does not build (see `check_all_guarded`), except the few that are open to
everybody. What is not there and what is not for the caller's eyes get the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from quarterdeck.api.context import ApiContext
from quarterdeck.api.guard import OPEN_TO_ALL
from quarterdeck.api.translate import parse_job_id
from quarterdeck.api.views import PretendNodes, job_view
from quarterdeck.basics.errors import NotAllowed
from quarterdeck.control.steps import get_job, unknown_job
from quarterdeck.control.submit import Asked
from quarterdeck.core.governance.people import check_team_name, unknown_team, unknown_user
from quarterdeck.core.governance.permissions import TABLE, Noun, Verb
from quarterdeck.core.governance.principal import Extent, Principal, extent_of
from quarterdeck.core.governance.roles import Kind
from quarterdeck.core.governance.staffing import choose_team

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastapi import FastAPI
    from fastapi.dependencies.models import Dependant

    from quarterdeck.core.governance.people import Team, User
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import JobFilter
    from quarterdeck.wire.v1.jobs import JobView

_ROW: Final = "quarterdeck_row"
HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True)
class Access:
    """A caller at a route: who, and how far they reach for what it does."""

    context: ApiContext
    principal: Principal
    verb: Verb
    noun: Noun
    extent: Extent
    sight: Extent
    pretend: PretendNodes

    @property
    def name(self) -> str:
        """The caller's name."""
        return self.principal.name

    @property
    def is_current(self) -> bool:
        """Whether the caller may still go on as it was let in."""
        return self.context.roster.is_current(self.principal)

    @property
    def holder(self) -> str | None:
        """By which name files and work folders are the caller's; None for who may have all: not an
        operator, who sees every job but not what is in it."""
        sight = self.reach(Verb.READ, Noun.REQUEST)
        return None if sight.is_all and sight.only_teams is None else self.principal.id

    def sees(self, job: Job) -> bool:
        """Whether the caller may know that the job exists."""
        return self.sight.covers(job.spec.team, job.actor, job.id)

    def covers(self, job: Job) -> bool:
        """Whether the route may do to the job what it does."""
        return self.extent.covers(job.spec.team, job.actor, job.id)

    def shows_request(self, job: Job) -> bool:
        """Whether the caller may know the values of the job's variables."""
        return self.reach(Verb.READ, Noun.REQUEST).covers(job.spec.team, job.actor, job.id)

    def reach(self, verb: Verb, noun: Noun) -> Extent:
        """How far the caller reaches for another row of the table."""
        return extent_of(self.principal, verb, noun)

    def get_job(self, text: str) -> Job:
        """The job of that id, for what the route does. `NotFound` for one that is not there or
        not for the caller's eyes, `NotAllowed` for one that may only be looked at."""
        job_id = parse_job_id(text)
        job = get_job(self.context.plane, job_id)
        if not self.sees(job):
            raise unknown_job(job_id)
        if not self.covers(job):
            raise not_allowed(self.verb, self.noun, f"of team {job.spec.team}")
        return job

    def choose_team(self, wanted: str | None) -> str:
        """The team of a new job."""
        sight = self.reach(Verb.READ, Noun.TEAM)
        if wanted is not None:
            check_team_name(wanted)
        return choose_team(self.context.roster.people, self.extent, sight, wanted)

    def own_key(self, asked: Asked) -> Asked:
        """An idempotency key that no other caller's can be taken for."""
        return Asked(asked.key, asked.request_digest, self.principal.id)

    def only_visible(self, wanted: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The teams that are listed: of those that are wanted, the ones that the caller sees."""
        visible = self.extent.visible_teams()
        if wanted is None or visible is None:
            return visible if wanted is None else wanted
        return tuple(team for team in wanted if team in visible)

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """The jobs of a page; of a runner's token the one that it is for."""
        store = self.context.plane.store
        if self.extent.job_id is not None:
            job = store.find_job(self.extent.job_id)
            return [] if job is None else [job]
        if wanted.before is not None:
            # A cursor that the caller may not know of is one that there is not: an empty page.
            job = store.find_job(wanted.before)
            if job is None or not self.sees(job):
                return []
        return store.list_jobs(wanted)

    def job_view(self, job: Job, warnings: Sequence[str] = ()) -> JobView:
        """The job; variables without their values for who may not know them."""
        view = job_view(job, self.pretend, warnings)
        if not view.env or self.shows_request(job):
            return view
        return view.model_copy(update={"env": dict.fromkeys(view.env, HIDDEN)})

    def get_team(self, name: str) -> Team:
        """The team, for what the route does. `NotFound` for one that is not there or not for the
        caller's eyes, `NotAllowed` for one that may only be looked at."""
        team = self.context.roster.people.teams.get(name)
        if team is None or not self.reach(Verb.READ, Noun.TEAM).covers_team(name):
            raise unknown_team(name)
        if not self.extent.covers_team(name):
            raise not_allowed(self.verb, self.noun, f"of team {name}")
        return team

    def users(self) -> Iterable[User]:
        """Everybody, also those whom the caller may not know of."""
        return self.context.roster.people.users.values()

    def sees_user(self, user: User) -> bool:
        """Whether the caller may know of the user: themselves, and who shares a team with them."""
        sight = self.reach(Verb.READ, Noun.USER)
        if sight.is_all or (user.name == self.name and sight.is_own):
            return True
        return any(sight.covers_team(team) for team, _ in user.teams)

    def discreet_user(self, user: User) -> User:
        """The user without the teams that the caller may not know of."""
        sight = self.reach(Verb.READ, Noun.TEAM)
        if sight.is_all or user.name == self.name:
            return user
        teams = tuple((team, role) for team, role in user.teams if sight.covers_team(team))
        return user if user.kind is Kind.SERVICE else replace(user, teams=teams)

    def get_user(self, name: str) -> User:
        """The user. `NotFound` for one that is not there or not for the caller's eyes."""
        user = self.context.roster.people.users.get(name)
        if user is None or not self.sees_user(user):
            raise unknown_user(name)
        return user


def not_allowed(verb: Verb, noun: Noun, of: str = "") -> NotAllowed:
    """The refusal for who may see a thing and not do this to it."""
    return NotAllowed(
        f"you may not {verb} a {noun}{f' {of}' if of else ''}",
        hint="`qd whoami` shows your roles and what your token is good for; ask an admin or a lead",
    )


def may(verb: Verb, noun: Noun) -> Any:  # noqa: ANN401 - what FastAPI's `Depends` is
    """The dependency of a route that does this: refuses callers who may do it to nothing at all,
    and gives the others' `Access`."""
    assert (verb, noun) in TABLE, f"the permission table has no row for {verb} {noun}"

    async def permitted(request: Request) -> Access:
        principal = cast("Principal", request.state.actor)
        extent = extent_of(principal, verb, noun)
        if extent.is_empty:
            raise not_allowed(verb, noun)
        told = request.app.state
        sight = extent_of(principal, Verb.READ, Noun.JOB)
        return Access(told.context, principal, verb, noun, extent, sight, told.pretend)

    setattr(permitted, _ROW, (verb, noun))
    return Depends(permitted)


def rows_of(route: RouteContext) -> set[tuple[Verb, Noun]]:
    """The rows of the permission table that a route names."""

    def walk(dependant: Dependant) -> set[tuple[Verb, Noun]]:
        row = getattr(dependant.call, _ROW, None)
        found = set() if row is None else {cast("tuple[Verb, Noun]", row)}
        return found.union(*map(walk, dependant.dependencies))

    return walk(route.dependant)


def routes_of(app: FastAPI) -> list[RouteContext]:
    """Every route that the app serves, those of the routers that it includes too. The document is
    FastAPI's own route: whoever has a token may read it."""
    routes = [route for route in iter_route_contexts(app.routes) if route.path != app.openapi_url]
    for route in routes:
        assert isinstance(route.original_route, APIRoute), f"{route.path} is no route of the API"
    return routes


def check_all_guarded(app: FastAPI) -> None:
    """A route that names no row, and is not open to everybody, is a bug that ends the start."""
    served = {(method, route.path) for route in routes_of(app) for method in route.methods or ()}
    assert served > OPEN_TO_ALL, "the routes that are open to all are not among those served"
    for route in routes_of(app):
        rows = rows_of(route)
        for method in route.methods or ():
            is_open = (method, route.path) in OPEN_TO_ALL
            assert len(rows) == (not is_open), f"{method} {route.path} names {len(rows)} rows"
