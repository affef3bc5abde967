"""`qd init`: a job file to start from, its keys explained in comments."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from quarterdeck.basics.errors import Conflict, Invalid

TEMPLATES: Final = ("batch", "torchrun", "array", "pipeline", "notebook")


@click.command()
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
def command(file: Path, template: str, force: bool, to_stdout: bool) -> None:
    """Write a commented job file (job.yaml when FILE is left out)."""
    text = read_template(template)
    if to_stdout:
        click.echo(text, nl=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise Conflict(
            f"{file} is there already",
            code="file_exists",
            field="file",
            hint="name another file, or write over it with --force",
        ) from None
    except OSError as error:
        raise Invalid(
            f"{file} cannot be written: {error.strerror}", field="file", hint="name another file"
        ) from None
    click.echo(f"wrote {file}; look it over, then: qd validate {file}; qd submit {file}")


def read_template(name: str) -> str:
    """The template's text, from the package."""
    return (files("quarterdeck.cli") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
