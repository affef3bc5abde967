"""`qd submit`: a job file into the queue."""

from __future__ import annotations

from pathlib import Path

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.jobs import attach_workdir, print_job
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@output_option
def command(file: Path, output: str) -> None:
    """Submit the job that FILE describes, with its work folder."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.jobfile import read_job_file

    job_file = read_job_file(file)
    workdir = None if job_file.workdir is None else file.parent / job_file.workdir
    with Client() as client:
        if job_file.workdir != "none":
            attach_workdir(client, job_file.request, workdir)
        try:
            job = client.submit(job_file.request)
        except Invalid as error:
            raise job_file.locate(error) from None
    print_job(job, output)
