"""A spec that exists is a spec that is right."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.jobs.spec import STOP_SIGNALS, JobSpec, Priority, Retry, Stopping
from quarterdeck.core.limits import LIMITS
from quarterdeck.testing.builders import a_job_spec


def needs(**changes: Any) -> Demand:
    return Demand(resources=Resources(**changes))


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no command", {"command": ()}, "run"),
    ("an empty program", {"command": ("",)}, "run"),
    ("a NUL in the command", {"command": ("sh", "a\0b")}, "run"),
    ("a lone surrogate in the command", {"command": ("sh", "\ud800")}, "run"),
    ("too many arguments", {"command": ("x",) * (LIMITS.command_arguments_max + 1)}, "run"),
    ("too many bytes", {"command": ("x" * LIMITS.command_bytes_max,)}, "run"),
    ("many bytes, few characters", {"command": ("é" * (LIMITS.command_bytes_max // 2),)}, "run"),
    ("an empty name", {"name": ""}, "name"),
    ("a name with a slash", {"name": "a/b"}, "name"),
    ("a name that starts with a dot", {"name": ".hidden"}, "name"),
    ("a name with a line end", {"name": "a\n"}, "name"),
    ("a long name", {"name": "x" * (LIMITS.name_chars_max + 1)}, "name"),
    ("a team with a space", {"team": "a b"}, "team"),
    ("a variable without a name", {"env": (("", "1"),)}, "env"),
    ("a variable with =", {"env": (("A=B", "1"),)}, "env"),
    ("a variable that starts with a digit", {"env": (("1A", "1"),)}, "env"),
    ("a variable of ours", {"env": (("QD_JOB_ID", "1"),)}, "env"),
    ("a NUL in a variable", {"env": (("A", "\0"),)}, "env"),
    ("a lone surrogate in a variable", {"env": (("A", "\udfff"),)}, "env"),
    (
        "too many variables",
        {"env": tuple((f"A{n}", "") for n in range(LIMITS.env_variables_max + 1))},
        "env",
    ),
    ("too large an environment", {"env": (("A", "x" * LIMITS.env_bytes_max),)}, "env"),
    ("no node", {"demand": Demand(nodes=0)}, "nodes"),
    ("too many nodes", {"demand": Demand(nodes=LIMITS.nodes_max + 1)}, "nodes"),
    ("fewer than no GPUs", {"demand": needs(gpus=-1)}, "resources.gpu"),
    ("too many GPUs", {"demand": needs(gpus=LIMITS.gpus_per_node_max + 1)}, "resources.gpu"),
    ("no CPU", {"demand": needs(cpus=0)}, "resources.cpu"),
    ("less than no memory", {"demand": needs(memory_bytes=-1)}, "resources.memory"),
    ("too much memory", {"demand": needs(memory_bytes=2**60 + 1)}, "resources.memory"),
    ("no rank", {"ranks_per_node": 0}, "ranks_per_node"),
    ("too many ranks", {"ranks_per_node": LIMITS.ranks_per_node_max + 1}, "ranks_per_node"),
    ("fewer than no retries", {"retry": Retry(limit=-1)}, "retry.limit"),
    ("too many retries", {"retry": Retry(limit=LIMITS.retries_max + 1)}, "retry.limit"),
    (
        "grace that is not a number",
        {"stopping": Stopping(grace_s=float("nan"))},
        "checkpoint.grace",
    ),
    ("less than no grace", {"stopping": Stopping(grace_s=-0.1)}, "checkpoint.grace"),
    ("endless grace", {"stopping": Stopping(grace_s=float("inf"))}, "checkpoint.grace"),
    ("a signal that is no stop", {"stopping": Stopping(signal="KILL")}, "checkpoint.signal"),
    ("a short digest", {"snapshot": "abc"}, "snapshot"),
    ("a digest in capitals", {"snapshot": "A" * 64}, "snapshot"),
]


@pytest.mark.parametrize(("changes", "field"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_no_engine_could_run_is_refused_with_field_and_hint(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        a_job_spec(**changes)
    assert refusal.value.field == field
    assert refusal.value.message
    assert refusal.value.hint
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize("signal", STOP_SIGNALS)
def test_every_listed_stop_signal_is_accepted(signal: str) -> None:
    assert a_job_spec(stopping=Stopping(signal=signal)).stopping.signal == signal


def test_bounds_themselves_are_accepted() -> None:
    spec = JobSpec(
        command=("x",) * LIMITS.command_arguments_max,
        name="x" * LIMITS.name_chars_max,
        env=(("A_1", "é\udc80"),),
        demand=Demand(
            LIMITS.nodes_max,
            Resources(LIMITS.gpus_per_node_max, None, LIMITS.cpus_per_node_max, 2**60),
        ),
        ranks_per_node=LIMITS.ranks_per_node_max,
        snapshot="0" * 64,
        retry=Retry(LIMITS.retries_max),
        stopping=Stopping(grace_s=0),
    )
    assert spec.team == "default"


def test_a_higher_class_has_the_larger_rank() -> None:
    assert Priority.HIGH.rank > Priority.NORMAL.rank > Priority.LOW.rank
