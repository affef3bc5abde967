"""Whether a batch job that waits has lost a race, or waits for a limit."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.engines.slurm.desk import waits_for_limit


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("Resources", False),
        ("Priority", False),
        ("None", False),
        ("", False),
        ("ReqNodeNotAvail", False),
        ("AssocGrpGRES", True),
        ("AssocMaxJobsLimit", True),
        ("AssociationJobLimit", True),
        ("QOSMaxJobsPerUserLimit", True),
        ("QOSGrpCpuLimit", True),
        ("MaxJobsPerAccount", True),
        ("AssocMaxCpuPerJobLimit", False),
        ("QOSMaxGRESPerJob", False),
        ("QOSNotAllowed", False),
        ("InvalidQOS", False),
        ("PartitionTimeLimit", False),
    ],
)
def test_limits_on_what_runs_at_once_pass_and_those_on_one_job_do_not(
    reason: str, waits: bool
) -> None:
    assert waits_for_limit(reason) is waits
