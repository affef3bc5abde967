"""`qd gc`: delete what retention lets go, or list it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.output import examples, output_option, print_json, print_table

if TYPE_CHECKING:
    from quarterdeck.wire.v1.gc import GcReport


@click.command(epilog=examples("qd gc --plan", "qd gc -o json"))
@click.option("--plan", "--dry-run", "is_plan", is_flag=True, help="Only list what would go.")
@output_option
def command(*, is_plan: bool, output: str) -> None:
    """Delete what the rules of retention let go. The server does it every hour by itself."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        report = client.sweep(dry_run=is_plan)
        _print(report, output)
        while not report.is_complete and report.count:
            report = client.sweep()
            _print(report, output)


def _print(report: GcReport, output: str) -> None:
    if output == "json":
        print_json(report)
        return
    if output == "name":
        for item in report.items:
            click.echo(f"{item.kind}/{item.name}")
        return
    if report.dry_run and report.items:
        rows = [
            (item.kind, item.name[:24], format_bytes(item.size_bytes), item.rule)
            for item in report.items
        ]
        print_table(("KIND", "NAME", "SIZE", "RULE"), rows)
        hidden = report.count - len(report.items)
        click.echo(f"… and {hidden} more\n" if hidden else "")
    totals = [
        (kind.kind, kind.count, format_bytes(kind.size_bytes), kind.rule) for kind in report.kinds
    ]
    if totals:
        print_table(("KIND", "COUNT", "SIZE", "RULE"), totals)
    verb = "would be deleted" if report.dry_run else "deleted"
    click.echo(f"{report.count} {verb}, {format_bytes(report.size_bytes)}")
