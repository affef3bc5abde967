"""What Slurm and Kubernetes know of places becomes where nodes stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.adapters.sites.kubernetes import PREFIX, read_labels
from quarterdeck.adapters.sites.slurm import read_topology
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Location

TREE = """\
# three tiers
SwitchName=leaf1 Nodes=n[001-002]   LinkSpeed=400
switchname=leaf2 nodes=n003 # one
SwitchName=leaf3 Nodes=n004,m1
SwitchName=spine1 Switches=leaf[1-2]
SwitchName=spine2 \\
    Switches=leaf3
SwitchName=core Switches=spine[1-2]
"""


def test_a_tree_gives_leaf_spine_and_core() -> None:
    assert read_topology(TREE, "t") == {
        "n001": Location("leaf1", "spine1", "core"),
        "n002": Location("leaf1", "spine1", "core"),
        "n003": Location("leaf2", "spine1", "core"),
        "n004": Location("leaf3", "spine2", "core"),
        "m1": Location("leaf3", "spine2", "core"),
    }


def test_a_flat_tree_gives_leaves_only() -> None:
    assert read_topology("SwitchName=s1 Nodes=a,b", "t")["b"] == Location("s1")


def test_blocks_are_units() -> None:
    text = "BlockName=b1 Nodes=n[01-18]\nBlockName=b2 Nodes=n[19-36]\nBlockSizes=18,36\n"
    places = read_topology(text, "t")
    assert len(places) == 36
    assert places["n18"] == Location(unit="b1")
    assert places["n19"] == Location(unit="b2")


def test_a_file_with_blocks_and_switches_gives_both() -> None:
    places = read_topology(TREE + "BlockName=b1 Nodes=n[001-004],m1\n", "t")
    assert places["n003"] == Location("leaf2", "b1", "spine1")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SwitchName=leaf4", "neither Nodes nor Switches"),
        ("SwitchName=leaf4 Nodes=x Switches=leaf1", "both Nodes and Switches"),
        ("SwitchName=leaf1 Nodes=x", "there already, on line 2"),
        ("SwitchName=leaf4 Nodes=n001", "on the switches leaf1 and leaf4"),
        ("SwitchName=leaf4 Nodes=x[1-", "not a list of names"),
        ("SwitchName=top Switches=core2", "the switch core2 is named, but no line is about it"),
        ("SwitchName=top Switches=leaf1", "below spine1 and top"),
        ("SwitchName=a Switches=a", "above itself"),
        ("Nodes=n001", "without a SwitchName or BlockName"),
        ("SwitchName=a Noodles=b", "there is no key Noodles"),
        ("SwitchName=a Nodes=b c", "'c' is not KEY=VALUE"),
        ("SwitchName=a SwitchName=b", "there twice"),
        ("what is this", "is not KEY=VALUE"),
        ("BlockName=b", "no Nodes"),
        ("BlockName=b Nodes=x\nBlockName=c Nodes=x", "in the blocks b and c"),
        ("SwitchName=a\x1b[2J Nodes=x", "cannot be shown"),
        (f"SwitchName={'s' * 121} Nodes=x", "has 121 characters"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_topology(TREE + line, "topology.conf")
    number = 9 + line.count("\n")
    assert refused.value.message.startswith(f"topology.conf:{number}: ")
    assert told in refused.value.message
    assert refused.value.hint


def test_a_file_without_nodes_is_no_topology() -> None:
    with pytest.raises(Invalid, match="names no nodes"):
        read_topology("# nothing\n", "t")


@given(st.text(max_size=200))
def test_no_text_makes_an_importer_fail_in_another_way(text: str) -> None:
    for read in (read_topology, read_labels):
        with pytest.raises(Invalid, match=r"\Af:"):
            read(text, "f")


def _node(name: str, **labels: str) -> dict[str, object]:
    return {"metadata": {"name": name, "labels": {PREFIX + k: v for k, v in labels.items()}}}


def _listed(*nodes: object) -> str:
    return json.dumps({"kind": "List", "items": nodes})


def test_labels_of_topograph_give_leaf_spine_and_core() -> None:
    text = _listed(
        _node("a", leaf="l1", spine="s1", core="c1"),
        _node("b", leaf="l2", spine="s1", core="c1"),
        _node("c"),
    )
    assert read_labels(text, "f") == {
        "a": Location("l1", "s1", "c1"),
        "b": Location("l2", "s1", "c1"),
    }


def test_an_nvlink_domain_is_tighter_than_a_leaf() -> None:
    text = _listed(_node("a", accelerator="nvl1", leaf="l1", spine="s1", core="c1"))
    assert read_labels(text, "f") == {"a": Location("nvl1", "l1", "s1")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"items": [\n{]}', "f:2:2: this is not JSON"),
        ('{"items": 7}', "items is not a list"),
        (_listed({"metadata": {}}), "items.0 is not a node"),
        (_listed(_node("a", leaf="l"), 7), "items.1 is not a node"),
        (_listed(_node("a", leaf="l"), _node("a", leaf="m")), "there twice"),
        (_listed(_node("a")), "none of 1 nodes has a label"),
        (_listed(_node("a", leaf="")), "is no name"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_labels_that_cannot_be_read_are_told(text: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_labels(text, "f")
    assert told in refused.value.message
    assert refused.value.hint
