"""Pretended nodes are down while a file names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.adapters.engines.local.practice import PretendedNodes
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.testing.builders import a_dgx

NODES = (a_dgx("a"), a_dgx("b"))


def states(nodes: PretendedNodes) -> str:
    return " ".join(f"{node.name}:{node.state.value}" for node in nodes())


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    return tmp_path / "lost-nodes"


@pytest.fixture
def nodes(lost: Path) -> PretendedNodes:
    return PretendedNodes(NODES, lost)


def test_without_a_file_all_are_there_and_the_same_objects(nodes: PretendedNodes) -> None:
    assert nodes() is NODES
    assert nodes() is NODES


def test_those_that_stand_in_it_are_down_until_they_do_not(
    lost: Path, nodes: PretendedNodes
) -> None:
    lost.write_text("\n  b \n\n")
    assert states(nodes) == "a:ready b:down"
    assert nodes() is nodes()
    lost.write_text("a\nb\n")
    assert states(nodes) == "a:down b:down"
    lost.unlink()
    assert nodes() == NODES


def test_a_name_that_is_none_is_told_once(
    lost: Path, nodes: PretendedNodes, caplog: pytest.LogCaptureFixture
) -> None:
    lost.write_text("c\na\n")
    assert states(nodes) == "a:down b:ready"
    nodes()
    assert [record.getMessage() for record in caplog.records] == [
        f"{lost} names 1 that are no node: 'c'"
    ]


def test_a_file_that_is_no_text_or_cannot_be_read_harms_nothing(
    lost: Path, nodes: PretendedNodes, caplog: pytest.LogCaptureFixture
) -> None:
    lost.write_bytes(bytes(range(256)) * 16 + b"\nb\n")
    assert states(nodes) == "a:ready b:down"
    assert all(record.getMessage().isascii() for record in caplog.records)
    lost.unlink()
    lost.mkdir()
    assert states(nodes) == "a:ready b:ready"
    assert any("cannot be read" in record.getMessage() for record in caplog.records)


def test_nodes_keep_everything_else(lost: Path, nodes: PretendedNodes) -> None:
    lost.write_text("a")
    (down, _) = nodes()
    assert down.state is NodeState.DOWN
    assert down.devices == NODES[0].devices
