"""A policy file in the home of a server: what it changes, and what is said when it is wrong."""

from __future__ import annotations

import json

from tests.e2e.deck import Deck, until


def test_another_policy_is_in_force_at_once_and_outlives_the_server(deck: Deck) -> None:
    """A gang waits for the second node. Who is patient lets a small job pass it, who is not keeps
    what comes free for it."""
    deck.up("--pretend", "dgx-a100:2")
    deck.run("--gpus", "8", "sleep 600")
    policy = deck.home / "policy.yaml"
    policy.write_text("name: strict\npatience: 0s\n")
    until(lambda: shown(deck)["name"] == "strict")
    gang = deck.run("--gpus", "8", "--nodes", "2", "true")
    small = deck.run("--gpus", "1", "true")
    assert deck.qd("wait", small, "--timeout", "1").returncode != 0
    assert f"{gang} is before it" in deck.qd("explain", small).stdout
    deck.kill_server()
    deck.up_again()
    assert shown(deck)["patience_s"] == 0
    assert deck.qd("wait", small, "--timeout", "1").returncode != 0
    policy.unlink()
    assert deck.qd("wait", small, "--timeout", "30").returncode == 0
    assert shown(deck)["name"] == "usual"
    told = deck.qd("audit", "search", "--operation", "policy_in_force", "-o", "json")
    assert told.stdout.count("policy_in_force") == 3, told.stdout + told.stderr


def test_a_wrong_file_is_refused_with_its_place_and_a_server_does_not_start_on_it(
    deck: Deck,
) -> None:
    deck.up("--pretend", "dgx-a100:1")
    policy = deck.home / "policy.yaml"
    policy.write_text("patience: 1m\nordr: shortest\n")
    until(lambda: shown(deck)["refused"])
    table = deck.qd("policy", "show")
    assert "policy.yaml:2:1" in table.stderr
    assert "did you mean order?" in table.stderr
    assert "usual" in table.stdout
    checked = deck.qd("policy", "check", str(policy))
    assert checked.returncode == 3
    assert "there is no key" in checked.stderr
    deck.qd("down")
    started = deck.qd("up", "--detach", *deck.options)
    assert started.returncode != 0
    assert "policy.yaml:2:1" in started.stderr
    policy.write_text("order: shortest\n")
    assert "a server can follow it" in deck.qd("policy", "check", str(policy)).stdout
    deck.up_again()
    assert shown(deck)["order"] == "shortest"


def test_a_policy_is_tried_on_what_was(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    for seconds in ("2", "1", "0"):
        last = deck.run("--gpus", "8", f"sleep {seconds}")
    assert deck.qd("wait", last).returncode == 0
    other = deck.home / "other.yaml"
    other.write_text("order: least_served\n")
    tried = deck.qd("policy", "try", str(other), "--from", "1h", "-o", "json")
    assert tried.returncode == 0, tried.stderr
    told = json.loads(tried.stdout)
    assert [one["jobs"] for one in told["teams"]] == [3]
    assert set(told["figures"]) == {"really", "as it was", "other"}


def shown(deck: Deck) -> dict[str, object]:
    told = deck.qd("policy", "show", "-o", "json")
    assert told.returncode == 0, told.stderr
    found: dict[str, object] = json.loads(told.stdout)
    return found
