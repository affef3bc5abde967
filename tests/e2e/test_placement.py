"""Where jobs land on twenty DGX A100: near to each other, with their own network interfaces, and
cut only where nobody else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quarterdeck.core.cluster.mig import occupancy_of, profiles_of
from quarterdeck.core.cluster.parts import parse_part
from tests.e2e.deck import Deck, until

NUMA = (3, 3, 1, 1, 7, 7, 5, 5)
"""Of the eight GPUs of a DGX A100, as `nvidia-smi topo -m` prints it."""
NICS = ("mlx5_0", "mlx5_1", "mlx5_2", "mlx5_3", "mlx5_6", "mlx5_7", "mlx5_8", "mlx5_9")
PROFILES = profiles_of("A100-SXM4-80GB", 80 * 2**30)


@pytest.fixture
def pod(deck: Deck) -> Deck:
    """Twenty nodes in ten racks of one unit."""
    deck.up("--pretend", "dgx-a100:20")
    return deck


def placed(deck: Deck, *options: str, line: str = "sleep 600") -> list[dict[str, Any]]:
    """Where the replicas of such a job run."""
    job_id = deck.run(*options, line)
    until(lambda: deck.show(job_id)["state"] in ("running", "succeeded"))
    grants: list[dict[str, Any]] = deck.show(job_id)["attempts"][-1]["placement"]
    return grants


def places(grant: dict[str, Any]) -> list[int]:
    """Which GPUs of the node, from 0."""
    return [int(gpu.partition("/")[0].rpartition("-")[2]) for gpu in grant["gpus"]]


def test_jobs_of_two_and_four_gpus_lie_in_one_neighbourhood_with_interfaces_of_their_own(
    pod: Deck,
) -> None:
    for count in (1, 2, 4, 2, 4, 2, 1, 4):
        (grant,) = placed(pod, "--gpus", str(count))
        chosen = places(grant)
        assert len(set(chosen)) == count
        assert len({NUMA[place] for place in chosen}) == (count + 1) // 2
        assert grant["nics"] == [NICS[place] for place in chosen]
    nodes = {node["name"]: node["gpus_free"] for node in pod.qd_json("node", "ls")["nodes"]}
    assert sum(nodes.values()) == 140
    assert sum(free < 8 for free in nodes.values()) == 3, "small jobs share nodes"


def test_a_job_finds_the_interfaces_next_to_its_gpus(pod: Deck, tmp_path: Path) -> None:
    told = tmp_path / "told"
    (grant,) = placed(pod, "--gpus", "4", line=f"echo $QD_NICS ${{NCCL_IB_HCA-none}} > {told}")
    until(told.exists)
    until(told.read_text)
    assert told.read_text() == f"{','.join(grant['nics'])} none\n", (
        "pretended ones are not for NCCL"
    )


def test_a_gang_lies_as_near_as_it_can_and_says_how_near(deck: Deck, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    kind = ("--type", "dgx-a100", "--units", "2")
    assert deck.qd("site", "generate", *kind, "-o", str(site)).returncode == 0
    deck.up("--site", str(site))
    with deck.client() as client:
        where = {node.name: (node.unit, node.rack) for node in client.list_nodes().nodes}
    two = placed(deck, "--nodes", "2", "--gpus", "8")
    assert len({where[grant["node"]] for grant in two}) == 1
    four = placed(deck, "--nodes", "4", "--gpus", "8", "--require", "unit")
    assert len({where[grant["node"]][0] for grant in four}) == 1
    assert len({where[grant["node"]] for grant in four}) == 2, "in as few racks as can be"
    told = deck.qd("plan", "--nodes", "4", "--gpus", "8", "--", "true").stdout
    assert "4 nodes in unit su" in told
    assert "its all-reduce should reach 184 GB/s" in told


def test_slices_shares_and_whole_gpus_share_the_machine(pod: Deck) -> None:
    asked = ("mig-1g.10gb:3", "mig-3g.40gb:1", "20GB", "share-25%:2", "A100:5", "mig-7g.80gb:1")
    held: dict[tuple[str, str], list[str]] = {}
    for kind in (*asked, *asked):
        for grant in placed(pod, "--gpu", kind):
            for gpu in grant["gpus"]:
                held.setdefault((grant["node"], parse_part(gpu).gpu), []).append(gpu)
    for devices in held.values():
        parts = [parse_part(device) for device in devices]
        slices = [(part.profile, part.start) for part in parts if part.profile]
        shares = [part.percent for part in parts if not part.profile]
        assert not (slices and shares)
        occupancy_of(slices, PROFILES)
        assert sum(shares) <= 100
    assert len({node for node, _ in held}) <= 3
    drawn = pod.qd("site", "show", "--map").stdout
    assert "160 GPUs" in drawn
