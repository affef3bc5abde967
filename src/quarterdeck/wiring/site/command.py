"""`qd site show|generate|import`: draw a site, make one of scalable units, take over places.

All but the drawing of a live site works on files alone, so it is wired to the rules themselves.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_done,
    print_table,
    quiet_option,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.fabric import Fabric
    from quarterdeck.core.cluster.hardware import Location
    from quarterdeck.core.cluster.nodetype import NodeType
    from quarterdeck.wiring.site.picture import DrawnNode

IMPORT_BYTES_MAX: Final = 64 << 20


@click.command(
    epilog=examples("qd site show --map", "qd site show --map --file superpod.yaml"),
)
@click.option("--map", "with_map", is_flag=True, help="Draw racks, nodes and GPUs.")
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="FILE", help="A site file, not the server."
)
@output_option
def show(file: Path | None, *, with_map: bool, output: str) -> None:
    """Show pods, units and racks, and what is free in them; of the server, or of a site file."""
    from quarterdeck.wiring.site import sight

    fabric: Fabric | None = None
    facts: dict[str, str] = {}
    if file is not None:
        from quarterdeck.wiring.site.reader import load_plan

        plan = load_plan(file)
        fabric, nodes = plan.fabric, sight.seen_of_plan(plan)
        facts = {"name": plan.name, "country": plan.country, "region": plan.region}
    else:
        from quarterdeck.sdk.client import Client

        with Client() as client:
            nodes = sight.seen_of_server(client.list_nodes().nodes)
    if output == "json":
        say(json.dumps(sight.as_json(nodes, fabric, **facts), indent=2))
    elif output == "name":
        for node in nodes:
            say(node.name)
    else:
        _show(nodes, fabric, facts, with_map=with_map)


def _show(
    nodes: Sequence[DrawnNode], fabric: Fabric | None, facts: dict[str, str], *, with_map: bool
) -> None:
    from quarterdeck.wiring.site.picture import draw_map, tell_fabric, tell_totals

    if facts:
        say("  ".join(fact for fact in facts.values() if fact))
    if with_map:
        lines = draw_map(nodes, shutil.get_terminal_size((100, 24)).columns)
    else:
        _print_units(nodes)
        states = Counter(state for node in nodes for state in node.states)
        lines = ["", tell_totals(nodes, states)]
    for line in [*lines, *(tell_fabric(fabric) if fabric is not None else [])]:
        say(line)


def _print_units(nodes: Sequence[DrawnNode]) -> None:
    from quarterdeck.wiring.site.picture import states_shown

    rows = []
    shown = states_shown(Counter(state for node in nodes for state in node.states))
    for (site, pod, unit), some in groupby(
        nodes, lambda node: (node.site, node.location.pod, node.location.unit)
    ):
        those = list(some)
        states = Counter(state for node in those for state in node.states)
        counts = [states[state] for state in shown]
        racks = len({node.location.rack for node in those} - {""})
        place = [text or "-" for text in (site, pod, unit)]
        rows.append((*place, racks, len(those), sum(states.values()), *counts))
    titles = ("SITE", "POD", "UNIT", "RACKS", "NODES", "GPUS")
    first = 0 if any(node.site for node in nodes) else 1
    print_table(
        (*titles, *(state.upper() for state in shown))[first:],
        [row[first:] for row in rows],
    )


_FILE_OPTION = click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it there, not to the terminal.",
)
_FORCE_OPTION = click.option("--force", is_flag=True, help="Write over a file that is there.")


@click.command(
    epilog=examples(
        "qd site generate --type dgx-a100 --units 7 -o superpod.yaml",
        "qd site generate --type dgx-b200 --units 64 --name large",
    )
)
@click.option("--type", "kind_name", required=True, metavar="TYPE", help="A type of hardware.")
@click.option("--units", type=int, required=True, help="How many scalable units.")
@click.option("--name", default="superpod", show_default=True, help="The site's name.")
@_FILE_OPTION
@_FORCE_OPTION
@dry_run_option
@quiet_option
def generate(kind_name: str, units: int, name: str, file: Path | None, **flags: bool) -> None:
    """Write the site file of a SuperPOD: units full of nodes, and the fabric that joins them."""
    from quarterdeck.core.cluster.siteplan import plan_superpod
    from quarterdeck.wiring.site.writer import write_plan

    kind = _find_type(kind_name)
    plan = plan_superpod(kind, units, name=_check_name(name))
    text = write_plan(plan)
    told = f"{len(plan.nodes)} nodes; look at it: qd site show --map --file {file}"
    _deliver(text, file, told, **flags)


@click.command(
    "import",
    epilog=examples(
        "qd site import topology.conf",
        "qd site import topology.conf --type dgx-h100 -o site.yaml",
        "qd site import nodes.json",
    ),
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--type", "kind_name", metavar="TYPE", help="The type of all nodes: write a whole site file."
)
@click.option("--name", default="imported", show_default=True, help="The site's name.")
@_FILE_OPTION
@_FORCE_OPTION
@dry_run_option
@quiet_option
def import_places(
    source: Path, kind_name: str | None, name: str, file: Path | None, **flags: bool
) -> None:
    """Take over where nodes stand, as `locations` of a site file.

    SOURCE is Slurm's topology.conf, or what `kubectl get nodes -o json` prints where topograph has
    labelled the nodes.
    """
    from quarterdeck.core.cluster.siteplan import PlannedNode, SitePlan
    from quarterdeck.wiring.site.writer import write_locations, write_plan

    kind = _find_type(kind_name) if kind_name is not None else None
    places = _read_places(source)
    if kind is None:
        text = write_locations(places)
    else:
        nodes = tuple(PlannedNode(node, kind.name, place) for node, place in places.items())
        text = write_plan(SitePlan(name=_check_name(name), nodes=nodes))
    _deliver(text, file, f"places of {len(places)} nodes", **flags)


def _read_places(source: Path) -> dict[str, Location]:
    from quarterdeck.adapters.sites.kubernetes import read_labels
    from quarterdeck.adapters.sites.slurm import read_topology
    from quarterdeck.wiring.site.reader import check_node_names

    shown = str(source)
    try:
        with source.open("rb") as stream:
            content = stream.read(IMPORT_BYTES_MAX + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        told = f"{shown} cannot be read: {error.strerror}"
        raise Invalid(told, field="source", hint="give a topology.conf") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        told = f"{shown}:{line}: this is not UTF-8 text"
        raise Invalid(told, field="source", hint="save it as UTF-8") from None
    if len(content) > IMPORT_BYTES_MAX:
        told = f"{shown} is larger than {IMPORT_BYTES_MAX} bytes"
        raise Invalid(told, field="source", hint="is it a topology.conf?")
    read = read_labels if text.lstrip()[:1] in ("{", "[") else read_topology
    places = read(text, shown)
    check_node_names(places, shown)
    return places


def _deliver(
    text: str, file: Path | None, told: str, *, force: bool, dry_run: bool, quiet: bool
) -> None:
    """Print it, or write it to a file."""
    if file is None:
        if not dry_run:
            click.echo(text, nl=False)
        return
    output = "name" if quiet else "table"
    if dry_run:
        if file.exists() and not force:
            raise _exists(file)
        print_done(output, f"would write {file}: {told}", str(file))
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}"
        raise Invalid(message, field="file", hint="name another file") from None
    print_done(output, f"wrote {file}: {told}", str(file))


def _exists(file: Path) -> Conflict:
    return Conflict(
        f"{file} is there already",
        code="file_exists",
        field="file",
        hint="name another file, or write over it with --force",
    )


def _find_type(name: str) -> NodeType:
    from quarterdeck.adapters.sites.catalogue import load_catalogue

    catalogue = load_catalogue()
    if name in catalogue:
        return catalogue[name]
    close = difflib.get_close_matches(name[:100], catalogue, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise Invalid(
        f"--type is {name[:100]!r}, which is no type of hardware",
        field="type",
        hint=f"{hint}types: {', '.join(catalogue)}",
    )


def _check_name(name: str) -> str:
    from quarterdeck.wiring.site.model import NAME

    if re.fullmatch(NAME, name) is None:
        raise Invalid(
            f"--name is {name[:100]!r}, which is no name for a site",
            field="name",
            hint="use letters, digits, dots and dashes, 63 at most",
        )
    return name
