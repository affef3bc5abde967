"""What is typed wrongly on the command line is refused before anything is kept."""

from __future__ import annotations

import pytest

from tests.integration.bad_input.typing_qd import assert_refused, qd

CASES = {
    "a name with a space": (("-J", "a b"), "name is 'a b'"),
    "a name that draws": (("-J", "a\x1b[2J"), r"a\x1b[2J"),
    "no nodes": (("-N", "0"), "nodes is 0"),
    "negative nodes": (("-N", "-3"), "nodes is -3"),
    "negative GPUs": (("-G", "-1"), "resources.gpu is -1"),
    "9 GPUs on nodes of 8": (("-G", "9"), "9 GPUs on one node wanted"),
    "9 GPUs of a model": (("--gpu", "A100:9"), "9 GPUs on one node wanted"),
    "GPUs of no number": (("--gpu", "A100:"), "resources.gpu is 'A100:'"),
    "memory without unit": (("--memory", "64"), "resources.memory is '64'"),
    "memory of 400 digits": (("--memory", "9" * 400 + "GiB"), "403 characters"),
    "a variable without name": (("--env", "=x"), "named ''"),
    "a variable of the house": (("--env", "QD_X=1"), "QD_X"),
    "a variable that is no text": (("--env", "A=\udcff"), "surrogate"),
    "too many retries": (("--retry", "101"), "retry.limit is 101"),
    "a work folder that is not there": (("--workdir", "/nowhere/at/all"), "not a folder"),
    "a site that is not there": (("--site", "moon"), "there is no site 'moon'"),
}
USAGE = {
    "nodes in words": (("-N", "two"), "two"),
    "nodes as NaN": (("-N", "nan"), "nan"),
    "a variable without value": (("--env", "A"), "NAME=VALUE"),
    "a priority of one's own": (("--priority", "urgent"), "urgent"),
    "GPUs twice": (("-G", "1", "--gpu", "A100:1"), "not both"),
    "an option that is not there": (("--nodez", "2"), "--nodez"),
}


@pytest.mark.parametrize(("options", "told"), CASES.values(), ids=CASES.keys())
def test_a_wrong_value_is_refused_and_told(options: tuple[str, ...], told: str) -> None:
    arguments = options if "--workdir" in options else ("--workdir", "none", *options)
    assert_refused(qd("run", "--detach", *arguments, "--", "true"), told, code=125)
    if "--workdir" not in options:
        assert_refused(qd("plan", *options, "--", "true"), told)


@pytest.mark.parametrize(("options", "told"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_is_told_as_such(options: tuple[str, ...], told: str) -> None:
    done = qd("run", "--detach", "--workdir", "none", *options, "--", "true")
    assert done.code == 125
    assert done.out == ""
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "job_id",
    ["x", "", "j00000000", "j0000000010", "J000000001", "j00000000\u0661", "../../etc", "j%00",
     "j\0", "\udcff", "j" + "0" * 5000, "-1", "jiiiiiiiii"],
)  # fmt: skip
@pytest.mark.parametrize(
    "verb", ["show", "logs", "explain", "cancel", "requeue", "results", "wait"]
)
def test_what_cannot_be_an_id_is_no_job(verb: str, job_id: str) -> None:
    assert_refused(qd(verb, "--", job_id), "there is no job")
