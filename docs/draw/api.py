"""docs/reference/api.md: every path and body of the HTTP API, from its OpenAPI document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.draw.markdown import code, head, table
from quarterdeck import __version__
from quarterdeck.adapters.audit.memory import MemoryAuditLog
from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.identity.signed import SignedTokens
from quarterdeck.adapters.notifiers.webhook import WebhookNotifier
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.api.app import create_app
from quarterdeck.api.context import ApiContext
from quarterdeck.basics.chance import Chance
from quarterdeck.control.board import Board
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.webhooks import Webhooks
from quarterdeck.wiring.clock import SteadyClock
from quarterdeck.wiring.people import PeopleOfServer
from quarterdeck.wiring.system import RandomHookKeys, RandomIds

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = """\
`qd openapi` prints the whole OpenAPI 3.1 document of a running server; this page is drawn from it.
Every request carries `Authorization: Bearer TOKEN`, but for those marked open. Errors are problem
details (RFC 9457) with a stable `code`: [errors](errors.md). A client ignores fields that it does
not know; the server refuses those that it does not know."""
_ORDER = ("get", "post", "put", "delete")


def draw_api() -> str:
    """The whole page."""
    document = read_document()
    operations = list(_operations(document))
    tags = list(dict.fromkeys(operation["tags"][0] for _, _, operation in operations))
    parts = [head("HTTP API", ABOUT)]
    for tag in tags:
        parts.append(f"## {tag.capitalize()}\n")
        parts += [
            _operation(method, path, operation)
            for path, method, operation in operations
            if operation["tags"][0] == tag
        ]
    parts.append("## Bodies\n\nA field without a default is always there.\n")
    schemas = document["components"]["schemas"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join(parts)


def read_document() -> dict[str, Any]:
    """The document of a server that has nothing to do."""
    store = MemoryStore()
    plane = ControlPlane(store, SteadyClock(), RandomIds(), MemoryBlobs(), Board(store))
    people = PeopleOfServer(
        MemoryDirectory(),
        plane.clock,
        "0" * 64,
        SignedTokens(b"", "", plane.clock, plane.board.has_live),
        is_alone=True,
    )
    notifier = WebhookNotifier(plane.clock, __version__, may_be_private=False)
    context = ApiContext(
        plane=plane,
        identity=people.sign_in,
        roster=people.roster,
        files={},
        metrics={},
        webhooks=Webhooks(plane, MemoryHooks(), notifier, RandomHookKeys(), Chance(1)),
        audit=MemoryAuditLog(plane.clock.now_ns),
        version=__version__,
        pid=0,
        home_id="",
        started_at_ns=0,
        shutdown=lambda _stop_jobs: None,
        list_sites=list,
        put_pools=lambda _text, _is_dry_run: plane.rules.now,
        is_ready=lambda: True,
    )
    return create_app(context).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in _ORDER:
            if method in methods:
                yield path, method, methods[method]


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [
        (
            code(parameter["name"]),
            parameter["in"],
            _type(parameter["schema"]),
            _default(parameter["schema"]),
            parameter.get("description", ""),
        )
        for parameter in operation.get("parameters", ())
    ]
    is_open = " Open: needs no token." if operation.get("security") == [] else ""
    return "\n".join(
        part
        for part in (
            f"### {method.upper()} {path}\n",
            f"{operation.get('description', operation['summary'])}{is_open}\n",
            table(("parameter", "in", "type", "default", "meaning"), rows),
            _body(operation),
            table(("status", "body", "meaning"), _answers(operation)),
        )
        if part
    )


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return ""
    told = ", ".join(f"{_type(media['schema'])} as `{kind}`" for kind, media in content.items())
    needed = "" if operation["requestBody"].get("required") else " (may be left out)"
    return f"Body: {told}{needed}.\n"


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Those that succeed in full; the errors of all routes are alike, so only their numbers."""
    errors = []
    for status, answer in sorted(operation["responses"].items()):
        if not status.startswith("2"):
            errors.append(code(status))
            continue
        content = answer.get("content", {})
        kinds = ", ".join(
            _type(media.get("schema", {})) or code(kind) for kind, media in content.items()
        )
        yield code(status), kinds, answer["description"]
    if errors:
        yield ", ".join(errors), "[Problem](#problem)", "[errors](errors.md)"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            code(field),
            _type(inner),
            "" if field in required else _default(inner) or "may be absent",
            inner.get("description", ""),
        )
        for field, inner in schema.get("properties", {}).items()
    ]
    about = " ".join(schema.get("description", "").split())
    parts = (f"### {name}\n", f"{about}\n" if about else "",
             table(("field", "type", "default", "meaning"), rows))  # fmt: skip
    return "\n".join(part for part in parts if part)


def _type(schema: dict[str, Any]) -> str:
    """A type as people read it, with a link where it is a body of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = [_type(one) for one in schema["anyOf"]]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(str(one)) for one in schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of {_type(schema.get('items', {})) or 'anything'}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties']) or 'anything'}"
    return str(kind)


def _default(schema: dict[str, Any]) -> str:
    return code(json.dumps(schema["default"], ensure_ascii=False)) if "default" in schema else ""
