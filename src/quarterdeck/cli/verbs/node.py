"""`qd node`: nodes and their GPUs, what is free, and what new work is kept off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_short,
    print_table,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.wire.v1.cluster import ForeignView, NodeChange, NodeDetail, NodeView

_site = click.option("--site", default=None, help="Its site, where several have such a node.")
_gpus = click.option(
    "--gpu", "gpus", multiple=True, metavar="INDEX|ID", help="Only this GPU; may be repeated."
)
_reason = click.option("--reason", default="", help="What everybody is told who asks why.")


@click.group(
    invoke_without_command=True,
    epilog=examples("qd node", "qd node show dgx-01", "qd node drain dgx-01 --reason 'new fan'"),
)
@output_option
@click.pass_context
def command(context: click.Context, output: str) -> None:
    """Nodes: what there is, what is free, what new work is kept off. Alone it lists them."""
    if context.invoked_subcommand is None:
        _list(output)


@command.command(name="ls", epilog=examples("qd node ls", "qd node ls -o json"))
@output_option
def list_all(output: str) -> None:
    """List nodes, what is free of each, and which jobs hold the rest."""
    _list(output)


@command.command(epilog=examples("qd node show dgx-01"))
@click.argument("node")
@_site
@output_option
def show(node: str, site: str | None, output: str) -> None:
    """Show a node with its GPUs, one by one."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        detail = client.nodes.get_node(node, site=site)
    if not print_short(output, detail, *(device.id for device in detail.devices)):
        _print_detail(detail)


@command.command(epilog=examples("qd node cordon dgx-01 --gpu 3 --reason 'ECC errors'"))
@click.argument("node")
@_gpus
@_reason
@_site
@dry_run_option
@output_option
def cordon(
    *, node: str, gpus: Sequence[str], reason: str, site: str | None, dry_run: bool, output: str
) -> None:
    """Keep new work off a node, or off some of its GPUs. What runs there goes on."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        changed = client.nodes.cordon(node, gpus=gpus, reason=reason, site=site, dry_run=dry_run)
    would = "would be" if dry_run else "is"
    _print_change(changed, f"{_what(node, gpus)} {would} cordoned", output)
    _tell_how_to_resume(changed, output)


@command.command(epilog=examples("qd node drain dgx-01 --reason 'new fan'"))
@click.argument("node")
@_reason
@_site
@dry_run_option
@output_option
def drain(node: str, reason: str, site: str | None, dry_run: bool, output: str) -> None:
    """Cordon a node and stop what runs there; it goes on elsewhere, with its checkpoint."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        changed = client.nodes.cordon(node, reason=reason, drain=True, site=site, dry_run=dry_run)
    would = "would be" if dry_run else "is"
    _print_change(changed, f"{node} {would} cordoned and drained", output)
    if changed.stopped and output == "table":
        jobs = ", ".join(changed.stopped)
        say(f"{'would stop' if dry_run else 'stopping'} {jobs}; they start elsewhere")
    _tell_how_to_resume(changed, output)


@command.command(epilog=examples("qd node resume dgx-01", "qd node resume dgx-01 --gpu 3"))
@click.argument("node")
@_gpus
@_site
@dry_run_option
@output_option
def resume(node: str, gpus: Sequence[str], site: str | None, dry_run: bool, output: str) -> None:
    """Let new work go to a node again, or to some of its GPUs."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        changed = client.nodes.resume(node, gpus=gpus, site=site, dry_run=dry_run)
    would = "would be" if dry_run else "is"
    _print_change(changed, f"{_what(node, gpus)} {would} open to new work", output)


def _print_change(changed: NodeChange, told: str, output: str) -> None:
    if not print_short(output, changed, changed.node.name):
        say(told)


def _tell_how_to_resume(changed: NodeChange, output: str) -> None:
    if output == "table":
        say(f"hint: `qd node resume {changed.node.name}` lets new work go there again")


def _list(output: str) -> None:
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.list_nodes()
    if print_short(output, listed, *(node.name for node in listed.nodes)):
        return
    rows = [
        (
            node.name,
            node.site,
            _state_of(node),
            node.gpu_model or "-",
            f"{node.gpus_free}/{node.gpus}",
            f"{node.cpus_free}/{node.cpus}",
            f"{format_bytes(node.memory_free_bytes)}/{format_bytes(node.memory_bytes)}",
            ",".join(held[:3]) + (",…" if len(held) > 3 else "") or "-",
        )
        for node in listed.nodes
        for held in [[*node.jobs, *(one.name for one in node.others if one.starts_at is None)]]
    ]
    titles = ("NODE", "SITE", "STATE", "GPU", "FREE GPUS", "FREE CPUS", "FREE MEMORY", "JOBS")
    print_table(titles, rows)


def _print_detail(node: NodeDetail) -> None:
    say(f"{node.name} at site {node.site}: {_state_of(node)}")
    if node.cordon is not None:
        because = f": {node.cordon.reason}" if node.cordon.reason else ""
        say(f"cordoned by {node.cordon.by} at {node.cordon.at}{because}")
    if node.reason:
        say(f"the site says: {node.reason}")
    rows = [
        (
            str(device.index),
            device.id,
            device.model,
            device.state,
            ",".join([*device.jobs, *device.others]) or "-",
            (device.cordon.reason or f"by {device.cordon.by}") if device.cordon else "-",
        )
        for device in node.devices
    ]
    if rows:
        print_table(("GPU", "ID", "MODEL", "STATE", "JOBS", "CORDONED"), rows)
    say(
        f"{node.cpus_free} of {node.cpus} CPUs and {format_bytes(node.memory_free_bytes)} of "
        f"{format_bytes(node.memory_bytes)} are free"
    )
    for one in node.others:
        say(_say_foreign(one))


def _say_foreign(one: ForeignView) -> str:
    """What somebody has of the node who is not of Quarterdeck."""
    until = f"until {one.ends_at} at the latest" if one.ends_at else "nobody knows until when"
    if one.starts_at is not None:
        return f"{one.name} keeps it for others from {one.starts_at}, {until}"
    gpus = f"{one.gpus} GPU{'s'[: one.gpus != 1]}, " if one.gpus else ""
    cpus = f"{one.cpus} CPU{'s'[: one.cpus != 1]}"
    return f"{one.name} holds {gpus}{cpus} and {format_bytes(one.memory_bytes)}, {until}"


def _state_of(node: NodeView) -> str:
    state = f"{node.state} (pretended)" if node.pretend else node.state
    if node.cordon is not None:
        return f"{state}, cordoned"
    if node.gpus_cordoned:
        return f"{state}, {node.gpus_cordoned} GPU{'s'[: node.gpus_cordoned > 1]} cordoned"
    return state


def _what(node: str, gpus: Sequence[str]) -> str:
    return f"GPU {', '.join(gpus)} of {node}" if gpus else node
