"""`qd sim replay` with a question: the jobs of a while under another policy, on other nodes."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import to_iso
from quarterdeck.cli.output import say
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.nodetype import nodes_of
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.figures import Setting
from quarterdeck.sim.fast.measures.guarantees import guaranteed_gpus
from quarterdeck.sim.replay.more import add_nodes
from quarterdeck.sim.replay.rulings import read_in_force
from quarterdeck.sim.replay.whatif import (
    CLOSE_S,
    by_team,
    fidelity_of,
    most,
    moved,
    place,
    really,
    simulate,
)
from quarterdeck.sim.replay.workload import tell_workload
from quarterdeck.sim.report.column import column_of
from quarterdeck.sim.report.page import report
from quarterdeck.sim.report.sentences import sentences
from quarterdeck.wiring.policy.reader import NamedPolicy, load_policy
from quarterdeck.wiring.simulate.files import check_writable, write
from quarterdeck.wiring.simulate.inputs import load_cluster
from quarterdeck.wiring.simulate.printing import print_columns
from quarterdeck.wiring.simulate.records import dropped_told, nothing_recorded

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.sim.fast.story import Story
    from quarterdeck.sim.replay.rulings import InForce
    from quarterdeck.sim.replay.whatif import Elsewhere, Fidelity, Moved, TeamMoved
    from quarterdeck.sim.replay.workload import Told
    from quarterdeck.sim.report.column import Column
    from quarterdeck.wiring.simulate.records import Records

AS_IT_WAS: Final = "as it was"
REALLY: Final = "really"
MOVED_SHOWN: Final = 5
_MORE: Final = re.compile(r"([0-9]{1,9})(?::(.+))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be otherwise; None is as it was."""

    policy: Path | None = None
    cluster: Path | None = None
    more_nodes: str | None = None
    html: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Both simulations, what really happened, and what is to be said about them."""

    was: Column
    other: Column
    real: Column
    fidelity: Fidelity
    teams: Sequence[TeamMoved]
    gained: Sequence[Moved]
    lost: Sequence[Moved]
    notes: list[str]


def answer(records: Records, span_ns: tuple[int, int], question: Question, output: str) -> None:
    """Simulate the while as it was and as it is asked for, and print what the difference is."""
    if question.html is not None:
        inputs = (question.policy, question.cluster, *records.root.iterdir())
        check_writable(question.html, "html", inputs)
    named = load_policy(question.policy) if question.policy is not None else None
    told = tell_workload(records.history, span_ns)
    in_force = read_in_force(records.cycles, (told.from_ns, span_ns[1]))
    if not in_force.plans or not (told.jobs or told.begun):
        raise nothing_recorded(records, span_ns)
    nodes, where = _nodes_of(question, told.nodes)
    found = _compare(told, in_force, nodes, named, where)
    if told.events_gone:
        found.notes.append(f"{dropped_told(records, span_ns, told.events_gone)}.")
    if output == "json":
        click.echo(json.dumps(_as_json(found), indent=2))
    elif output == "table":
        _print(found)
    if question.html is not None:
        write(question.html, _page(found, span_ns), "html")
        say(f"the report is in {question.html}", err=True)


def _compare(
    told: Told, in_force: InForce, nodes: Sequence[Node], named: NamedPolicy | None, where: str
) -> Answer:
    live = NamedPolicy("the policy in force", in_force.policies[-1])
    other = named or live
    name = ", ".join(part for part in (named.name if named else "", where) if part)
    if name in {AS_IT_WAS, REALLY}:
        name = f"policy {name}"
    there = place(told, nodes)
    was_story = _run(AS_IT_WAS, place(told, told.nodes), live.policy, in_force)
    other_story = _run(name, there, other.policy, in_force)
    fidelity = fidelity_of(told, was_story)
    both = moved(was_story, other_story)
    gained, lost = most(both, MOVED_SHOWN)
    setting = Setting(guaranteed_gpus(other.policy.pools, nodes))
    return Answer(
        column_of(AS_IT_WAS, was_story, setting),
        column_of(name, other_story, setting),
        column_of(REALLY, really(told, in_force.plans), setting),
        fidelity,
        by_team(both),
        gained,
        lost,
        [_fidelity_told(fidelity), *_notes(told, in_force, there.remarks)],
    )


def _run(name: str, there: Elsewhere, policy: Policy, in_force: InForce) -> Story:
    with click.progressbar(
        length=len(there.jobs) + len(there.begun),
        label=name,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        return simulate(there, policy, in_force, lambda done: bar.update(done - bar.pos))


def _nodes_of(question: Question, nodes: tuple[Node, ...]) -> tuple[tuple[Node, ...], str]:
    """The nodes that are asked for, and how to call them."""
    if question.cluster is not None:
        return load_cluster(question.cluster).nodes, question.cluster.stem
    if question.more_nodes is None:
        return nodes, ""
    match = _MORE.fullmatch(question.more_nodes)
    if match is None:
        raise Invalid(
            f"more-nodes is {question.more_nodes[:80]!r}",
            field="more-nodes",
            hint="write N or N:TYPE, for example 4 or 4:dgx-h100",
        )
    like = None
    if match[2] is not None:
        catalogue = load_catalogue()
        kind = catalogue.get(match[2])
        if kind is None:
            raise Invalid(
                f"more-nodes names the type {match[2][:80]!r}",
                field="more-nodes",
                hint=f"use one of {', '.join(catalogue)}",
            )
        (like,) = nodes_of(kind, [f"{kind.prefix}-0"], [Location()])
    grown = add_nodes(nodes, int(match[1]), like)
    return grown, f"{len(grown) - len(nodes)} more nodes"


def _fidelity_told(fidelity: Fidelity) -> str:
    return (
        f"What was is simulated, too: of {fidelity.jobs} jobs half start within "
        f"{format_span(fidelity.off_p50_s)} of their real starts, and {fidelity.close:.1%} within "
        f"{format_span(CLOSE_S)}; the mean wait is {format_span(fidelity.wait_mean_s)}, and really "
        f"was {format_span(fidelity.really_wait_mean_s)}."
    )


def _notes(told: Told, in_force: InForce, remarks: Counter[str]) -> Iterator[str]:
    if len(in_force.policies) > 1:
        yield f"The policy changed {len(in_force.policies) - 1} times; the last one is taken."
    for what, count in (*told.remarks.items(), *remarks.items()):
        yield f"{count} × {what}."


def _moved_told(one: Moved) -> str:
    job = one.job
    return (
        f"{job.name} of team {job.team} ({job.demand}): waits {format_span(one.other_wait_s)} "
        f"instead of {format_span(one.wait_s)}"
    )


def _team_told(one: TeamMoved) -> str:
    return (
        f"{one.team or 'no team'}: {one.earlier} of {one.jobs} jobs start earlier, {one.later} "
        f"later; they wait {format_span(one.other_wait_s)} instead of {format_span(one.wait_s)} "
        "on average"
    )


def _print(found: Answer) -> None:
    for line in sentences([found.was, found.other]):
        say(line)
    if len(found.teams) > 1:
        say("By team:")
        for team in found.teams:
            say(f"  {_team_told(team)}")
    for heading, jobs in (("Most gained:", found.gained), ("Most lost:", found.lost)):
        if jobs:
            say(heading)
        for one in jobs:
            say(f"  {_moved_told(one)}")
    for note in found.notes:
        say(f"note: {note}")
    say()
    print_columns([found.real, found.was, found.other])


def _as_json(found: Answer) -> dict[str, object]:
    columns = (found.real, found.was, found.other)
    return {
        "sentences": sentences([found.was, found.other]),
        "figures": {one.name: dict(one.figures) for one in columns},
        "fidelity": {
            "jobs": found.fidelity.jobs,
            "off_p50_s": found.fidelity.off_p50_s,
            "within_30_s": found.fidelity.close,
            "wait_mean_s": found.fidelity.wait_mean_s,
            "really_wait_mean_s": found.fidelity.really_wait_mean_s,
        },
        "teams": [
            {
                "team": one.team,
                "jobs": one.jobs,
                "earlier": one.earlier,
                "later": one.later,
                "wait_s": one.wait_s,
                "other_wait_s": one.other_wait_s,
            }
            for one in found.teams
        ],
        "gained": [_moved_as_json(one) for one in found.gained],
        "lost": [_moved_as_json(one) for one in found.lost],
        "notes": list(found.notes),
    }


def _moved_as_json(one: Moved) -> dict[str, object]:
    return {
        "job": one.job.name,
        "team": one.job.team,
        "wait_s": one.wait_s,
        "other_wait_s": one.other_wait_s,
    }


def _page(found: Answer, span_ns: tuple[int, int]) -> str:
    title = f"{to_iso(span_ns[0])[:16]} to {to_iso(span_ns[1])[:16]}: {found.other.name}"
    notes = [
        *found.notes,
        *(_team_told(one) for one in found.teams if len(found.teams) > 1),
        *(f"Most gained: {_moved_told(one)}" for one in found.gained),
        *(f"Most lost: {_moved_told(one)}" for one in found.lost),
    ]
    return report([found.was, found.other], title, notes=notes)
