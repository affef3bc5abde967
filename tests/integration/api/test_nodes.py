"""Over HTTP: nodes and GPUs that new work is kept off, and what waiting jobs are told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.adapters.verdicts.memory import MemoryVerdictLog
from quarterdeck.api.views import event_view
from quarterdeck.control.board import Board
from quarterdeck.control.reconcile import reconcile
from quarterdeck.control.waits import Waits
from quarterdeck.core.cluster.hardware import Foreign, NodeState
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.site import Report
from quarterdeck.testing.builders import SITE
from tests.integration.api.test_jobs import show, submit

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House


@pytest.fixture
def nodes(client: TestClient) -> list[str]:
    return [node["name"] for node in client.get("/v1/nodes").json()["nodes"]]


def gpus_of(job: Any) -> list[str]:
    return [gpu for grant in job.placement for gpu in grant.gpus]


def test_a_cordoned_gpu_gets_no_new_work_until_it_is_resumed(
    client: TestClient, house: House, nodes: list[str]
) -> None:
    ids = [one["id"] for one in client.get(f"/v1/nodes/{nodes[0]}").json()["devices"]]
    answer = client.post(
        f"/v1/nodes/{nodes[0]}/cordon", json={"gpus": ["0", ids[1]], "reason": "ECC errors"}
    )
    assert answer.status_code == 200, answer.text
    states = [one["state"] for one in answer.json()["node"]["devices"]]
    assert states == ["cordoned"] * 2 + ["free"] * (len(ids) - 2)
    jobs = [submit(client, resources={"gpu": 1}).id for _ in range(len(nodes) * len(ids))]
    house.place()
    held = {gpu for job_id in jobs for gpu in gpus_of(show(client, job_id))}
    assert held.isdisjoint(ids[:2])
    waiting = [job_id for job_id in jobs if show(client, job_id).state == "queued"]
    assert len(waiting) == 2
    told = client.get(f"/v1/jobs/{waiting[0]}/explanation").json()["verdict"]
    assert told["blocked_by"] == "cordoned"
    assert told["change"] == {"resume": nodes[0]}
    assert f"qd node resume {nodes[0]}" in told["hint"]
    assert client.post(f"/v1/nodes/{nodes[0]}/resume", json={}).status_code == 200
    house.place()
    assert [show(client, one).state for one in waiting] == ["starting"] * 2


def test_what_runs_on_a_cordoned_node_goes_on(
    client: TestClient, house: House, nodes: list[str]
) -> None:
    job_id = submit(client, resources={"gpu": 1}).id
    house.run(job_id)
    where = show(client, job_id).placement[0].node
    view = client.post(f"/v1/nodes/{where}/cordon", json={}).json()
    assert view["stopped"] == []
    assert show(client, job_id).state == "running"
    detail = client.get(f"/v1/nodes/{where}").json()
    assert [one["jobs"] for one in detail["devices"] if one["state"] == "held"] == [[job_id]]


def test_a_drained_node_gives_its_work_back_to_the_queue(
    client: TestClient, house: House, nodes: list[str]
) -> None:
    job_id = submit(client, resources={"gpu": 1}).id
    house.run(job_id)
    where = show(client, job_id).placement[0].node
    dry = client.post(f"/v1/nodes/{where}/cordon?dry_run=true", json={"drain": True})
    assert dry.json()["stopped"] == [job_id]
    assert show(client, job_id).state == "running"
    answer = client.post(f"/v1/nodes/{where}/cordon", json={"drain": True, "reason": "new fan"})
    assert answer.json()["stopped"] == [job_id]
    assert show(client, job_id).state == "stopping"
    house.end(job_id)
    house.place()
    again = show(client, job_id)
    assert [one.reason for one in again.attempts] == ["node_drained", None]
    assert again.placement[0].node != where
    assert again.retries == 0


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("moon/cordon", {}, (404, "unknown_node", "node")),
        ("{node}/cordon", {"gpus": ["99"]}, (404, "unknown_gpu", "gpus")),
        ("{node}/resume", {"gpus": ["GPU-x"]}, (404, "unknown_gpu", "gpus")),
        ("{node}/cordon", {"gpus": ["0"], "drain": True}, (422, "invalid", "drain")),
        ("{node}/cordon", {"reason": "a\nb"}, (422, "invalid", "reason")),
        ("{node}/cordon?site=moon", {}, (404, "unknown_node", "node")),
    ],
)
def test_what_is_not_there_is_refused(
    client: TestClient, nodes: list[str], path: str, body: Any, expected: tuple[int, str, str]
) -> None:
    answer = client.post(f"/v1/nodes/{path.format(node=nodes[0])}", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == expected
    assert problem["hint"]


def test_a_wait_is_told_afterwards(client: TestClient, house: House, nodes: list[str]) -> None:
    house.plane = _with_waits(house)
    for node in nodes:
        client.post(f"/v1/nodes/{node}/cordon", json={})
    job_id = submit(client, resources={"gpu": 1}).id
    house.place()
    for node in nodes:
        client.post(f"/v1/nodes/{node}/resume", json={})
    house.place()
    house.see(job_id, ReplicaState.STARTED)
    house.end(job_id)
    listed = client.get(f"/v1/jobs/{job_id}/verdicts").json()["told"]
    assert [one["code"] for one in listed] == ["cordoned", "placed"]
    assert listed[0]["numbers"]["nodes_cordoned"] == len(nodes)
    assert listed[0]["at"] < listed[1]["at"]
    assert client.get(f"/v1/jobs/{job_id}/verdicts?limit=1").json()["told"] == listed[1:]


def _with_waits(house: House) -> Any:
    object.__setattr__(house.plane, "waits", Waits(MemoryVerdictLog()))
    return house.plane


def test_others_of_the_site_are_told_bind_and_come_free(
    client: TestClient, house: House, nodes: list[str]
) -> None:
    """Through the store and the API: a job of Slurm has one node, the other one is reserved."""
    now_ns = house.plane.clock.now_ns()
    hours = [now_ns + hour * 3600 * 10**9 for hour in range(9)]
    site = house.plane.board.find_site(SITE)
    assert site is not None
    first, second = site.nodes
    job = Foreign("Slurm job 7", tuple(one.id for one in first.devices), 4, 0, hours[2])
    reserved = Foreign("Slurm reservation r", ends_at_ns=hours[8], starts_at_ns=hours[4])
    shared = (replace(first, others=(job,)), replace(second, others=(reserved,)))
    reconcile(house.plane, Report(SITE, 0, nodes=shared))
    views = client.get("/v1/nodes").json()["nodes"]
    assert [view["gpus_free"] for view in views] == [0, 8]
    assert views[0]["gpu_states"] == ["others"] * 8
    assert [one["name"] for view in views for one in view["others"]] == [
        "Slurm job 7",
        "Slurm reservation r",
    ]
    detail = client.get(f"/v1/nodes/{nodes[0]}").json()
    assert detail["devices"][7]["others"] == ["Slurm job 7"]
    assert detail["cpus_free"] == detail["cpus"] - 4
    last = house.plane.store.list_records(house.plane.store.head() - 1)[-1]
    view = event_view(last)
    assert (view.kind, view.data["nodes"][0]["others"][0]["name"]) == (
        "nodes_changed", "Slurm job 7",
    )  # fmt: skip

    long = submit(client, resources={"gpu": 8}, time_limit="12h").id
    house.place()
    assert show(client, long).state == "queued"
    told = client.get(f"/v1/jobs/{long}/explanation").json()
    assert told["verdict"]["blocked_by"] == "reserved"
    assert "Slurm reservation r needs nodes that have room" in told["verdict"]["message"]
    short = submit(client, resources={"gpu": 8}, time_limit="1h").id
    house.place()
    assert [one.node for one in show(client, short).placement] == [nodes[1]]

    wide = submit(client, nodes=2, resources={"gpu": 8}, time_limit="1h").id
    told = client.get(f"/v1/jobs/{wide}/explanation").json()["verdict"]
    assert told["blocked_by"] == "no_capacity"
    assert "8 of 16 GPUs are used by jobs that are not Quarterdeck's" in told["message"]
    assert told["numbers"]["gpus_of_others"] == 8
    never = client.post("/v1/jobs", json={"run": "true", "nodes": 3, "resources": {"gpu": 8}})
    assert never.json()["code"] == "unsatisfiable"

    board = Board(house.plane.store)
    assert board.find_site(SITE) == house.plane.board.find_site(SITE)
    reconcile(house.plane, Report(SITE, 0, nodes=(first, second)))
    house.place()
    assert [one.node for one in show(client, long).placement] == [nodes[0]]


def test_a_node_that_the_site_has_drained_says_why(client: TestClient, house: House) -> None:
    site = house.plane.board.find_site(SITE)
    assert site is not None
    drained = [replace(one, state=NodeState.DRAINED, reason="bad fan") for one in site.nodes]
    job_id = submit(client, resources={"gpu": 1}).id
    house.run(job_id)
    reconcile(house.plane, Report(SITE, 0, nodes=tuple(drained)))
    assert show(client, job_id).state == "running"
    view = client.get("/v1/nodes").json()["nodes"][0]
    assert (view["state"], view["reason"], view["gpus_free"]) == ("drained", "bad fan", 0)
    waiting = submit(client, resources={"gpu": 1}).id
    house.place()
    told = client.get(f"/v1/jobs/{waiting}/explanation").json()["verdict"]
    assert told["message"].endswith("; the site has drained 2 nodes")
