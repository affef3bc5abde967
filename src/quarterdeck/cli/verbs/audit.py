"""`qd audit`: who asked for what, and what came of it. Verifying is added where the rules are."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from quarterdeck.basics.errors import Conflict, QuarterdeckError
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.cli.output import examples, output_option, print_done, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterdeck.wire.v1.audit import AuditRecordView

TITLES = ("SEQ", "AT", "ACTOR", "OUTCOME", "STATUS", "METHOD", "OPERATION", "TARGET", "CODE")


@click.group(no_args_is_help=True, epilog=examples("qd audit search --since 1h"))
def command() -> None:
    """Search the audit log, take it away, and verify that nothing in it was changed."""


def _operations(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offers the operations of the newest records."""
    from quarterdeck.sdk.client import Client

    try:
        with Client(patience_s=0) as client:
            found = {record.operation for record in client.audit.search(limit=200).records}
    except QuarterdeckError:
        return []
    return [CompletionItem(name) for name in sorted(found) if name and name.startswith(incomplete)]


@command.command(
    epilog=examples(
        "qd audit search --outcome refused --since 1d",
        "qd audit search --target j7k2m9q4xw -o json",
    )
)
@click.option("--actor", metavar="WHO", help="Only of this person, by id or name.")
@click.option(
    "--operation",
    metavar="NAME",
    shell_complete=_operations,
    help="Only this operation of the API, for example submit_job.",
)
@click.option("--target", metavar="ID", help="Only about this, for example a job.")
@click.option("--outcome", type=click.Choice(("allowed", "refused")), help="Only these.")
@click.option("--since", metavar="WHEN", help="From then on: 10m, 2d, or 2026-11-23T09:45:00Z.")
@click.option("--until", metavar="WHEN", help="Up to then, likewise.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@output_option
def search(
    limit: int, output: str, since: str | None, until: str | None, **wanted: str | None
) -> None:
    """List records, the newest first."""
    times = {"since": _moment(since, "--since"), "until": _moment(until, "--until")}
    found = list(_search(limit, {**wanted, **times}))
    if output == "json":
        # Escaped: a terminal does nothing with what somebody may have put into a name.
        click.echo(json.dumps([record.model_dump() for record in found], indent=2))
    elif output == "name":
        for record in found:
            click.echo(record.seq)
    else:
        print_table(TITLES, [_row(record) for record in found])


@command.command(epilog=examples("qd audit export audit-2026-11", "qd audit export kept -o json"))
@click.argument("folder", type=click.Path(path_type=Path))
@output_option
def export(folder: Path, output: str) -> None:
    """Save the whole log in FOLDER, which is made: its records, a checkpoint over them, the key.

    `qd audit verify FOLDER` verifies it, and so does tools/verify_audit.py, which is one file
    without dependencies."""
    from quarterdeck.sdk.client import Client

    if folder.exists():
        raise Conflict(
            f"{folder} exists", code="exists", field="FOLDER", hint="give a name that is free"
        )
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with Client() as client:
            count = _save(client.audit.export(), part)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    told = f"{count} records in {folder}; `qd audit verify {folder}` verifies them"
    print_done(output, told, str(folder), folder=str(folder), records=count)


def _search(limit: int, wanted: dict[str, str | None]) -> Iterator[AuditRecordView]:
    """Page after page, until there are enough."""
    from quarterdeck.sdk.client import Client

    arguments: dict[str, Any] = wanted
    with Client() as client:
        before = None
        while limit > 0:
            page = client.audit.search(**arguments, before=before, limit=min(limit, 1000))
            yield from page.records
            limit -= len(page.records)
            before = page.next_before
            if before is None:
                return


def _save(pieces: Iterable[bytes], folder: Path) -> int:
    """Write the lines as they come; the last one is held back, because it is no record."""
    count, rest = 0, b""
    with (folder / "records.jsonl").open("wb") as records:
        for piece in pieces:
            *lines, tail = (rest + piece).split(b"\n")
            # The last whole line so far may be the checkpoint.
            rest = b"\n".join([*lines[-1:], tail])
            records.writelines(line + b"\n" for line in lines[:-1])
            count += len(lines[:-1])
    told = json.loads(rest)
    (folder / "checkpoint").write_text(told["checkpoint"], "utf-8")
    (folder / "key.pub").write_text(f"{told['key']}\n", "ascii")
    return count


def _row(record: AuditRecordView) -> tuple[object, ...]:
    actor = record.actor or record.actor_id or "-"
    named = (actor, record.outcome, record.status or "-", record.method or "-")
    texts = (record.operation or record.path, record.target, record.code)
    cells = (record.at[:19], *named, *texts)
    return (record.seq, *(_inert(str(cell)) for cell in cells))


def _inert(text: str) -> str:
    """Control characters escaped: they may be meant for the terminal of whoever reads this."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _moment(text: str | None, option: str) -> str | None:
    """A time as the server reads it; a span is meant to be before now."""
    if text is None or (len(text) > 8 and text[4:5] == "-"):
        return text
    ago = timedelta(seconds=parse_span_s(text, field=option))
    return (datetime.now(UTC) - ago).isoformat()
