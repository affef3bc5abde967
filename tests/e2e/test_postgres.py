"""The same server on PostgreSQL."""

from __future__ import annotations

import pytest

from quarterdeck.testing.postgres import running_postgres
from tests.e2e.deck import Deck


@pytest.mark.needs_postgres
def test_a_server_on_postgresql_is_killed_and_goes_on(deck: Deck) -> None:
    with running_postgres() as server:
        url = server.new_database()
        deck.up("--pretend", "dgx-a100:2", "--store", url)
        before = deck.run("--gpus", "8", "echo before")
        assert deck.qd("wait", before, "--timeout", "30").returncode == 0
        across = deck.run("sleep 2; echo across")
        deck.kill_server()
        deck.up("--pretend", "dgx-a100:2")
        assert deck.qd("wait", across, "--timeout", "30").returncode == 0
        assert len(deck.show(across)["attempts"]) == 1
        assert deck.qd("logs", before).stdout == "before\n"
        assert not (deck.home / "quarterdeck.db").exists()
        deck.end()
