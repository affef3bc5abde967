"""Nodes over HTTP: `client.nodes.cordon(...)` and its siblings, waiting and not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from quarterdeck.sdk.calls import Call
from quarterdeck.sdk.methods import AsyncCalls, Calls, awaited, waiting
from quarterdeck.sdk.requests import JSON, as_model, body_of, dry
from quarterdeck.wire.v1.cluster import (
    CordonRequest,
    NodeChange,
    NodeDetail,
    NodeList,
    ResumeRequest,
)
from quarterdeck.wire.v1.sites import SiteList

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH: Final = "/v1/nodes"


def list_nodes() -> Call[NodeList]:
    """All nodes, and what is free of them."""
    return Call("GET", PATH, as_model(NodeList))


def get_node(node: str, *, site: str | None = None) -> Call[NodeDetail]:
    """One node with its GPUs, one by one. `site` where several have a node of that name."""
    return Call("GET", _at(node), as_model(NodeDetail), query=_query(site, dry_run=False))


def list_sites() -> Call[SiteList]:
    """All sites: what drives them, whether they answer, and what is free of them."""
    return Call("GET", "/v1/sites", as_model(SiteList))


def cordon(
    node: str,
    *,
    gpus: Sequence[str] = (),
    reason: str = "",
    drain: bool = False,
    site: str | None = None,
    dry_run: bool = False,
) -> Call[NodeChange]:
    """Keep new work off a node, or off these of its GPUs, by index or id. `drain` stops what runs
    on the node, too; it goes back into the queue."""
    request = CordonRequest(gpus=list(gpus), reason=reason, drain=drain)
    path = f"{_at(node)}/cordon"
    query = _query(site, dry_run=dry_run)
    return Call("POST", path, as_model(NodeChange), query, JSON, body_of(request))


def resume(
    node: str,
    *,
    gpus: Sequence[str] = (),
    site: str | None = None,
    dry_run: bool = False,
) -> Call[NodeChange]:
    """Let new work go to a node again, or to these of its GPUs."""
    request = ResumeRequest(gpus=list(gpus))
    path = f"{_at(node)}/resume"
    query = _query(site, dry_run=dry_run)
    return Call("POST", path, as_model(NodeChange), query, JSON, body_of(request))


class NodeCalls(Calls):
    """Nodes, for the client that waits."""

    list_nodes = waiting(list_nodes)
    get_node = waiting(get_node)
    list_sites = waiting(list_sites)
    cordon = waiting(cordon)
    resume = waiting(resume)


class AsyncNodeCalls(AsyncCalls):
    """Nodes, for the client that awaits."""

    list_nodes = awaited(list_nodes)
    get_node = awaited(get_node)
    list_sites = awaited(list_sites)
    cordon = awaited(cordon)
    resume = awaited(resume)


def _at(node: str) -> str:
    return f"{PATH}/{quote(node, safe='')}"


def _query(site: str | None, *, dry_run: bool) -> dict[str, str | int | list[str]]:
    query: dict[str, str | int | list[str]] = {} if site is None else {"site": site}
    return query | dry(dry_run)
