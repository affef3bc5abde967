"""`qd audit verify`: it works on files without a server, so it is wired to the rules themselves."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.output import examples, output_option
from quarterdeck.cli.verbs.audit import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.audit.checkpoint import PublicKey
    from quarterdeck.sdk import Client

__all__ = ["command"]

FINDINGS = 1


@dataclass(slots=True)
class Verdict:
    """What was verified, and what is wrong with it."""

    about: str
    size: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@command.command(
    epilog=examples(
        "qd audit verify --remember audit.checkpoint",
        "qd audit verify audit-2026-11 --older audit.checkpoint",
        "qd audit verify --home ~/.quarterdeck",
    )
)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--home", type=click.Path(path_type=Path), help="A server's home, read directly.")
@click.option("--key", type=click.Path(path_type=Path), help="A file with the log's public key.")
@click.option(
    "--older",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A checkpoint kept from before; repeatable.",
)
@click.option(
    "--remember",
    type=click.Path(path_type=Path),
    help="Compare the server's log with the checkpoint in this file, then keep the new one there.",
)
@output_option
def verify(
    folder: Path | None,
    home: Path | None,
    key: Path | None,
    older: tuple[Path, ...],
    remember: Path | None,
    output: str,
) -> None:
    """Verify that the log is what was signed; exit with 1 if it is not.

    Every record of FOLDER, an export, or of --home, a server's files, is read. With neither the
    server is asked to prove that its log only grew since the checkpoint that --remember has; that
    takes no time, however long the log is, but does not look at each record."""
    if folder is not None and home is not None:
        raise click.UsageError("give FOLDER or --home, not both")
    place = home / "audit" if home is not None else folder
    key_text = _read(key, "key") if key is not None else None
    notes = [_read(path, "older") for path in older]
    if place is not None:
        if remember is not None:
            raise click.UsageError("--remember is for a server's log; here give --older FILE")
        verdict = verify_files(place, key_text, notes)
    else:
        verdict = verify_server(remember, key_text, notes)
    _print(verdict, output)
    sys.exit(FINDINGS if verdict.findings else 0)


def _read(path: Path, option: str) -> str:
    """A small text file that was named on the command line."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}", field=option, hint="give a file's path"
        ) from None


def verify_files(folder: Path, key_text: str | None, notes: list[str]) -> Verdict:
    """Every record, against the folder's checkpoint and older ones."""
    from quarterdeck.adapters.audit.folder import examine_folder

    if not folder.is_dir():
        raise Invalid(
            f"there is no folder {folder}",
            field="folder",
            hint="give what `qd audit export` wrote, or with --home a server's home",
        )
    examination, _ = examine_folder(folder, key_text, notes)
    verdict = Verdict(str(folder), examination.size, examination.findings)
    if key_text is None:
        verdict.notes.append("the folder's own key was taken: keep one elsewhere, and give --key")
    if examination.missing:
        verdict.notes.append(f"{examination.missing} entries could not be written at their time")
    return verdict


def verify_server(remember: Path | None, key_text: str | None, notes: list[str]) -> Verdict:
    """Let the server prove that its log continues what is known of it."""
    from quarterdeck.core.audit.checkpoint import parse_key
    from quarterdeck.sdk import Client

    known_key = None
    if remember is not None:
        known_key = remember.with_name(f"{remember.name}.pub")
        if remember.exists():
            notes = [_read(remember, "remember"), *notes]
            key_text = key_text or _read(known_key, "remember")
    verdict = Verdict("the server's log")
    with Client() as client:
        told = client.audit.get_checkpoint()
        try:
            key = parse_key(key_text or told.key)
            _compare(client, verdict, key, told.note, notes)
        except Invalid as error:
            verdict.findings.append(error.message)
    if not notes:
        verdict.notes.append("nothing is known from before: give --remember FILE, and ask again")
    if remember is not None and known_key is not None and not verdict.findings:
        _keep(remember, told.note)
        _keep(known_key, f"{told.key}\n")
    return verdict


def _compare(
    client: Client, verdict: Verdict, key: PublicKey, note: str, older: Sequence[str]
) -> None:
    """Hold what the server signed just now against what it signed before."""
    from quarterdeck.adapters.audit.folder import open_note
    from quarterdeck.core.audit.merkle import verify_consistency

    signed = open_note(note, key)
    verdict.size = signed.size
    for text in older:
        old = open_note(text, key)
        if old.size > signed.size:
            verdict.findings.append(
                f"{old.size} records were signed, {signed.size} are there: the log was rolled "
                "back or its tail was cut off"
            )
            continue
        proof = client.audit.prove_consistency(old.size, signed.size)
        hashes = [bytes.fromhex(one) for one in proof.hashes]
        if not verify_consistency(old.size, signed.size, old.root, signed.root, hashes):
            verdict.findings.append(
                f"the log does not continue the {old.size} records that were signed: they were "
                "changed, or this is a fork"
            )


def _keep(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, "utf-8")
    new.replace(path)


def _print(verdict: Verdict, output: str) -> None:
    if output == "json":
        facts = {
            "verified": not verdict.findings,
            "records": verdict.size,
            "findings": verdict.findings,
            "notes": verdict.notes,
        }
        click.echo(json.dumps(facts, indent=2))
        return
    for finding in verdict.findings:
        click.echo(f"FINDING  {finding}" if output == "table" else finding)
    if output == "table":
        if not verdict.findings:
            click.echo(f"ok       {verdict.about}: {verdict.size} records, as they were signed")
        for note in verdict.notes:
            click.echo(f"note     {note}")
