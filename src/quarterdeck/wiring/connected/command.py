"""`qd site add|ls|check|remove`: clusters that this server uses beside its own machine."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import Conflict, NotFound, Refused
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_done,
    print_short,
    print_table,
    say,
)
from quarterdeck.wiring.connected.engines import ENGINES, NEEDED_BY_PILOT, OF_PILOT, PILOT
from quarterdeck.wiring.home import Home, default_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.wiring.connected.entry import SiteEntry
    from quarterdeck.wiring.doctor.findings import Finding

_home = click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)


@click.command(
    epilog=examples(
        "qd site add hpc --engine slurm --folder /shared/quarterdeck --partition gpu",
        "qd site add hpc --engine slurm --folder /shared/quarterdeck --country DE --dry-run",
        "qd site add hpc --engine slurm-pilot --folder /shared/quarterdeck --nodes-max 4",
    )
)
@click.argument("name")
@click.option("--engine", required=True, type=click.Choice(ENGINES), help="What runs jobs there.")
@click.option("--folder", required=True, help="A folder that this machine and all nodes see.")
@click.option("--country", help="Where it stands, by ISO 3166: DE.")
@click.option("--region", help="Where in the country.")
@click.option("--partition", help="Slurm's partition [Slurm's default].")
@click.option("--account", help="Slurm's account [Slurm's default].")
@click.option("--qos", help="Slurm's quality of service.")
@click.option("--reservation", help="A reservation of Slurm's that jobs may use.")
@click.option("--python", help="Python 3.9 or later on the nodes [python3].")
@click.option("--path", metavar="FOLDERS", help="PATH of jobs [/usr/local/bin:/usr/bin:/bin].")
@click.option("--hardware", metavar="TYPE", help="The nodes' type, where Slurm does not say.")
@click.option("--slurm-conf", metavar="FILE", help="Its slurm.conf [as Slurm finds it].")
@click.option("--programs", metavar="FOLDER", help="Where its sbatch and squeue are [PATH].")
@click.option("--server-url", metavar="URL", help="Where its nodes reach this server.")
@click.option("--silence", metavar="SPAN", help="A runner silent for longer is lost [60s].")
@click.option("--patience", metavar="SPAN", help="How long Slurm may take to start a job [2m].")
@click.option("--poll", metavar="SPAN", help="How often Slurm is asked [2s].")
@click.option("--nodes-max", metavar="N", help="Pilots: how many nodes they may hold.")
@click.option("--nodes-min", metavar="N", help="Pilots: how many they keep when idle [0].")
@click.option("--idle", metavar="SPAN", help="Pilots: an idle node is given back after [5m].")
@click.option("--hold", metavar="SPAN", help="Pilots: how long one stays [the partition's, or 1d].")
@click.option("--no-check", is_flag=True, help="Add it without looking whether it works.")
@click.option("--force", is_flag=True, help="Write over a site of this name.")
@_home
@dry_run_option
@output_option
def add(
    name: str,
    home: Path | None,
    *,
    no_check: bool,
    force: bool,
    dry_run: bool,
    output: str,
    **given: Any,  # noqa: ANN401 - each is read by its key
) -> None:
    """Use a cluster as a site. A server on this home takes it up at once.

    It is looked at first, as `qd site check` does; what does not work there is told, and it is not
    added. It runs on a machine that has the cluster's client programs, such as its login node.
    """
    from quarterdeck.wiring.connected.entry import make_entry, write_entry
    from quarterdeck.wiring.connected.mark import write_mark
    from quarterdeck.wiring.policy.section import replace_file

    _check_usage(given)
    entry = make_entry(name, given)
    path = _path_of(home, name)
    if path.exists() and not force:
        raise Conflict(
            f"there is a site {name} already",
            code="site_exists",
            field="name",
            hint="choose another name, or write over it with --force",
        )
    if not no_check:
        _refuse_broken(entry, changes_nothing=dry_run)
    text = write_entry(entry)
    if dry_run:
        print_done(output, f"would write {path}:\n{text}".rstrip(), name, site=name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mark(entry, Home(path.parent.parent).home_id(), force=force)
    replace_file(path, text.encode())
    told = f"site {name} is added; `qd site ls` shows it, and `site: {name}` sends a job there"
    print_done(output, told, name, site=name)


@click.command(epilog=examples("qd site check hpc", "qd site check hpc --no-trial -o json"))
@click.argument("name")
@click.option("--no-trial", is_flag=True, help="Run no job there.")
@_home
@output_option
def check(name: str, home: Path | None, *, no_trial: bool, output: str) -> None:
    """Say what works at a connected site, what does not, and what to do about it.

    Runs a job of one CPU there for a second. Exits with 1 when something must be mended; with -q
    only the names of that are printed.
    """
    from quarterdeck.wiring.connected.check import check_site
    from quarterdeck.wiring.connected.entry import read_entry
    from quarterdeck.wiring.doctor.findings import Level

    path = _path_of(home, name)
    if not path.is_file():
        raise _unknown(name, home)
    entry = read_entry(path.read_bytes(), str(path), name)
    findings = check_site(entry, with_trial=not no_trial, is_added=True)
    if output == "json":
        say(json.dumps([asdict(finding) for finding in findings], indent=2))
    elif output == "name":
        for finding in findings:
            if finding.level is Level.PROBLEM:
                say(finding.about)
    else:
        say(_as_text(findings))
    sys.exit(any(finding.level is Level.PROBLEM for finding in findings))


@click.command(name="ls", epilog=examples("qd site ls", "qd site ls -o json"))
@output_option
def list_all(output: str) -> None:
    """List the server's sites: what drives them, whether they answer, and what is free."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.nodes.list_sites()
    if print_short(output, listed, *(site.name for site in listed.sites)):
        return
    rows = [
        (
            site.name,
            site.engine,
            site.state,
            " ".join(part for part in (site.country, site.region) if part) or "-",
            f"{site.nodes_ready}/{site.nodes}",
            f"{site.gpus_free}/{site.gpus}",
        )
        for site in listed.sites
    ]
    print_table(("SITE", "ENGINE", "STATE", "WHERE", "NODES", "GPUS FREE"), rows)
    for site in listed.sites:
        if site.problem:
            say(f"{site.name} is away: {site.problem}")


@click.command(epilog=examples("qd site remove hpc", "qd site remove hpc --dry-run"))
@click.argument("name")
@_home
@dry_run_option
@output_option
def remove(name: str, home: Path | None, *, dry_run: bool, output: str) -> None:
    """Use a connected site no more. What runs there should be cancelled or have ended first: nobody
    would hear of it any more. Its folder stays as it is."""
    path = _path_of(home, name)
    if not path.is_file():
        raise _unknown(name, home)
    if not dry_run:
        path.unlink()
    told = f"site {name} {'would be' if dry_run else 'is'} removed; its folder stays"
    print_done(output, told, name, site=name)


def _check_usage(given: Mapping[str, Any]) -> None:
    """Options that do not go together are wrong usage, as in every verb."""
    if given["engine"] == PILOT:
        if given[NEEDED_BY_PILOT] is None:
            told = "is missing: how many nodes may pilots hold?"
            raise click.UsageError(f"{_option(NEEDED_BY_PILOT)} {told}")
        return
    for key in OF_PILOT:
        if given[key] is not None:
            raise click.UsageError(f"{_option(key)} is for --engine {PILOT}")


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _path_of(home: Path | None, name: str) -> Path:
    from quarterdeck.wiring.connected.entry import check_name

    check_name(name)
    return (home or default_home()).absolute() / "sites" / f"{name}.yaml"


def _unknown(name: str, home: Path | None) -> NotFound:
    from quarterdeck.wiring.connected.keeper import list_files

    known = [path.stem for path in list_files((home or default_home()).absolute() / "sites")]
    return NotFound(
        f"there is no connected site {name}",
        field="name",
        hint=f"known: {', '.join(known)}" if known else "`qd site add` adds one",
    )


def _refuse_broken(entry: SiteEntry, *, changes_nothing: bool) -> None:
    from quarterdeck.wiring.connected.check import check_site
    from quarterdeck.wiring.doctor.findings import Level

    findings = check_site(entry, changes_nothing=changes_nothing)
    say(_as_text(findings), err=True)
    broken = [finding for finding in findings if finding.level is Level.PROBLEM]
    if broken:
        raise Refused(
            f"{broken[0].about}: {broken[0].told}",
            code="site_broken",
            field="folder" if broken[0].about == "folder" else "name",
            hint=f"{broken[0].hint}; --no-check adds it all the same",
        )


def _as_text(findings: list[Finding]) -> str:
    from quarterdeck.wiring.doctor.command import as_lines

    return "\n".join(as_lines(findings))
