"""Ways to wait, staged on a real server: each is named rightly, and what is told to be done for
it starts the job.

What `qd explain` prints behind `do:` is typed as it stands.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deck import Deck, until

LIVE = ("starting", "running", "succeeded")
SITE = """\
name: mixed
nodes:
- {names: "dgx-[1-4]", type: dgx-a100, racks: "r[1-2]", unit: su1}
"""


@pytest.fixture
def small(deck: Deck, tmp_path: Path) -> Deck:
    """Four nodes of eight A100 each, two to a rack."""
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    deck.up("--site", str(site))
    return deck


def parked(deck: Deck, *options: str) -> str:
    """A job that runs on, once it runs."""
    job_id = deck.run(*options, "sleep 600")
    until(lambda: deck.show(job_id)["state"] == "running")
    return job_id


def up_with(deck: Deck, site: str) -> None:
    """The same server, with other nodes than before."""
    assert deck.qd("down").returncode == 0
    Path(deck.options[1]).write_text(site)
    deck.up_again()


def told(deck: Deck, job_id: str, code: str) -> dict[str, Any]:
    """What the job is told; the reason is this one."""
    explained = deck.qd_json("explain", job_id)
    assert explained["verdict"]["blocked_by"] == code, explained["verdict"]
    said = deck.qd("explain", job_id).stdout
    assert f"reason: {code}" in said
    verdict: dict[str, Any] = explained["verdict"]
    assert f"do: {' && '.join(verdict['commands'])}" in said
    return verdict


def does_as_told(deck: Deck, job_id: str, verdict: dict[str, Any]) -> None:
    """Type what is said, and see the job, or the one in its place, start."""
    assert verdict["commands"], verdict
    assert "it would start now" in verdict["hint"]
    for line in verdict["commands"]:
        done = deck.qd(*shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stderr)
        if line.startswith("qd clone"):
            job_id, started = done.stdout.split()[0], job_id
            assert started != job_id
    until(lambda: deck.show(job_id)["state"] in LIVE)


def too_big(deck: Deck) -> tuple[str, str]:
    """The site has become smaller since it was submitted, and one node of it is free."""
    parked(deck, "--gpus", "8")
    parked(deck, "--gpus", "8")
    job_id = deck.run("--nodes", "4", "--gpus", "8", "sleep 1")
    up_with(deck, SITE.replace("dgx-[1-4]", "dgx-[1-3]"))
    return job_id, "unsatisfiable"


def fragmented(deck: Deck) -> tuple[str, str]:
    parked(deck, "--nodes", "4", "--gpus", "4")
    return deck.run("--gpus", "8", "sleep 1"), "fragmented"


def a_cordoned_gpu(deck: Deck) -> tuple[str, str]:
    parked(deck, "--nodes", "3", "--gpus", "8")
    free = next(node["name"] for node in deck.qd_json("node", "ls")["nodes"] if node["gpus_free"])
    assert deck.qd("node", "cordon", free, "--gpu", "3", "--reason", "ECC").returncode == 0
    return deck.run("--gpus", "8", "sleep 1"), "cordoned"


def the_wrong_model(deck: Deck) -> tuple[str, str]:
    up_with(deck, SITE + "- {names: old, type: dgx-1-v100}\n")
    parked(deck, "--gpu", "V100:8")
    return deck.run("--gpu", "V100:4", "sleep 1"), "gpu_model"


def a_busy_mig_shape(deck: Deck) -> tuple[str, str]:
    """All but one GPU are held, and that is cut so that no half of it is left."""
    parked(deck, "--nodes", "3", "--gpus", "8")
    parked(deck, "--gpus", "7")
    parked(deck, "--gpu", "mig-4g.40gb:1")
    parked(deck, "--gpu", "mig-1g.10gb:1")
    return deck.run("--gpu", "mig-3g.40gb:1", "sleep 1"), "mig_shape"


def a_rack_that_is_not_free(deck: Deck) -> tuple[str, str]:
    parked(deck, "--nodes", "2", "--gpus", "8", "--spread", "rack")
    return deck.run("--nodes", "2", "--gpus", "8", "--require", "rack", "sleep 1"), "topology"


def a_team_at_its_limit(deck: Deck) -> tuple[str, str]:
    assert deck.qd("team", "limits", "default", "--running", "1").returncode == 0
    parked(deck)
    return deck.run("sleep 1"), "limit"


def a_team_whose_hours_are_used(deck: Deck) -> tuple[str, str]:
    assert deck.qd("team", "limits", "default", "--device-hours", "0").returncode == 0
    return deck.run("--gpus", "1", "sleep 600"), "budget"


def a_job_it_needs(deck: Deck) -> tuple[str, str]:
    return deck.run("--needs", parked(deck), "sleep 1"), "needs"


def somebody_holds_it(deck: Deck) -> tuple[str, str]:
    return deck.run("--hold", "sleep 1"), "held"


def its_own_array_limit(deck: Deck) -> tuple[str, str]:
    job_id = deck.run("--array", "0-3%2", "sleep 600")
    until(lambda: deck.show(job_id)["array"]["counts"].get("running") == 2)
    return job_id, "array_limit"


SITUATIONS: tuple[Callable[[Deck], tuple[str, str]], ...] = (
    too_big,
    fragmented,
    a_cordoned_gpu,
    the_wrong_model,
    a_busy_mig_shape,
    a_rack_that_is_not_free,
    a_team_at_its_limit,
    a_team_whose_hours_are_used,
    a_job_it_needs,
    somebody_holds_it,
    its_own_array_limit,
)


@pytest.mark.parametrize("stage", SITUATIONS, ids=lambda stage: stage.__name__)
def test_a_wait_is_explained_and_what_is_told_to_do_ends_it(
    stage: Callable[[Deck], tuple[str, str]], small: Deck
) -> None:
    job_id, code = stage(small)
    verdict = told(small, job_id, code)
    does_as_told(small, job_id, verdict)


def test_a_wait_for_jobs_with_time_limits_has_a_latest_end(small: Deck) -> None:
    first = parked(small, "--nodes", "3", "--gpus", "8", "--time-limit", "1h")
    parked(small, "--gpus", "8", "--time-limit", "2h")
    waiting = small.run("--nodes", "2", "--gpus", "8", "sleep 1")
    latest = small.qd_json("explain", waiting)["latest"]
    assert latest["when_ended"] == first
    assert f"when {first} has reached its time limit" in small.qd("explain", waiting).stdout
    planned = json.loads(small.qd("plan", "--gpus", "8", "-o", "json", "--", "true").stdout)
    assert planned["latest"]["when_ended"] == first
    behind = small.run("--nodes", "4", "--gpus", "8", "sleep 1")
    assert small.qd_json("explain", behind)["latest"] is None, "the one before it has no limit"
