"""What several verbs do with jobs: options that describe one, its snapshot, how it is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from quarterdeck.basics.errors import QuarterdeckError, Refused
from quarterdeck.cli.completion import job_ids
from quarterdeck.cli.errors import show_error
from quarterdeck.cli.output import print_json, say
from quarterdeck.cli.promises import print_starts, print_starts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import JobRequest, JobView
    from quarterdeck.wire.v1.verdicts import ExplanationView, PlanView

F = TypeVar("F", bound="Callable[..., Any]")


def _parse_nodes(text: str) -> int | str:
    """A number of nodes, or the least and the most of them."""
    least, dots, most = text.partition("..")
    if dots and least.isdecimal() and most.isdecimal():
        return text
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor a range like 2..8") from None


LEVELS = click.Choice(["node", "rack", "leaf", "rail", "unit", "pod"])
_OPTIONS = (
    click.option("-G", "--gpus", type=int, default=0, help="GPUs per node."),
    click.option(
        "--gpu",
        metavar="WHAT:N",
        help="GPUs per node by kind: A100:4, A100|H100:4, 40GB..:2, 20GB, mig-1g.10gb:3.",
    ),
    click.option(
        "-N",
        "--nodes",
        default="1",
        metavar="N|MIN..MAX",
        callback=lambda _context, _option, text: _parse_nodes(text),
        help="Nodes; all start or none.",
    ),
    click.option("--require", type=LEVELS, help="All nodes within one of these, or it waits."),
    click.option("--prefer", type=LEVELS, help="All nodes within one of these if there is room."),
    click.option("--spread", type=LEVELS, help="Over as many of these as may be."),
    click.option("--ranks-per-node", type=int, default=1, help="Copies of the command per node."),
    click.option("--cpus", type=int, default=1, help="CPUs per node."),
    click.option("--memory", metavar="SIZE", help="Memory per node, for example 64GiB."),
    click.option("-J", "--name", default=None, help="A name for people."),
    click.option("--image", metavar="REF", help="The container image that it runs in."),
    click.option("--isolate", is_flag=True, help="A file system of its own without an image."),
    click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a variable."),
    click.option(
        "--priority",
        type=click.Choice(["low", "normal", "high"]),
        default="normal",
        help="Higher goes first.",
    ),
    click.option("--retry", type=int, default=0, help="Attempts more after a node failure."),
    click.option("-t", "--time-limit", metavar="SPAN", help="Stop it after, for example, 2h."),
    click.option(
        "--preemptible/--not-preemptible",
        default=True,
        help="Whether it may have to make room for others.",
    ),
    click.option("--min-runtime", metavar="SPAN", help="Not before it has run, for example, 10m."),
    click.option("--array", metavar="INDICES", help="Many tasks, for example 0-99%10."),
    click.option(
        "--needs",
        multiple=True,
        metavar="ID",
        shell_complete=job_ids(),
        help="Start after this job's success.",
    ),
    click.option("--tag", multiple=True, metavar="KEY=VALUE", help="A word for filters and bills."),
    click.option("--hold", is_flag=True, help="Keep it from starting until `qd release`."),
    click.option("-A", "--team", default=None, help="The team that it belongs to."),
    click.option("--site", default=None, help="Only this site."),
    click.option(
        "--workdir", default=".", metavar="DIR|none", help="Folder to snapshot.", show_default=True
    ),
)


def job_options(function: F) -> F:
    """The options that describe a job on the command line."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def make_request(command: tuple[str, ...], options: dict[str, Any]) -> JobRequest:
    """The request that the options describe, without its work folder."""
    from quarterdeck.wire.v1.jobs import (
        JobRequest,
        ResourcesRequest,
        RetryRequest,
        TopologyRequest,
    )

    if not command:
        raise click.UsageError("say what to run, after --")
    if options["gpu"] and options["gpus"]:
        raise click.UsageError("give --gpus or --gpu, not both")
    return JobRequest(
        name=options["name"] or _name_of(command),
        run=list(command),
        image=options["image"],
        isolate=options["isolate"],
        env=parse_pairs(options["env"], "--env", "NAME=VALUE"),
        nodes=options["nodes"],
        ranks_per_node=options["ranks_per_node"],
        resources=ResourcesRequest(
            gpu=options["gpu"] or options["gpus"],
            cpu=options["cpus"],
            memory=options["memory"],
        ),
        topology=TopologyRequest(
            require=options["require"], prefer=options["prefer"], spread=options["spread"]
        ),
        priority=options["priority"],
        retry=RetryRequest(limit=options["retry"]),
        time_limit=options["time_limit"],
        preemptible=options["preemptible"],
        min_runtime=options["min_runtime"],
        array=options["array"],
        needs=list(options["needs"]),
        tags=parse_pairs(options["tag"], "--tag"),
        hold=options["hold"],
        site=options["site"],
        team=options["team"],
    )


def print_log(text: str, stream: TextIO | None = None) -> None:
    """Text of a log at once and as it is, whatever the terminal's encoding."""
    out = (stream or sys.stdout).buffer
    out.write(text.encode("utf-8", "replace"))
    out.flush()


def attach_workdir(
    client: Client, request: JobRequest, workdir: str | Path | None, *, dry_run: bool = False
) -> None:
    """Snapshot the folder, upload it, and put its digest into the request; in a dry run only see
    whether it can be read."""
    if workdir is None or str(workdir) == "none":
        return
    from quarterdeck.sdk.workdir import take_snapshot

    snapshot = take_snapshot(Path(workdir))
    if not dry_run:
        request.snapshot = client.upload_snapshot(snapshot)


def print_job(job: JobView, output: str, would: str = "") -> None:
    """A job that was just submitted or changed: its id, or all of it as JSON. `would` is what a dry
    run has not done to it."""
    print_warnings(job, output)
    if output == "json":
        print_json(job)
    elif output == "name":
        say(job.id)
    elif would:
        say(f"would {would} {job.id}, which is {job.state}")
    else:
        say(f"{job.id} {job.state}")


def print_new_job(client: Client, job: JobView, output: str) -> None:
    """A job that was just submitted; if it has to wait, with when it should start."""
    print_job(job, output)
    if output == "table" and job.state == "queued":
        print_starts_of(client, job.id)


def print_warnings(job: JobView, output: str) -> None:
    """Which soft limits a job that was just submitted goes beyond."""
    if output != "name":
        for warning in job.warnings:
            say(f"warning: {warning}", err=True)


def print_plan(plan: PlanView, output: str) -> None:
    """What would happen to a job; its nodes alone when only names are wanted."""
    if output == "json":
        print_json(plan)
    elif output == "name":
        for grant in plan.placement:
            say(grant.node)
    elif plan.starts_now:
        nodes = ", ".join(grant.node for grant in plan.placement)
        say(f"it would start now at site {plan.site}, on {nodes}")
        print_grounds(plan.grounds)
        if plan.verdict is not None:
            say(f"the rest of it would wait: {plan.verdict.message}")
    else:
        say("it would wait" + (f": {plan.verdict.message}" if plan.verdict else ""))
        if plan.position is not None:
            say(f"place in the queue: {plan.position}")
        print_prospects(plan)


def print_prospects(outlook: PlanView | ExplanationView) -> None:
    """When it should start, when at the latest, and what would let it start now."""
    latest, verdict = outlook.latest, outlook.verdict
    print_starts(outlook.promise)
    if latest is not None:
        after = (
            f", when {latest.when_ended} has reached its time limit" if latest.when_ended else ""
        )
        say(f"starts: {latest.at[:19]}Z at the latest{after}, unless others go before it")
    if verdict is not None and verdict.hint:
        say(f"hint: {verdict.hint}")
    if verdict is not None and verdict.commands:
        say(f"do: {' && '.join(verdict.commands)}")


def print_grounds(grounds: Sequence[str]) -> None:
    """Why it lies where it does, a line each."""
    for line in grounds:
        say(f"why: {line}")


def change_jobs(
    job_ids: Sequence[str],
    output: str,
    change: Callable[[Client, str], JobView],
    would: str = "",
) -> None:
    """Change all that can be changed, and then the first refusal decides."""
    from quarterdeck.sdk.client import Client

    failures: list[QuarterdeckError] = []
    with Client() as client:
        for job_id in job_ids:
            try:
                print_job(change(client, job_id), output, would)
            except Refused as error:
                failures.append(error)
    for failure in failures[1:]:
        show_error(failure)
    if failures:
        raise failures[0]


def parse_pairs(pairs: Sequence[str], option: str, form: str = "KEY=VALUE") -> dict[str, str]:
    """The values of an option that is given as KEY=VALUE, perhaps several times."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"{option} {pair} has no =; write {form}")
        found[name] = value
    return found


def nodes_of(job: JobView) -> str:
    """Where it is or was last, shortened."""
    placement = job.placement or (job.attempts[-1].placement if job.attempts else [])
    names = [grant.node for grant in placement]
    shown = ",".join(names[:3])
    return f"{shown},… ({len(names)})" if len(names) > 3 else shown or "-"


def told_place(job: JobView) -> str | None:
    """Whose place in the queue it has by its owner's own order; None for its own."""
    if job.place_as_of is None:
        return None
    return f"by its owner's order that of a job submitted at {job.place_as_of[:19]}Z"


def _name_of(command: tuple[str, ...]) -> str:
    """The program's name, as far as it can be a job's name."""
    name = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in Path(command[0]).name
    )
    return name.lstrip("._-")[:64] or "job"
