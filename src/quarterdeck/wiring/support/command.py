"""`qd support-bundle`: what somebody who helps needs to see, and no secret."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import click

from quarterdeck.basics.errors import Refused
from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.output import dry_run_option, examples, quiet_option
from quarterdeck.wiring.home import default_home


@click.command(
    epilog=examples("qd support-bundle --dry-run", "qd support-bundle -o for-support.tar.gz")
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE.tar.gz",
    help="Write it there [quarterdeck-support-DATE-TIME.tar.gz].",
)
@dry_run_option
@quiet_option
def command(home: Path | None, target: Path | None, *, dry_run: bool, quiet: bool) -> None:
    """Collect what helps to find a fault into one file, after saying what goes in.

    In it: versions, what `qd doctor` says, the server's view of itself, its nodes and its newest
    jobs (numbers and codes only), the newest events likewise, sizes of folders, and the ends of the
    server's and the launcher's own logs. Never in it: tokens, variables, commands, names, tags,
    notes, work folders and what jobs wrote. Read it before you send it.
    """
    from quarterdeck.wiring.support.contents import collect

    root = (home or default_home()).absolute()
    parts = collect(root, os.environ)
    if not quiet:
        for name, content in parts.items():
            click.echo(f"{name}  {format_bytes(len(content))}", err=not dry_run)
    if dry_run:
        return
    path = target or Path(f"quarterdeck-support-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as bundle:
            for name, content in parts.items():
                entry = tarfile.TarInfo(f"quarterdeck-support/{name}")
                entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
                bundle.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}", hint="choose another with -o"
        ) from None
    click.echo(str(path))
