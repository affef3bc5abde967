"""One process per node runs the replicas that lie there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.runner import node


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    (tmp_path / "nodes.json").write_text(json.dumps({"n1": [0], "n2": [1, 2]}))
    return tmp_path


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What was run, in place of the real replicas; the one of rank 2 fails."""
    log = tmp_path / "ran"

    def run_replica(folder: str) -> int:
        with log.open("a") as stream:
            stream.write(f"{Path(folder).name}\n")
        return 3 if folder.endswith("/2") else 0

    monkeypatch.setattr(node, "run_replica", run_replica)
    monkeypatch.setattr(node, "die_with_parent", lambda: None)
    return lambda: sorted(log.read_text().split()) if log.exists() else []


def test_it_runs_just_those_that_lie_there(attempt: Path, ran: Callable[[], list[str]]) -> None:
    assert node.run_node(str(attempt), "n1") == 0
    assert ran() == ["0"]


def test_several_have_a_process_each_and_one_that_fails_is_told(
    attempt: Path, ran: Callable[[], list[str]]
) -> None:
    assert node.run_node(str(attempt), "n2") == 1
    assert ran() == ["1", "2"]


def test_a_node_without_any_says_so(
    attempt: Path, ran: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert node.run_node(str(attempt), "n9") == 1
    assert ran() == []
    assert "lies on the node n9" in capsys.readouterr().err
