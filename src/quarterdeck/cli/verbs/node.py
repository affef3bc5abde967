"""`qd node`: nodes, their GPUs, and what is free."""

from __future__ import annotations

import click

from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.output import examples, output_option, print_json, print_table, say


@click.command(epilog=examples("qd node", "qd node ls -o json"))
@click.argument("action", type=click.Choice(["ls"]), default="ls")
@output_option
def command(action: str, output: str) -> None:  # noqa: ARG001 - the only one so far
    """List nodes, what is free of each, and which jobs hold the rest."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.list_nodes()
    if output == "json":
        print_json(listed)
        return
    if output == "name":
        for node in listed.nodes:
            say(node.name)
        return
    rows = [
        (
            node.name,
            node.site,
            f"{node.state} (pretended)" if node.pretend else node.state,
            node.gpu_model or "-",
            f"{node.gpus_free}/{node.gpus}",
            f"{node.cpus_free}/{node.cpus}",
            f"{format_bytes(node.memory_free_bytes)}/{format_bytes(node.memory_bytes)}",
            ",".join(node.jobs[:3]) + (",…" if len(node.jobs) > 3 else "") or "-",
        )
        for node in listed.nodes
    ]
    titles = ("NODE", "SITE", "STATE", "GPU", "FREE GPUS", "FREE CPUS", "FREE MEMORY", "JOBS")
    print_table(titles, rows)
