"""Requests by chance over the whole OpenAPI document, as each who may ask: no answer is a fault of
the server, and none is of another form than the document says."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.security.stock import make_sensible, things_for
from tests.security.wire import CODE_DOORS, Address, document, operations

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS: tuple[Any, ...] = (
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
EXAMPLES = 50
"""Of each operation. With a seed of its own each run would find other faults, and none again."""
LEFT_OUT = {
    ("POST", "/v1/server/shutdown"): "ends the server; tests/e2e asks it",
    ("GET", "/v1/events"): "never ends; tests/integration/api/test_streams.py reads it",
    ("GET", "/v1/jobs/{job_id}/logs/stream"): "likewise",
}


@cache
def token_of(server: Address, role: str) -> str:
    """Of somebody who has come in by an invitation as that."""
    body: dict[str, Any] = {"user": f"a-{role}"}
    if role in ("admin", "operator", "steward"):
        body["role"] = role
    elif role != "outsider":
        body["teams"] = {"default": role}
    invited = server.ask("/v1/invitations", "POST", body=json.dumps(body).encode())
    code = json.dumps({"code": json.loads(invited.body)["code"]}).encode()
    accepted = server.ask("/v1/invitations/accept", "POST", token="", body=code)
    secret: str = json.loads(accepted.body)["secret"]
    return secret


WHO: dict[str, Callable[[Address], str]] = {
    "owner": lambda server: server.token,
    "nobody": lambda _: "",
    "a stranger": lambda _: "not-a-token",
    **{
        role: partial(token_of, role=role)
        for role in ("admin", "operator", "steward", "lead", "member", "viewer", "outsider")
    },
}
"""Who asks, and with which token."""
WITHOUT_TOKEN = ("nobody", "a stranger")
NEVER_DONE = CODE_DOORS | {
    # Chance has no code; the owner is to stay the owner; a webhook's name is looked up outside;
    # nobody waits for room on this server, and who waits for anything else keeps their place.
    ("POST", "/v1/jobs/reorder"),
    ("POST", "/v1/organization/transfer"),
    ("POST", "/v1/webhooks"),
    ("POST", "/v1/webhooks/{webhook_id}/test"),
    ("DELETE", "/v1/webhooks/{webhook_id}"),
}


def without_security(told: dict[str, Any]) -> dict[str, Any]:
    """The document, with nothing in it of tokens: chance would leave out the one of who asks,
    and one request in five would be nobody's."""
    copy: dict[str, Any] = json.loads(json.dumps(told))
    del copy["components"]["securitySchemes"]
    for described in [copy, *(one for path in copy["paths"].values() for one in path.values())]:
        described.pop("security", None)
    return copy


SCHEMA = schemathesis.openapi.from_dict(without_security(document()))


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), [one for one in operations() if one not in LEFT_OUT])
def test_the_api_answers_as_its_document_says(
    server: Address, job_id: str, who: str, method: str, path: str
) -> None:
    token = WHO[who](server)
    operation = SCHEMA[path][method]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    things = things_for(server, path, who, token, job_id)
    answers: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES if who == "owner" else 2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @schemathesis_given(operation)  # type: ignore[untyped-decorator]
    def ask(case: Any) -> None:
        # The owner asks for what is not there, too.
        if who != "owner" or len(repr((case.path_parameters, case.body))) % 2:
            make_sensible(case, things)
        make_harmless(case)
        response = case.call(
            base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=30
        )
        answers[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()
    assert who in WITHOUT_TOKEN or 401 not in answers, answers
    if who == "owner" and (method, path) not in NEVER_DONE:
        assert any(200 <= status < 300 for status in answers), answers


def make_harmless(case: Any) -> None:
    """What chance asks is done: no command of chance is run, nobody outside is told of it."""
    body = case.body
    if case.query and "wait_s" in case.query:
        case.query["wait_s"] = 0
    for one in [body, *jobs_of(body)]:
        if isinstance(one, dict) and "run" in one:
            one["hold"] = True
        if isinstance(one, dict) and "url" in one:
            one["url"] = "https://hooks.invalid/"


def jobs_of(body: Any) -> list[Any]:
    """The jobs of a batch."""
    jobs = body.get("jobs") if isinstance(body, dict) else None
    return jobs if isinstance(jobs, list) else []


def schemathesis_given(operation: Any) -> Any:
    """Cases of one operation, right ones and wrong ones."""
    from hypothesis import given

    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]
    return given(case=strategies[0] | strategies[1])
