"""Slurm through its client programs: sbatch(1), scancel(1), squeue(1), sacct(1), scontrol(1).

Never `--json`: it is slow for many jobs, and its shape differs from version to version.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from quarterdeck.adapters.engines.slurm.bounded import Finished, run_bounded
from quarterdeck.adapters.engines.slurm.failures import (
    Cause,
    SlurmRefused,
    explain,
    explain_late,
)
from quarterdeck.adapters.engines.slurm.parsing import (
    SACCT_FIELDS,
    format_squeue,
    parse_sacct,
    parse_squeue,
)
from quarterdeck.adapters.engines.slurm.records import (
    Listing,
    SlurmJob,
    SlurmNode,
    SlurmPartition,
    SlurmReservation,
    SlurmVersion,
    Switch,
)
from quarterdeck.adapters.engines.slurm.requests import (
    BatchRequest,
    check_job_ids,
    check_script,
    list_options,
)
from quarterdeck.adapters.engines.slurm.scontrol import (
    parse_config,
    parse_nodes,
    parse_partitions,
    parse_reservations,
    parse_topology,
    parse_version,
)
from quarterdeck.basics.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S_MAX: Final = 30.0
OUTPUT_BYTES_MAX: Final = 64 << 20
IDS_AT_ONCE: Final = 500
SYSTEM_FOLDERS: Final = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


class SlurmCommands:
    """Slurm's verbs. `config` is its slurm.conf and `programs` the folder of its client programs,
    where they are not in the usual places; `env` is added to the environment of each.

    `Unavailable` when Slurm cannot be asked: a program is missing, the controller is silent.
    `SlurmRefused` when it said no. `Invalid` when a value must not reach it.
    """

    def __init__(
        self,
        *,
        config: Path | None = None,
        programs: Path | None = None,
        timeout_s: float = ANSWER_S_MAX,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._config = config
        path = f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}"
        # A folder that is named is the only one: another Slurm may be on PATH.
        self._path = str(programs or path)
        # SLURM_* and SBATCH_* of whoever started us are options that nobody asked for.
        # All of this goes into jobs, too.
        self._env = {
            "PATH": path,
            **({"SLURM_CONF": str(config)} if config else {}),
            **{key: os.environ[key] for key in ("HOME", "USER", "LOGNAME") if key in os.environ},
            **(env or {}),
        }

    def submit(self, request: BatchRequest, kept_open: Sequence[int] = ()) -> int:
        """The id of the new job. After `Unavailable` it may have been submitted all the same: look
        for its comment before submitting again. `kept_open`: files that sbatch holds open while it
        lives, which may be longer than we do."""
        options = list_options(request)
        script = check_script(request.script)
        answer = self._ask("sbatch", "--parsable", *options, stdin=script, kept_open=kept_open)
        # `ID` or `ID;CLUSTER`; warnings go to the error output.
        word = answer.strip().rpartition("\n")[2].partition(";")[0]
        if not word.isdecimal():
            raise Unavailable(f"sbatch said {answer[:80]!a}, which is no job id")
        return int(word)

    def cancel(self, ids: Sequence[int]) -> None:
        """End jobs. Those that have ended or are not known are no error: they do not run."""
        words = check_job_ids(ids)
        for start in range(0, len(words), IDS_AT_ONCE):
            try:
                self._ask("scancel", *words[start : start + IDS_AT_ONCE])
            except SlurmRefused as refusal:
                if refusal.cause not in (Cause.NO_SUCH_JOB, Cause.JOB_ENDED):
                    raise

    def list_jobs(self) -> Listing[SlurmJob]:
        """All jobs of everybody that the controller still knows: the ended ones for MinJobAge."""
        mark = _new_mark()
        options = ("--noheader", "--all", "--states=all", f"--Format={format_squeue(mark)}")
        answer = self._ask("squeue", *options)
        return _told("squeue", parse_squeue(answer, mark))

    def ended_jobs(self, ids: Sequence[int]) -> Listing[SlurmJob]:
        """These jobs from the accounting, however long ago they ended. `SlurmRefused` with
        `Cause.NO_ACCOUNTING` where the cluster keeps none. For some seconds after an end an entry
        may lack its name, nodes and limit."""
        found: list[SlurmJob] = []
        skipped, example = 0, ""
        words = check_job_ids(ids)
        for start in range(0, len(words), IDS_AT_ONCE):
            mark = _new_mark()
            answer = self._ask(
                *("sacct", "--noheader", "--parsable2", "--allocations", f"--delimiter={mark}"),
                f"--format={','.join(SACCT_FIELDS)}",
                # Without it only jobs of today are looked for.
                "--starttime=1970-01-02",
                f"--jobs={','.join(words[start : start + IDS_AT_ONCE])}",
            )
            part = parse_sacct(answer, mark)
            found.extend(part.items)
            skipped, example = skipped + part.skipped, example or part.example
        return _told("sacct", Listing(tuple(found), skipped, example))

    def list_nodes(self) -> Listing[SlurmNode]:
        """All nodes."""
        return _told("scontrol", parse_nodes(self._show("node", "-d")))

    def list_partitions(self) -> Listing[SlurmPartition]:
        """All partitions this account may see."""
        return _told("scontrol", parse_partitions(self._show("partition")))

    def list_reservations(self) -> Listing[SlurmReservation]:
        """All reservations, also those to come."""
        return _told("scontrol", parse_reservations(self._show("reservation")))

    def show_topology(self) -> Listing[Switch]:
        """The switches or blocks; none where the cluster has no topology."""
        return _told("scontrol", parse_topology(self._show("topology")))

    def show_config(self) -> Mapping[str, str]:
        """The controller's settings by name."""
        return parse_config(self._ask("scontrol", "show", "config"))

    def version(self) -> SlurmVersion:
        """The version of the programs here."""
        answer = self._ask("sbatch", "--version")
        found = parse_version(answer)
        if found is None:
            raise Unavailable(f"sbatch says that its version is {answer[:80]!a}")
        return found

    def _show(self, what: str, *options: str) -> str:
        return self._ask("scontrol", "show", what, "-o", *options)

    def _ask(
        self, program: str, *arguments: str, stdin: bytes = b"", kept_open: Sequence[int] = ()
    ) -> str:
        """What a program said; an error of the house when it failed."""
        done = self._run(program, arguments, stdin, kept_open)
        if done.is_late:
            raise explain_late(program, self._timeout_s, done.error)
        if done.is_too_long:
            raise Unavailable(
                f"{program} said more than {OUTPUT_BYTES_MAX >> 20} MiB",
                hint="has the cluster more jobs than it should?",
            )
        if done.code != 0:
            raise explain(program, done.error or done.output)
        return done.output

    def _run(
        self, program: str, arguments: Sequence[str], stdin: bytes, kept_open: Sequence[int]
    ) -> Finished:
        found = shutil.which(program, path=self._path)
        if found is None:
            raise Unavailable(
                f"there is no {program} on {self._path}",
                hint="install Slurm's client programs here, or name their folder",
            )
        if self._config is not None and not self._config.exists():
            # Slurm would look for a controller in the DNS, for half a minute.
            raise Unavailable(f"there is no {self._config}", hint="name the cluster's slurm.conf")
        env = self._env
        if program != "sbatch":
            env = {"LC_ALL": "C", "TZ": "UTC", **env, "SLURM_TIME_FORMAT": "%s"}
        try:
            return run_bounded(
                [found, *arguments],
                env,
                stdin=stdin,
                timeout_s=self._timeout_s,
                output_bytes_max=OUTPUT_BYTES_MAX,
                kept_open=kept_open,
            )
        except OSError as error:
            raise Unavailable(f"{found} cannot be started: {error.strerror}") from error


def _new_mark() -> str:
    """Between fields: nobody can have put it into the name of a job. No digit first, which would
    be a width, and no comma, which would end the field."""
    return f"~{secrets.token_hex(4)}~"


def _told(program: str, listing: Listing[T]) -> Listing[T]:
    if listing.skipped:
        log.warning(
            "%s: %d lines were not understood, for example %s",
            program,
            listing.skipped,
            listing.example,
        )
    return listing
