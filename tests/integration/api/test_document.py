"""The OpenAPI document says what the server does: every route, its token and its problems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.api.access import routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

PROMISED = {
    "submit_job", "submit_jobs", "hold_job", "release_job", "note_job", "reorder_jobs",
    "show_request",
    "list_tasks", "read_metrics", "list_progress", "show_queue", "list_jobs", "show_job",
    "explain_job", "cancel_job", "requeue_job",
    "plan_job",
    "read_log", "stream_log", "list_results", "read_result", "stream_events", "list_nodes",
    "show_node", "list_sites", "cordon_node", "resume_node", "list_verdicts",
    "keep_snapshot", "put_blob", "show_server", "show_policy", "list_pools", "put_pools",
    "list_promises", "count_promises", "shut_down_server", "probe_health",
    "whoami", "show_organization", "transfer_ownership", "export_people", "apply_people",
    "list_teams", "create_team", "show_team", "close_team", "limit_team", "list_members",
    "put_member", "remove_member", "list_users", "create_user", "show_user", "appoint_user",
    "limit_user", "deactivate_user", "activate_user", "list_invitations", "invite",
    "withdraw_invitation", "accept_invitation", "claim_server", "list_tokens", "create_token",
    "revoke_token",
    "probe_readiness", "add_webhook", "list_webhooks", "remove_webhook", "test_webhook", "sweep",
    "search_audit", "export_audit", "show_audit_checkpoint", "prove_audit_inclusion",
    "prove_audit_consistency",
    "show_calendar", "export_calendar", "add_booking", "show_booking", "cancel_booking",
    "approve_booking", "amend_lease",
}  # fmt: skip


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    made: dict[str, Any] = client.get("/openapi.json").json()
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_document_is_openapi_3_1_and_needs_the_token(
    document: dict[str, Any], stranger: TestClient
) -> None:
    assert document["openapi"].startswith("3.1")
    assert stranger.get("/openapi.json").status_code == 401


def test_every_route_is_in_it_under_a_lasting_name(house: House, document: dict[str, Any]) -> None:
    assert {operation["operationId"] for _, _, operation in operations(document)} == PROMISED
    assert all(operation["summary"] for _, _, operation in operations(document))
    described = {(method.upper(), path) for method, path, _ in operations(document)}
    routed = {
        (method, re.sub(r":path\}", "}", route.path or ""))
        for route in routes_of(house.app)
        for method in route.methods or ()
    }
    assert routed == described


OPEN = {"/healthz", "/readyz", "/v1/invitations/accept", "/v1/claim"}
"""The probes, and the doors for those who have a code and no token yet."""


def test_every_operation_but_the_open_ones_asks_for_the_token(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        is_open = path in OPEN
        assert operation["security"] == ([] if is_open else [{"token": []}])
        assert ("401" in operation["responses"]) is not is_open
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_refusal_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        refusals = {code: r for code, r in operation["responses"].items() if int(code) >= 400}
        assert "403" in refusals, path
        for refusal in refusals.values():
            assert refusal["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


def test_every_reference_in_it_leads_somewhere_and_every_field_is_named(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    assert {"Problem", "JobView", "EventView", "LogView", "LogEnd", "SnapshotRequest"} <= set(
        schemas
    )
    referred = set(re.findall(r"#/components/schemas/([A-Za-z0-9_]+)", str(document)))
    assert referred <= set(schemas)
    for _, path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])


def test_pages_that_load_scripts_from_elsewhere_are_off(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404
