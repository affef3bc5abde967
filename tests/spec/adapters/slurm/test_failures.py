"""Slurm's complaints in our words. The texts are those of its commands."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.engines.slurm.failures import (
    Cause,
    SlurmRefused,
    explain,
    explain_late,
)
from quarterdeck.basics.errors import Unavailable

FAILED = "sbatch: error: Batch job submission failed: "
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
NO_NODE = "Requested node configuration is not available"
RETRYING = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"sbatch: error: invalid partition specified: x\n{FAILED}Invalid partition name specified",
         Cause.PARTITION),
        (f"{FAILED}Required partition not available (inactive or drain)", Cause.PARTITION),
        (f"{FAILED}User's group not permitted to use this partition", Cause.PARTITION),
        (f"{FAILED}Invalid account or account/partition combination specified", Cause.ACCOUNT),
        (f"{FAILED}Invalid qos specification", Cause.QOS),
        (f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED}{POLICY}", Cause.LIMIT),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", Cause.LIMIT),
        (f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)",
         Cause.TIME_LIMIT),
        ("sbatch: error: Invalid --time specification", Cause.TIME_LIMIT),
        (f"sbatch: error: CPU count per node can not be satisfied\n{FAILED}{NO_NODE}",
         Cause.NEVER_FITS),
        (f"{FAILED}Invalid feature specification", Cause.NEVER_FITS),
        (f"{FAILED}Invalid node name specified", Cause.NODES),
        ("sbatch: error: Invalid generic resource (gres) specification", Cause.GRES),
        (f"{FAILED}Requested reservation is invalid", Cause.RESERVATION),
        (f"{FAILED}Access denied to requested reservation", Cause.RESERVATION),
        ("slurm_load_jobs error: Invalid job id specified", Cause.NO_SUCH_JOB),
        ("scancel: error: Kill job error on job id 7: Job/step already completing or completed",
         Cause.JOB_ENDED),
        ("scancel: error: Kill job error on job id 7: Access/permission denied",
         Cause.NOT_ALLOWED),
        ("Slurm accounting storage is disabled", Cause.NO_ACCOUNTING),
        (f"{RETRYING}{FAILED}Invalid qos specification", Cause.QOS),
        ("something nobody knows", Cause.OTHER),
        ("", Cause.OTHER),
    ],
)  # fmt: skip
def test_refusals(text: str, cause: Cause) -> None:
    error = explain("sbatch", text)
    assert isinstance(error, SlurmRefused)
    assert error.cause is cause
    assert error.hint or cause is Cause.JOB_ENDED


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"{FAILED}Unable to contact slurm controller (connect failure)", "slurmctld"),
        (f"{FAILED}Socket timed out on send/recv operation", "sdiag"),
        (f"{FAILED}Zero Bytes were transmitted or received", "ask again"),
        (f"{FAILED}Slurm backup controller in standby mode", "ask again"),
        (f"{FAILED}Protocol authentication error", "munged"),
        ('squeue: error: Munge encode failed: Failed to access "/run/munge/x"', "munged"),
        ("squeue: fatal: Could not establish a configuration source", "SLURM_CONF"),
        ("squeue: error: Incompatible versions of client and server code", "programs"),
        (RETRYING, "MaxJobCount"),
        (f"{FAILED}I/O error writing script/environment to file", "disk"),
    ],
)  # fmt: skip
def test_what_is_in_the_way(text: str, hint: str) -> None:
    error = explain("sbatch", text)
    assert isinstance(error, Unavailable)
    assert hint in error.hint


def test_what_is_told_is_short_and_said_once() -> None:
    error = explain("sbatch", RETRYING * 20 + FAILED + "Invalid qos specification\x1b[2J\n")
    assert error.message == (
        "sbatch: Slurm temporarily unable to accept job, sleeping and retrying; "
        "Batch job submission failed: Invalid qos specification?[2J"
    )
    assert len(explain("sbatch", "x" * 10_000).message) < 400
    assert "MaxJobCount" in explain_late("sbatch", 3, RETRYING).hint
    assert "3 s" in explain_late("sbatch", 3, "").message
