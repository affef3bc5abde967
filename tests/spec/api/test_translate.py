"""What a client writes means one thing, or is refused by the name of its field."""

from __future__ import annotations

import pytest

from quarterdeck.api.translate import digest_of_request, to_spec
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Priority
from quarterdeck.wire.v1.jobs import JobRequest


@pytest.mark.parametrize(
    ("wanted", "gpus", "model"),
    [
        (0, 0, None),
        (8, 8, None),
        ("2", 2, None),
        (" 2 ", 2, None),
        ("A100:8", 8, "A100"),
        ("A100", 1, "A100"),
        ("A100-SXM4-80GB:4", 4, "A100-SXM4-80GB"),
        ("RTX 4090:1", 1, "RTX 4090"),
        ("4090:2", 2, "4090"),
    ],
)
def test_gpus_are_a_number_or_a_model_and_a_number(
    wanted: int | str, gpus: int, model: str | None
) -> None:
    found = to_spec(JobRequest.model_validate({"run": "x", "resources": {"gpu": wanted}}))
    asked = found.demand.resources
    assert (asked.gpus, asked.gpu_model) == (gpus, model)


@pytest.mark.parametrize(
    "wanted",
    ["", ":", ":8", "A100:", "A100:x", "A100:0", "-1", "1.5.:", "A100:8:2", "9" * 5000,
     "A\n100:1", "٣"],
)  # fmt: skip
def test_what_is_neither_is_refused(wanted: str) -> None:
    with pytest.raises(Invalid) as refused:
        to_spec(JobRequest.model_validate({"run": "x", "resources": {"gpu": wanted}}))
    assert refused.value.field == "resources.gpu"


def test_everything_a_person_asked_for_arrives() -> None:
    spec = to_spec(
        JobRequest.model_validate(
            {
                "name": "digits",
                "team": "vision",
                "run": ["python", "train.py"],
                "env": {"LR": "0.1"},
                "nodes": 2,
                "ranks_per_node": 4,
                "resources": {"gpu": "A100:8", "cpu": 16, "memory": "64GiB"},
                "priority": "high",
                "retry": {"limit": 2, "on": ["user_error", "node_failure", "user_error"]},
                "checkpoint": {"signal": "USR1", "grace": "1m30s"},
                "site": "local",
                "snapshot": "a" * 64,
            }
        )
    )
    assert spec.command == ("python", "train.py")
    assert (spec.name, spec.team, spec.env) == ("digits", "vision", (("LR", "0.1"),))
    assert (spec.demand.nodes, spec.demand.site, spec.ranks_per_node) == (2, "local", 4)
    wanted = spec.demand.resources
    assert (wanted.gpus, wanted.gpu_model, wanted.cpus) == (8, "A100", 16)
    assert wanted.memory_bytes == 64 * 2**30
    assert spec.priority is Priority.HIGH
    assert (spec.retry.limit, spec.retry.on) == (2, (Reason.USER_ERROR, Reason.NODE_FAILURE))
    assert (spec.stopping.signal, spec.stopping.grace_s) == ("USR1", 90.0)
    assert spec.snapshot == "a" * 64


def test_a_line_goes_through_a_shell_and_a_list_does_not() -> None:
    assert to_spec(JobRequest(run="echo $HOME")).command == ("sh", "-c", "echo $HOME")
    assert to_spec(JobRequest(run=["echo", "$HOME"])).command == ("echo", "$HOME")


def test_requests_differ_by_what_was_written_and_not_by_its_order() -> None:
    def digest(content: str, path: str = "/v1/jobs") -> str:
        return digest_of_request("POST", path, JobRequest.model_validate_json(content))

    one = digest('{"run": "a", "env": {"X": "1", "Y": "2"}}')
    assert one == digest('{"env": {"Y": "2", "X": "1"}, "run": "a"}')
    others = ['{"run": "a"}', '{"run": "b", "env": {"X": "1", "Y": "2"}}', '{"run": ["a"]}']
    assert len({one, digest('{"run": "a"}', "/v2/jobs"), *map(digest, others)}) == 5
