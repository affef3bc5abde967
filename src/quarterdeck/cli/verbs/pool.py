"""`qd pool`: what teams are guaranteed, what they hold of it, and what they borrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_pairs,
    print_short,
    print_table,
    say,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.pools import PoolList, PoolView


@click.group(no_args_is_help=True, epilog=examples("qd pool ls", "qd pool tree"))
def command() -> None:
    """Pools: what each team is guaranteed, holds, and borrows of what others do not use."""


@command.command(name="ls", epilog=examples("qd pool ls", "qd pool ls -o json"))
@output_option
def list_all(output: str) -> None:
    """List the pools of the teams that you may see."""
    found = _fetch()
    if not print_short(output, found, *(pool.team for pool in found.pools)):
        rows = [
            (
                pool.team,
                _guarantee(pool),
                pool.cells_free,
                pool.gpus_covered,
                pool.gpus_borrowed,
                pool.jobs_waiting,
                _hours(pool),
            )
            for pool in found.pools
        ]
        headers = (
            "TEAM", "GUARANTEE", "UNUSED", "COVERED GPUS", "BORROWED GPUS", "WAITING", "GPU HOURS"
        )  # fmt: skip
        print_table(headers, rows)
        _tell_shortfall(found)


@command.command(epilog=examples("qd pool show vision"))
@click.argument("team")
@output_option
def show(team: str, output: str) -> None:
    """Show one team's pool, and what each of its people holds."""
    pool = _find(_fetch(), team)
    if not print_short(output, pool, pool.team):
        print_pairs(
            [
                ("team", pool.team),
                ("guarantee", _guarantee(pool)),
                ("limit", ", ".join(pool.limit) or None),
                ("weight", f"{pool.weight:g}" if pool.weight != 1 else None),
                ("unused", f"{pool.cells_free} of {pool.cells} cells" if pool.cells else None),
                ("covered", f"{pool.gpus_covered} GPUs"),
                ("borrowed", f"{pool.gpus_borrowed} GPUs"),
                ("waiting", f"{pool.jobs_waiting} job{'s'[: pool.jobs_waiting != 1]}"),
                ("this month", f"{_hours(pool)} GPU hours"),
            ]
        )
        if pool.users:
            say()
            rows = [
                (
                    one.user,
                    ", ".join(one.guarantee) or "-",
                    one.cells_free,
                    one.gpus_covered,
                    one.gpus_borrowed,
                    one.jobs_waiting,
                    f"{one.gpu_hours:,.1f}",
                    ", ".join(one.limit) or "-",
                )
                for one in pool.users
            ]
            headers = (
                "USER", "GUARANTEE", "UNUSED", "COVERED GPUS", "BORROWED GPUS", "WAITING",
                "GPU HOURS", "LIMIT",
            )  # fmt: skip
            print_table(headers, rows)


@command.command(epilog=examples("qd pool tree"))
@output_option
def tree(output: str) -> None:
    """Draw the organization, its teams and their people with what they hold."""
    found = _fetch()
    if print_short(output, found, *(pool.team for pool in found.pools)):
        return
    say(f"{found.organization}: {found.gpus - found.gpus_free} of {found.gpus} GPUs are held")
    for place, pool in enumerate(found.pools):
        is_last = place == len(found.pools) - 1
        held = _held(pool.gpus_covered, pool.gpus_borrowed, pool.jobs_waiting)
        say(f"{'└─' if is_last else '├─'} {pool.team} ({_guarantee(pool)}): {held}")
        for number, one in enumerate(pool.users):
            branch = "└─" if number == len(pool.users) - 1 else "├─"
            held = _held(one.gpus_covered, one.gpus_borrowed, one.jobs_waiting)
            own = f" ({', '.join(one.guarantee)})" if one.guarantee else ""
            say(f"{'  ' if is_last else '│ '} {branch} {one.user}{own}: {held}")
    _tell_shortfall(found)


@command.command(epilog=examples("qd pool apply pools.yaml --dry-run", "qd pool apply pools.yaml"))
@click.argument("file", type=click.Path(path_type=Path))
@dry_run_option
@output_option
def apply(file: Path, dry_run: bool, output: str) -> None:
    """Guarantee what FILE says, in place of what is guaranteed now.

    FILE has the key `pools` of a policy file. It is written to the server's policy.yaml, and is in
    force at once; the rest of that file stays as it is."""
    from quarterdeck.basics.errors import Invalid
    from quarterdeck.sdk.client import Client

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid(
            f"{str(file)!r} cannot be read: {why}", field="file", hint="give a file with pools:"
        ) from None
    with Client() as client:
        given = client.put_pools(text, dry_run=dry_run)
    if not print_short(output, given, given.version):
        teams = ", ".join(given.teams) or "nobody"
        would = "would be" if dry_run else "are"
        say(f"guaranteed something {would}: {teams} (policy {given.name}, version {given.version})")


def _fetch() -> PoolList:
    from quarterdeck.sdk.client import Client

    with Client() as client:
        return client.list_pools()


def _find(found: PoolList, team: str) -> PoolView:
    from quarterdeck.basics.errors import NotFound

    for pool in found.pools:
        if pool.team == team:
            return pool
    raise NotFound(
        f"team {team[:80]!r} has no pool, and nothing that runs or waits",
        field="team",
        hint="`qd pool ls` lists those that you may see",
    )


def _guarantee(pool: PoolView) -> str:
    return ", ".join(pool.guarantee) or "no guarantee"


def _hours(pool: PoolView) -> str:
    used = f"{pool.gpu_hours:,.1f}"
    return used if pool.gpu_hours_max is None else f"{used} of {pool.gpu_hours_max:,}"


def _held(covered: int, borrowed: int, waiting: int) -> str:
    parts = [f"{covered} GPUs"]
    if borrowed:
        parts.append(f"{borrowed} borrowed")
    if waiting:
        parts.append(f"{waiting} jobs wait" if waiting > 1 else "1 job waits")
    return ", ".join(parts)


def _tell_shortfall(found: PoolList) -> None:
    if found.cells_without_node:
        say(
            f"for {found.cells_without_node} guaranteed cells there is no node: some are down, or "
            "more is guaranteed than there is",
            err=True,
        )
