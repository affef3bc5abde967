"""Policy files are strict: what cannot be meant is refused with its place and what to do."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.scheduling.pools import Cap, Cells, Member, Pool
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.wiring.policy.keys import KEYS
from quarterdeck.wiring.policy.reader import load_policy, read_policy

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"


def test_what_a_pool_may_hold_and_what_its_people_may() -> None:
    content = b"""\
order: fair_share
half_life: 14d
pools:
  red:
    limit: [{gpu: "A100|H100:16"}, {gpu: 24}]
    people:
      bob: {weight: 2}
      ann: {limit: {gpu: 8}}
"""
    people = (Member("ann", limit=(Cap(8),)), Member("bob", 2.0))
    pool = Pool("red", limit=(Cap(16, ("A100", "H100")), Cap(24)), people=people)
    read = read_policy(content, "p.yaml").policy
    assert read == Policy(order=Order.FAIR_SHARE, half_life_s=14 * 86_400.0, pools=(pool,))


def test_a_file_says_what_differs_from_the_usual() -> None:
    read = read_policy(
        b"name: brisk\npatience: 1h30m\npools: {vision: {guarantee: {nodes: 2}}, '7': {}}\n",
        "p.yaml",
    )
    assert read.name == "brisk"
    assert read.policy == Policy(patience_s=5400.0, pools=(Pool("7"), Pool("vision", (Cells(2),))))
    assert read_policy(b"{}", "p.yaml").policy == Policy()


def test_a_file_without_a_name_has_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "calm.yaml"
    path.write_text("patience: 5m\n")
    assert load_policy(path).name == "calm"
    with pytest.raises(Invalid, match="cannot be read: No such file") as caught:
        load_policy(tmp_path / "none.yaml")
    assert caught.value.hint


def test_every_field_of_the_policy_has_a_key_and_every_key_is_in_the_docs() -> None:
    assert {key.field for key in KEYS} | {"pools"} == {one.name for one in fields(Policy)}
    page = PAGE.read_text(encoding="utf-8")
    for name in ("name", *(key.name for key in KEYS), "pools"):
        assert f"| `{name}` |" in page


TWO = "{guarantee: {nodes: 2}}"
RACK = "{guarantee: {nodes: 2, within: rack}}"
THREE = "{gpu: 3}"
MORE = "{limit: {gpu: 2}, guarantee: {gpu: 3}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("patiense: 5m", "1:1: there is no key patiense"),
        ("name: a\npatience: 300", "2:11: patience is 300, which is not a duration with a unit"),
        ("patience: soon", "1:11: patience is 'soon': which is not a duration"),
        ("patience: [5m]", "1:11: patience is a list or a mapping"),
        ("patience:", "1:10: patience has no value"),
        ("patience: 5m\npatience: 6m", "2:1: the key patience is there twice"),
        ("name: 7", "1:7: name is 7, which is no name"),
        ("name: ''", "1:7: name is '', which is no name"),
        ("pools: 5", "1:8: pools is not a mapping of teams"),
        ("pools: {a: 5}", "1:12: pools.a is not a mapping"),
        ("pools: {'a b': {}}", "1:9: pools.'a b': team is 'a b'"),
        ("pools: {a: {}, a: {}}", "1:16: the key a is there twice"),
        ("pools: {a: {weight: 0}}", "1:21: pools.a.weight is 0, which is not a weight"),
        ("pools: {a: {weight: 1.5}}", "1:21: pools.a.weight is '1.5'"),
        ("pools: {a: {garantee: 1}}", "1:13: pools.a has no key garantee"),
        ("pools: {a: {guarantee: 5}}", "1:24: pools.a.guarantee is not a mapping"),
        ("pools: {a: {limit: 5}}", "1:20: pools.a.limit is not a mapping"),
        ("pools: {a: {limit: {}}}", "1:20: pools.a.limit has no gpu"),
        ("pools: {a: {limit: {nodes: 2}}}", "1:21: pools.a.limit has no key nodes"),
        ("pools: {a: {limit: {gpu: 'mig-1g.5gb:2'}}}", "1:26: pools.a.limit.gpu is 'mig-1g.5gb:2'"),
        ("pools: {a: {people: [b]}}", "1:21: pools.a.people is not a mapping of people"),
        ("pools: {a: {people: {'b c': {}}}}", "1:22: pools.a.people.'b c': user is 'b c'"),
        ("pools: {a: {people: {b: {wait: 1}}}}", "1:26: pools.a.people.b has no key wait"),
        (
            "pools: {a: {guarantee: {nodes: 3, gpu: 4}, limit: {gpu: 8}}}",
            "1:12: pools.a is guaranteed 12 GPUs, and may hold 8 at most",
        ),
        (
            "pools: {a: {people: {b: {guarantee: {nodes: 1}}}}}",
            "1:12: pools.a.people.b.guarantee: the team has 1 too few for 1 node",
        ),
        (
            f"pools: {{a: {{guarantee: {{nodes: 3}}, people: {{b: {TWO}, c: {TWO}}}}}}}",
            "1:12: pools.a.people.c.guarantee: the team has 1 too few for 2 nodes",
        ),
        (
            f"pools: {{a: {{guarantee: {THREE}, people: {{b: {MORE}}}}}}}",
            "1:12: pools.a.people.b is guaranteed 3 GPUs, and may hold 2 at most",
        ),
        (
            f"pools: {{a: {{guarantee: {{nodes: 3, within: rack}}, people: {{b: {RACK}}}}}}}",
            "1:12: pools.a.people.b.guarantee: the team has 2 too few for 2 nodes within one rack",
        ),
        (
            "pools: {a: {guarantee: {gpu: 'A100:4'}, limit: [{gpu: 'A100:2'}, {gpu: 64}]}}",
            "1:12: pools.a is guaranteed 4 GPUs, and may hold 2 at most",
        ),
        ("pools: {a: {people: {b: {guarantee: 1}}}}", "1:37: pools.a.people.b.guarantee is not a"),
        ("half_life: 12h", "1:12: half_life is '12h', and what was used is known by days"),
        ("half_life: 7d", "1:1: half_life says how past use fades"),
        ("pools: {a: {guarantee: {nodes: 0}}}", "1:32: pools.a.guarantee.nodes is 0"),
        ("pools: {a: {guarantee: {gpu: a/b}}}", "1:30: pools.a.guarantee.gpu is"),
        ("pools: {a: {guarantee: {within: hall}}}", "1:33: pools.a.guarantee.within is 'hall'"),
        ("pools: {a: {guarantee: [{node: 1}]}}", "1:26: pools.a.guarantee has no key node"),
        (
            "order: least_served\npools: {a: {guarantee: {}}}",
            "1:1: pools and order: least_served both say",
        ),
        (
            "moves: 1\npools: {a: {guarantee: {}}}",
            "1:1: moves is 1, and nobody moves where pools guarantee others' room to some",
        ),
        (
            "moves: 1\norder: least_served",
            "1:1: moves is 1, and nobody moves where order: least_served gives others' room to",
        ),
        ("- patience", "1:1: this is not one mapping"),
        ("", "1:1: this is not one mapping"),
        ("patience: &a 5m", "1:11: anchors"),
        ("patience: 99999d", "1:11: patience is '99999d': durations go up to ten years"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_policy(text.encode(), "p.yaml")
    assert caught.value.message.startswith(f"p.yaml:{told}")
    assert caught.value.hint


def test_a_key_that_is_nearly_right_is_proposed() -> None:
    with pytest.raises(Invalid) as caught:
        read_policy(b"patiense: 5m", "p.yaml")
    assert caught.value.hint.startswith("did you mean patience? keys: name, patience")
    assert (caught.value.field, caught.value.code) == ("patiense", "unknown_field")
