"""What sbatch is given, and what it is never given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.adapters.engines.slurm.requests import (
    BatchRequest,
    check_job_ids,
    check_script,
    check_signal,
    list_options,
)
from quarterdeck.basics.errors import Invalid

PLAIN = BatchRequest("#!/bin/sh\n")


def options_of(**wishes: object) -> list[str]:
    plain = list_options(PLAIN)
    return [o for o in list_options(replace(PLAIN, **wishes)) if o not in plain]  # type: ignore[arg-type]


def test_a_job_is_not_started_again_by_slurm() -> None:
    assert list_options(PLAIN) == ["--export=ALL", "--propagate=NONE", "--no-requeue"]


@pytest.mark.parametrize(
    ("wishes", "options"),
    [
        ({"nodes": ("n1", "n2")}, ["--nodelist=n1,n2", "--nodes=2"]),
        ({"node_count": 3, "tasks_per_node": 1}, ["--nodes=3", "--ntasks-per-node=1"]),
        ({"memory_bytes": (1 << 20) + 1}, ["--mem=2M"]),
        ({"time_limit_s": 61.0}, ["--time=2"]),
        ({"time_limit_s": 60}, ["--time=1"]),
        ({"gres": "gpu:i0:1,gpu:i3:1", "is_exclusive": True},
         ["--gres=gpu:i0:1,gpu:i3:1", "--exclusive"]),
        ({"output": "/a b/%j.log"}, ["--output=/a b/%%j.log"]),
        ({"warning": ("SIGUSR1", 30)}, ["--signal=B:USR1@30"]),
        ({"name": "-x --uid=0", "comment": "a;b"}, ["--job-name=-x --uid=0", "--comment=a;b"]),
        ({"partition": "a,b", "is_held": True}, ["--partition=a,b", "--hold"]),
    ],
)  # fmt: skip
def test_options(wishes: dict[str, object], options: list[str]) -> None:
    assert options_of(**wishes) == options


@pytest.mark.parametrize(
    "wishes",
    [
        {"nodes": ("n1;reboot",)},
        {"nodes": ("",)},
        {"nodes": ("-n1",)},
        {"partition": "main --uid=0"},
        {"account": "a,b"},
        {"account": "é"},
        {"gres": "gpu:1 x"},
        {"gres": "$(id)"},
        {"name": "a\nb"},
        {"comment": "x" * 5000},
        {"output": "relative"},
        {"output": "/a\\b"},
        {"folder": "/a\0"},
        {"node_count": 0},
        {"memory_bytes": -1},
        {"time_limit_s": 0},
        {"time_limit_s": 1e30},
        {"time_limit_s": float("inf")},
        {"time_limit_s": float("nan")},
        {"warning": ("USR1;", 30)},
    ],
)
def test_wrong_values_are_named(wishes: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        options_of(**wishes)
    assert refused.value.field == next(iter(wishes))
    assert refused.value.hint


@pytest.mark.parametrize(
    "script", ["", "echo", "#!/bin/sh\r\n", "#!/bin/sh\0", "#!" + "x" * 5_000_000]
)
def test_wrong_scripts(script: str) -> None:
    with pytest.raises(Invalid, match="script"):
        check_script(script)


@pytest.mark.parametrize("ids", [[0], [-1], [True], ["1"], [1 << 40], [1, None]])
def test_wrong_ids(ids: list[int]) -> None:
    with pytest.raises(Invalid, match="job id"):
        check_job_ids(ids)


def test_signals() -> None:
    assert check_signal("SIGTERM", "signal") == "TERM"
    for wrong in ("USR1 -w", "`id`", "-w"):
        with pytest.raises(Invalid):
            check_signal(wrong, "signal")
