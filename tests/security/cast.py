"""The people of `acme` by what they say, for sentences about who may do what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quarterdeck.api.access import Access
from quarterdeck.api.event_sight import EventSight
from quarterdeck.control.submit import submit
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.governance.principal import extent_of
from quarterdeck.testing.builders import a_job_spec
from tests.security.acme import Acme

if TYPE_CHECKING:
    from quarterdeck.core.jobs.job import Job
    from tests.security.acme import Reply

PRETEND: Any = None
RUN = {"run": "true"}


class Cast:
    """The people of the organization, by what they say."""

    def __init__(self) -> None:
        self.acme = Acme()
        self.tokens = {one.label: one.token for one in self.acme.askers}
        for name in ("mate", "stranger"):
            self.tokens[name] = self.acme.token_of(name)

    def says(self, who: str, method: str, path: str, body: Any = None, query: str = "") -> Reply:
        return self.acme.ask(self.tokens[who], method, path, query, body)

    def reads(self, who: str, path: str, query: str = "") -> Any:
        reply = self.says(who, "GET", path, query=query)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def heard(self, who: str) -> str:
        """All facts of the log that somebody may hear, as a stream of events tells them."""
        context = self.acme.house.app.state.context
        principal = context.identity.find_principal(self.tokens[who], "127.0.0.1")
        sight = extent_of(principal, Verb.READ, Noun.JOB)
        access = Access(context, principal, Verb.READ, Noun.JOB, sight, sight, PRETEND)
        view = EventSight(access)
        told = map(view.view, context.plane.store.list_records(0))
        return "".join(one.model_dump_json() for one in told if one is not None)

    def job(self, owner: str, team: str) -> str:
        return self.acme.jobs[owner, team]

    def waiting(self, owner: str, team: str, *, gpus: int = 0, env: Any = ()) -> Job:
        spec = a_job_spec(team=team, demand=Demand(1, Resources(gpus)), env=tuple(env))
        return submit(self.acme.house.plane, spec, owner).job


def refused(reply: Reply, status: int = 403, code: str = "not_allowed") -> bool:
    assert reply.status == status, reply
    assert reply.problem["code"] == code, reply
    return True


def same(one: Reply, other: Reply, name: str, another: str) -> bool:
    """The same answer, but for the name that was asked for."""
    assert one.body.decode().replace(name, "X") == other.body.decode().replace(another, "X")
    return one.status == other.status
