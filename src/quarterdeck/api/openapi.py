"""The OpenAPI document: what the framework knows, plus the token and the problems of each route."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from quarterdeck.api.guard import OPEN_TO_ALL
from quarterdeck.api.problems import MEDIA_TYPE
from quarterdeck.wire.v1.events import EventView, LogEnd, LogView
from quarterdeck.wire.v1.jobs import BatchRequest
from quarterdeck.wire.v1.server import Problem
from quarterdeck.wire.v1.snapshots import SnapshotRequest

if TYPE_CHECKING:
    from fastapi import FastAPI

_REF: Final = "#/components/schemas/{model}"
_UNSEEN_MODELS: Final = (Problem, EventView, LogView, LogEnd, SnapshotRequest, BatchRequest)
"""Bodies that the framework does not see, because a stream or a worker thread handles them."""
_ROUTE_ERRORS: Final = {
    "400": "The request cannot be read.",
    "404": "No such thing, or none that the caller may see.",
    "409": "Does not fit the present state, or the idempotency key.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "422": "A value cannot be used, or can never be satisfied here.",
    "500": "A fault of the server; the detail has a reference to its log.",
    "503": "Not now: retry after the time in `Retry-After`.",
}
_FORM_ERRORS: Final = {
    "400": _ROUTE_ERRORS["400"],
    "414": "The address is too long.",
    "429": "Too often, or too many at once: retry after the time in `Retry-After`.",
    "431": "The header is too large.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once per app."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    _, definitions = models_json_schema(
        [(model, "validation") for model in _UNSEEN_MODELS], ref_template=_REF
    )
    schemas.update(definitions["$defs"])
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from `POST /v1/tokens`, an invitation or a claim; on the "
            "server's own machine the content of the file `token` in its home, too.",
        }
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method.upper(), path, operation)
    return document


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """Say what the guard and the error handlers do, which the framework does not know."""
    is_open = (method, path) in OPEN_TO_ALL
    operation["security"] = [] if is_open else [{"token": []}]
    errors = {
        "403": "Not for this caller, this Host or this Origin.",
        "503": _ROUTE_ERRORS["503"],
        **_FORM_ERRORS,
    }
    has_body = "requestBody" in operation
    if not is_open or has_body:
        errors |= _ROUTE_ERRORS
    if not is_open:
        errors["401"] = "No token, or one that is not good here."
        if not has_body:
            del errors["413"], errors["408"]
    for status, description in errors.items():
        operation["responses"][status] = {
            "description": f"{HTTPStatus(int(status)).phrase}: {description}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
