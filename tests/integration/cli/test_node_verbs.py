"""`qd node`: what each verb asks for, and what it says of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cli.terminal import qd
from tests.integration.cli.test_verbs import sent
from tests.integration.sdk.scripted import JOB_ID, OTHER_ID, as_json, problem, serving

CORDON = {"reason": "ECC „errors“", "by": "olga", "at": "2026-11-24T09:00:00.000000Z"}
NODE: dict[str, Any] = {
    "name": "dgx-1",
    "site": "local",
    "state": "ready",
    "pretend": True,
    "gpu_model": "A100-SXM4-80GB",
    "gpus": 2,
    "gpus_free": 0,
    "cpus": 256,
    "cpus_free": 250,
    "memory_bytes": 2 * 2**40,
    "memory_free_bytes": 2**40,
    "jobs": [JOB_ID],
    "cordon": None,
    "gpus_cordoned": 1,
    "rack": "r1",
    "unit": "su1",
    "pod": "",
    "gpu_states": ["held", "cordoned"],
    "reason": "",
    "others": [],
}
DEVICES = [
    {
        "index": index,
        "id": f"GPU-{index}",
        "model": "A100-SXM4-80GB",
        "memory_bytes": 80 * 2**30,
        "state": state,
        "jobs": jobs,
        "parts": [],
        "cordon": cordon,
    }
    for index, state, jobs, cordon in ((0, "held", [JOB_ID], None), (1, "cordoned", [], CORDON))
]
DETAIL = {**NODE, "devices": DEVICES}
CHANGED = {"node": DETAIL, "stopped": [JOB_ID, OTHER_ID]}


@pytest.mark.parametrize("words", [(), ("ls",)])
def test_nodes_are_a_table_with_what_is_free_and_what_is_shut(words: tuple[str, ...]) -> None:
    shut = {**NODE, "name": "dgx-2", "cordon": CORDON, "gpus_cordoned": 0, "jobs": []}
    with serving(as_json({"nodes": [NODE, shut]})) as script:
        table = qd("node", *words, url=script.url).stdout.splitlines()
        names = qd("node", *words, "-o", "name", url=script.url).stdout
        whole = qd("node", *words, "-o", "json", url=script.url).stdout
    assert script.asked[0].path == "/v1/nodes"
    assert "ready (pretended), 1 GPU cordoned" in table[1]
    assert "0/2" in table[1]
    assert "250/256" in table[1]
    assert JOB_ID in table[1]
    assert "ready (pretended), cordoned" in table[2]
    assert names == "dgx-1\ndgx-2\n"
    assert json.loads(whole)["nodes"][0] == NODE


def test_a_node_is_shown_gpu_by_gpu() -> None:
    with serving(as_json(DETAIL)) as script:
        told = qd("node", "show", "dgx-1", "--site", "local", url=script.url).stdout
        names = qd("node", "show", "dgx-1", "-o", "name", url=script.url).stdout
    assert script.asked[0].path == "/v1/nodes/dgx-1?site=local"
    lines = told.splitlines()
    assert lines[0] == "dgx-1 at site local: ready (pretended), 1 GPU cordoned"
    assert [line.split()[0] for line in lines[2:4]] == ["0", "1"]
    assert JOB_ID in lines[2]
    assert "ECC „errors“" in lines[3]
    assert "250 of 256 CPUs and 1TiB of 2TiB are free" in lines[4]
    assert names == "GPU-0\nGPU-1\n"


OTHERS = [
    {
        "name": "Slurm job 4711",
        "gpus": 1,
        "cpus": 8,
        "memory_bytes": 2**30,
        "starts_at": None,
        "ends_at": "2026-11-24T10:00:00.000000Z",
    },
    {
        "name": "Slurm reservation maint",
        "gpus": 0,
        "cpus": 0,
        "memory_bytes": 0,
        "starts_at": "2026-11-25T10:00:00.000000Z",
        "ends_at": None,
    },
]


def test_a_node_tells_who_has_something_of_it_beside_quarterdeck() -> None:
    node = {**DETAIL, "state": "drained", "reason": "bad fan", "others": OTHERS}
    node["devices"] = [{**DEVICES[0], "state": "others", "jobs": [], "others": ["Slurm job 4711"]}]
    with serving(as_json(node), as_json({"nodes": [node]})) as script:
        told = qd("node", "show", "dgx-1", url=script.url).stdout.splitlines()
        listed = qd("node", "ls", url=script.url).stdout.splitlines()
    assert told[0].startswith("dgx-1 at site local: drained")
    assert told[1] == "the site says: bad fan"
    assert "Slurm job 4711" in told[3]
    job, reservation = told[-2:]
    assert job == (
        "Slurm job 4711 holds 1 GPU, 8 CPUs and 1GiB, until 2026-11-24T10:00:00.000000Z at the "
        "latest"
    )
    assert reservation == (
        "Slurm reservation maint keeps it for others from 2026-11-25T10:00:00.000000Z, nobody "
        "knows until when"
    )
    assert listed[1].endswith(f"{JOB_ID},Slurm job 4711")


ASKED: dict[str, tuple[tuple[str, ...], str, dict[str, Any], str]] = {
    "one GPU": (
        ("cordon", "dgx-1", "--gpu", "3", "--gpu", "GPU-5", "--reason", "ECC „errors“"),
        "cordon",
        {"gpus": ["3", "GPU-5"], "reason": "ECC „errors“"},
        "GPU 3, GPU-5 of dgx-1 is cordoned",
    ),
    "a node": (("cordon", "dgx-1"), "cordon", {}, "dgx-1 is cordoned"),
    "a drain": (
        ("drain", "dgx-1", "--reason", "new fan"),
        "cordon",
        {"drain": True, "reason": "new fan"},
        f"stopping {JOB_ID}, {OTHER_ID}; they start elsewhere",
    ),
    "resume": (("resume", "dgx-1"), "resume", {}, "dgx-1 is open to new work"),
    "resume one": (
        ("resume", "dgx-1", "--gpu", "3"),
        "resume",
        {"gpus": ["3"]},
        "GPU 3 of dgx-1 is open to new work",
    ),
}


@pytest.mark.parametrize(("words", "verb", "body", "told"), ASKED.values(), ids=ASKED)
def test_what_is_said_of_a_node_is_asked_for_and_told(
    words: tuple[str, ...], verb: str, body: dict[str, Any], told: str
) -> None:
    with serving(as_json(CHANGED)) as script:
        done = qd("node", *words, url=script.url)
        quiet = qd("node", *words, "-o", "name", url=script.url)
    assert script.asked[0].path.partition("?")[0] == f"/v1/nodes/dgx-1/{verb}"
    given = {key: value for key, value in sent(script).items() if value not in ([], "", False)}
    assert given == body
    assert told in done.stdout
    assert ("qd node resume dgx-1" in done.stdout) == (verb == "cordon")
    assert quiet.stdout == "dgx-1\n"


@pytest.mark.parametrize("verb", ["cordon", "drain", "resume"])
def test_a_dry_run_says_what_would_be(verb: str) -> None:
    with serving(as_json(CHANGED)) as script:
        told = qd("node", verb, "dgx-1", "--dry-run", url=script.url).stdout
    assert "dry_run=true" in script.asked[0].path
    assert "dgx-1 would be " in told


def test_a_node_that_is_not_there_is_an_error_with_what_there_is() -> None:
    answer = problem(
        404, "not_found", detail="there is no node dgx-9", hint="`qd node ls` lists them"
    )
    with serving(answer) as script:
        done = qd("node", "drain", "dgx-9", url=script.url)
    assert done.returncode != 0
    assert "there is no node dgx-9" in done.stderr
    assert "hint: `qd node ls` lists them" in done.stderr
