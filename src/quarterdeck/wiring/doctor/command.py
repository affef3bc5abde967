"""`qd doctor`: what this machine can and cannot do, in plain words."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from quarterdeck.cli.output import examples, output_option
from quarterdeck.wiring.doctor.findings import Finding, Level
from quarterdeck.wiring.home import default_home

MARKS = {Level.OK: "ok     ", Level.NOTE: "note   ", Level.PROBLEM: "PROBLEM"}


def examine(root: Path, site: Path | None = None) -> list[Finding]:
    """Everything that is looked at, the machine first."""
    from quarterdeck.wiring.doctor.home import look_at_home
    from quarterdeck.wiring.doctor.machine import look_at_machine
    from quarterdeck.wiring.doctor.site import look_at_site

    findings = [*look_at_machine(), *look_at_home(root)]
    return findings if site is None else [*findings, look_at_site(site)]


def as_lines(findings: list[Finding]) -> list[str]:
    """A line each, and what to do below it."""
    width = max(len(finding.about) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.level]}  {finding.about.ljust(width)}  {finding.told}")
        if finding.hint:
            lines.append(f"{'':7}  {'':{width}}  -> {finding.hint}")
    return lines


def as_text(findings: list[Finding]) -> str:
    """All of it, and what that means."""
    lines = as_lines(findings)
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    notes = sum(finding.level is Level.NOTE for finding in findings)
    lines.append("")
    if problems:
        lines.append(f"{problems} to be mended before Quarterdeck works here")
    else:
        lines.append(f"Quarterdeck works here{f'; {notes} to know of' if notes else ''}")
    return "\n".join(lines)


@click.command(epilog=examples("qd doctor", "qd doctor -o json", "qd doctor --site superpod.yaml"))
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    envvar="QD_SITE",
    metavar="FILE",
    help="Look at this site file, too.",
)
@output_option
def command(home: Path | None, site: Path | None, output: str) -> None:
    """Say what this machine can and cannot do, and what to do about it.

    Works without a server, and changes nothing. Exits with 1 when something must be mended; with
    -q only the names of that are printed.
    """
    findings = examine((home or default_home()).absolute(), site)
    if output == "json":
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    elif output == "name":
        for finding in findings:
            if finding.level is Level.PROBLEM:
                click.echo(finding.about)
    else:
        click.echo(as_text(findings))
    sys.exit(any(finding.level is Level.PROBLEM for finding in findings))
