"""A team borrows what another one is guaranteed, and gives it back: four people, four terminals."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deck import Deck, until
from tests.e2e.person import Person

if TYPE_CHECKING:
    from pathlib import Path

GRACE_S = 10.0
POOLS = """
pools:
  speech: {guarantee: {nodes: 10}}
  vision: {guarantee: {nodes: 10}}
"""
TRAIN = """
trap 'echo $step > $QD_CHECKPOINT/step; echo saved at $step; exit 0' TERM
step=0
[ -f $QD_CHECKPOINT/step ] && step=$(cat $QD_CHECKPOINT/step) && echo going on at $step
while :; do step=$((step+1)); sleep 0.05; done
"""


def submit(person: Person, name: str, team: str, **keys: Any) -> str:
    job = {
        "name": name,
        "team": team,
        "run": TRAIN,
        "resources": {"gpu": 8},
        "checkpoint": {"grace": f"{GRACE_S:.0f}s"},
        **keys,
    }
    (person.folder / "job.yaml").write_text(json.dumps(job))
    return person.may("submit", "job.yaml", "-q")


def states(person: Person) -> dict[str, str]:
    return {job["id"]: job["state"] for job in person.sees("ps")["jobs"]}


@pytest.fixture
def people(deck: Deck, tmp_path: Path) -> dict[str, Person]:
    deck.up("--pretend", "dgx-a100:20")
    url = json.loads((deck.home / "server.json").read_text())["url"]
    found = {}
    for team, name in (("speech", "ann"), ("vision", "bob"), ("robots", "cyd")):
        assert deck.qd("team", "create", team).returncode == 0
        code = deck.qd("user", "invite", name, "--team", team).stdout
        found[name] = Person(tmp_path / name)
        found[name].folder.mkdir()
        found[name].may("login", url, "--invitation", stdin=code)
    pools = tmp_path / "pools.yaml"
    pools.write_text(POOLS)
    tried = deck.qd("pool", "apply", str(pools), "--dry-run")
    assert "would be: speech, vision" in tried.stdout
    assert deck.qd("policy", "show", "-o", "name").stdout.strip() == "usual"
    assert "are: speech, vision" in deck.qd("pool", "apply", str(pools)).stdout
    return found


def test_what_is_borrowed_comes_back_within_one_grace_and_goes_on_later(
    deck: Deck, people: dict[str, Person]
) -> None:
    ann, bob, cyd = people["ann"], people["bob"], people["cyd"]
    ours = [submit(ann, f"speech-{n}", "speech") for n in range(20)]
    until(lambda: list(states(ann).values()) == ["running"] * 20)
    robot = submit(cyd, "robot", "robots")
    pool = ann.sees("pool", "show", "speech")
    assert (pool["gpus_covered"], pool["gpus_borrowed"]) == (80, 80)

    began = monotonic()
    gang = submit(bob, "vision-gang", "vision", nodes=4)
    until(lambda: states(bob)[gang] == "running", within_s=GRACE_S)
    assert monotonic() - began < GRACE_S
    stopped = [job_id for job_id in ours if states(ann)[job_id] == "queued"]
    # The cheapest are those that started last, and of them as few as there are nodes.
    assert stopped == ours[-4:]
    assert "its team is guaranteed what it runs on" in bob.may("explain", gang)
    assert "its team is guaranteed what it runs on" in ann.may("explain", ours[0])
    assert "it borrows, and makes room" in ann.may("explain", ours[12])
    shown = ann.sees("show", stopped[0])
    assert (shown["reason"], shown["attempts"][0]["reason"]) == ("preempted", "preempted")
    assert shown["message"] == "it ran on what others are guaranteed, who need it now"

    # Nobody hears of a team or a job that is not for their eyes.
    for person, hidden in ((ann, [gang, "vision", "bob"]), (bob, [*ours, "speech", "ann"]),
                           (cyd, [gang, *ours, "speech", "vision", "ann", "bob"])):  # fmt: skip
        own = {"ann": stopped[0], "bob": gang, "cyd": robot}
        mine = next(name for name, one in people.items() if one is person)
        told = [person.may("explain", own[mine]), person.may("show", own[mine])]
        told += [person.may("pool", "ls"), person.may("pool", "tree"), person.may("ps")]
        told += [person.may("explain", own[mine], "-o", "json")]
        for word in hidden:
            assert not any(word in text for text in told), (mine, word, told)

    deck.kill_server()
    deck.up_again()
    assert deck.show(gang)["state"] == "running"
    assert deck.qd("cancel", gang).returncode == 0
    until(lambda: {deck.show(job_id)["state"] for job_id in stopped} == {"running"})
    again = deck.show(stopped[0])
    assert [one["number"] for one in again["attempts"]] == [1, 2]
    assert again["retries"] == 0
    until(lambda: "going on at" in deck.qd("logs", stopped[0]).stdout)


def test_who_cannot_make_room_does_not_get_what_others_are_guaranteed(
    deck: Deck, people: dict[str, Person]
) -> None:
    cyd = people["cyd"]
    stays = submit(cyd, "stays", "robots", preemptible=False)
    told = until(lambda: cyd.may("explain", stays))
    assert "reason: guaranteed" in told
    assert "with `preemptible: true` it would start now" in told
    borrows = submit(cyd, "borrows", "robots")
    until(lambda: states(cyd)[borrows] == "running")
    assert states(cyd)[stays] == "queued"


def test_a_node_of_ones_own_comes_back_from_the_team(
    deck: Deck, people: dict[str, Person], tmp_path: Path
) -> None:
    ann = people["ann"]
    pools = tmp_path / "pools.yaml"
    pools.write_text(
        "pools: {speech: {guarantee: {nodes: 3}, people: {ann: {guarantee: {nodes: 1}}}}}"
    )
    assert deck.qd("pool", "apply", str(pools)).returncode == 0
    assert deck.qd("team", "add", "speech", "bob").returncode == 0
    theirs = [submit(people["bob"], f"speech-{n}", "speech") for n in range(20)]
    until(lambda: list(states(people["bob"]).values()) == ["running"] * 20)
    own = submit(ann, "own", "speech")
    until(lambda: states(ann)[own] == "running", within_s=GRACE_S)
    assert "its owner is guaranteed what it runs on" in ann.may("explain", own)
    assert "its team is guaranteed what it runs on" in ann.may("explain", theirs[0])
    assert "ann (1 node): 8 GPUs" in ann.may("pool", "tree")
    row = next(line for line in ann.may("pool", "show", "speech").splitlines() if "ann" in line)
    assert row.split()[:5] == ["ann", "1", "node", "0", "8"]


def test_an_elastic_job_gives_up_the_nodes_that_are_needed_and_goes_on_with_the_rest(
    deck: Deck, people: dict[str, Person], tmp_path: Path
) -> None:
    """The server is killed while it stops, and somebody waits who would like what it keeps."""
    ann, bob, cyd = people["ann"], people["bob"], people["cyd"]
    ours = [submit(ann, f"speech-{n}", "speech") for n in range(10)]
    theirs = [submit(bob, f"vision-{n}", "vision") for n in range(2)]
    until(lambda: [*states(ann).values(), *states(bob).values()] == ["running"] * 12)
    may_end = tmp_path / "may-end"
    slowly = TRAIN.replace("trap '", f"trap 'while [ ! -e {may_end} ]; do sleep 0.05; done; ")
    keys = {"nodes": "2..8", "checkpoint": {"path": "ckpt", "grace": "5m"}}
    elastic = submit(cyd, "elastic", "robots", run=slowly, workdir=".", **keys)
    until(lambda: states(cyd)[elastic] == "running")
    had = nodes_of(deck, elastic)
    assert len(had) == 8
    greedy = submit(ann, "greedy", "speech", priority="high")
    assert states(ann)[greedy] == "queued"

    gang = submit(bob, "vision-gang", "vision", nodes=4)
    until(lambda: states(cyd)[elastic] == "stopping")
    shown = cyd.sees("show", elastic)
    assert shown["reason"] == "preempted"
    assert shown["message"] == (
        "it gives up 4 of its 8 nodes to others who are guaranteed them and need them now, "
        "and goes on with 4"
    )
    assert "then it goes on with dgx-" in cyd.may("explain", elastic)
    assert "a job gives up some nodes of it" in bob.may("explain", "--history", gang, "-o", "json")
    deck.kill_server()
    may_end.touch()
    deck.up_again()
    until(lambda: {deck.show(one)["state"] for one in (elastic, gang)} == {"running"})

    again = deck.show(elastic)
    assert [(one["number"], one["reason"]) for one in again["attempts"]] == [
        (1, "preempted"), (2, None),
    ]  # fmt: skip
    assert (again["retries"], len(nodes_of(deck, elastic))) == (0, 4)
    assert nodes_of(deck, elastic) | nodes_of(deck, gang) == had
    assert (
        "it gave up nodes for others, and goes on with 4 of 8" in deck.qd("explain", elastic).stdout
    )
    until(lambda: "going on at" in deck.qd("logs", elastic).stdout)
    assert {deck.show(one)["state"] for one in (*ours, *theirs)} == {"running"}
    assert deck.show(greedy)["state"] == "queued"
    told = json.loads(deck.qd("sim", "replay", "--from", "1h", "-o", "json").stdout)
    assert (told["cycles"] == told["same"], told["differences"]) == (True, [])


def nodes_of(deck: Deck, job_id: str) -> set[str]:
    return {grant["node"] for grant in deck.show(job_id)["placement"]}
