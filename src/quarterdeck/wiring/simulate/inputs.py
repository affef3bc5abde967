"""What `qd sim run` is given, read from files: nodes, jobs, policies, outages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span, parse_span_s
from quarterdeck.control.rules import USUAL
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sdk.yamltree import shown, shown_file
from quarterdeck.sim.fast.cells import decode
from quarterdeck.sim.fast.formats.machine import machine_of
from quarterdeck.sim.fast.formats.outages import Outages, read_outages
from quarterdeck.sim.fast.formats.sacct import read_sacct
from quarterdeck.sim.fast.formats.swf import read_swf
from quarterdeck.sim.fast.workload import Workload, read_workload
from quarterdeck.wiring.policy.reader import NamedPolicy, load_policy
from quarterdeck.wiring.simulate.formats import Format
from quarterdeck.wiring.site.reader import load_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.cluster.siteplan import SitePlan

FILE_BYTES_MAX: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes, and the full power of each by its name."""

    nodes: tuple[Node, ...]
    watts: Mapping[str, float] = field(default_factory=dict)


class Asked(NamedTuple):
    """A workload file and what else its format wants to know."""

    path: Path
    cluster: Cluster
    gpus_per_processor: float


Reader = Callable[[Asked], Workload]


def _csv(asked: Asked) -> Workload:
    return read_workload(load_text(asked.path, "workload"), asked.path.name)


def _swf(asked: Asked) -> Workload:
    return read_swf(
        load_text(asked.path, "workload"),
        asked.path.name,
        machine_of(asked.cluster.nodes),
        gpus_per_processor=asked.gpus_per_processor,
    )


def _sacct(asked: Asked) -> Workload:
    text = load_text(asked.path, "workload")
    return read_sacct(text, asked.path.name, machine_of(asked.cluster.nodes))


READERS: Final[Mapping[Format, Reader]] = {
    Format.CSV: _csv,
    Format.SWF: _swf,
    Format.SACCT: _sacct,
}


def load_cluster(path: Path) -> Cluster:
    """The nodes of a site file."""
    plan = load_plan(path)
    return Cluster(plan.imagine(load_catalogue()), watts_of(plan))


def watts_of(plan: SitePlan) -> dict[str, float]:
    """The full power of each node whose type says it."""
    types = plan.known_types(load_catalogue())
    return {
        node.name: float(types[node.type].power_w)
        for node in plan.nodes
        if types[node.type].power_w
    }


def load_outages(path: Path | None, cluster: Cluster) -> Outages:
    """The outages of a file; none without one."""
    if path is None:
        return Outages()
    names = {node.name for node in cluster.nodes}
    return read_outages(load_text(path, "outages"), path.name, names)


def load_policies(paths: Sequence[Path], patiences: Sequence[str]) -> list[NamedPolicy]:
    """Those of files, then those that differ from the usual one in their patience only."""
    found = [load_policy(path) for path in paths]
    for text in patiences:
        patience_s = parse_span_s(text, field="patience")
        name = f"patience {format_span(patience_s)}"
        found.append(NamedPolicy(name, Policy(patience_s=patience_s)))
    names = [one.name for one in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise Invalid(
            f"two policies are called {shown(doubled[0])}",
            field="policy",
            hint="give each a name of its own: name: … in its file",
        )
    return found or [NamedPolicy(USUAL, Policy())]


def load_text(path: Path, kind: str) -> str:
    """A text file, as far as it is text."""
    name = shown_file(str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        told = f"the {kind} file {name} cannot be read: {error.strerror}"
        raise Invalid(told, field=kind, hint="give a file as docs/simulator.md has it") from None
    if len(content) > FILE_BYTES_MAX:
        told = f"the {kind} file {name} is larger than {FILE_BYTES_MAX} bytes"
        raise Invalid(told, field=kind, hint="cut it into several")
    if b"\0" in content[:4096]:
        told = f"the {kind} file {name} is not UTF-8 text: it has NUL bytes"
        hint = "save it as plain text in UTF-8; unpack it first, if it is packed"
        raise Invalid(told, field=kind, hint=hint)
    return decode(content)
