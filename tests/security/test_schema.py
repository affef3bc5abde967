"""Requests by chance over the whole OpenAPI document, as each who may ask: no answer is a fault of
the server, and none is of another form than the document says."""

from __future__ import annotations

import json
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

from tests.security.wire import Address, document, operations

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
SCHEMA = schemathesis.openapi.from_dict(document())


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "path"), [one for one in operations() if one not in LEFT_OUT])
def test_the_api_answers_as_its_document_says(
    server: Address, job_id: str, who: str, method: str, path: str
) -> None:
    token = WHO[who](server)
    operation = SCHEMA[path][method]
    headers = {"Authorization": f"Bearer {token}"} if token else {}

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
        make_harmless(case, job_id)
        response = case.call(
            base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=30
        )
        case.validate_response(response, checks=CHECKS)

    ask()


def make_harmless(case: Any, job_id: str) -> None:
    """What chance asks is done: no command of chance is run, nobody outside is told of it."""
    given, body = case.path_parameters or {}, case.body
    # Half of them about a job that there is: the others end at the first look.
    if "job_id" in given and len(repr(given)) % 2:
        given["job_id"] = job_id
    if case.query and "wait_s" in case.query:
        case.query["wait_s"] = 0
    # The token is the one of who asks, also where chance would leave it out.
    case.headers.pop("Authorization", None)
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
