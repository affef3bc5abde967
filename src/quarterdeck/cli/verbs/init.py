"""`qd init`: a job file to start from, its keys explained in comments."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_done

TEMPLATES: Final = ("batch", "torchrun", "array", "pipeline", "notebook")


@click.command(epilog=examples("qd init", "qd init -t torchrun train.yaml", "qd init --print"))
@click.argument("file", type=click.Path(path_type=Path), default="job.yaml")
@click.option(
    "-t",
    "--template",
    type=click.Choice(TEMPLATES),
    default="batch",
    show_default=True,
    help="What kind of job it describes.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--print", "to_stdout", is_flag=True, help="Print it and write no file.")
@dry_run_option
@output_option
def command(
    file: Path, template: str, *, force: bool, to_stdout: bool, dry_run: bool, output: str
) -> None:
    """Write a commented job file (job.yaml when FILE is left out)."""
    text = read_template(template)
    if to_stdout:
        click.echo(text, nl=False)
        return
    if dry_run:
        _check_absent(file, force=force)
        print_done(output, f"would write {file}", str(file), file=file, written=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise Invalid(
            f"{file} cannot be written: {error.strerror}", field="file", hint="name another file"
        ) from None
    told = f"wrote {file}; look it over, then: qd validate {file}; qd submit {file}"
    print_done(output, told, str(file), file=file, written=True)


def _check_absent(file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        raise _exists(file)


def _exists(file: Path) -> Conflict:
    return Conflict(
        f"{file} is there already",
        code="file_exists",
        field="file",
        hint="name another file, or write over it with --force",
    )


def read_template(name: str) -> str:
    """The template's text, from the package."""
    return (files("quarterdeck.cli") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
