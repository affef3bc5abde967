"""Other pools are written into a policy file, and all around them stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.wiring.policy.section import replace_file, with_pools

POOLS = "pools:\n  b: {guarantee: {nodes: 2}}\n"
FILE = """# ours
name: day

pools:  # as agreed
  a:
    guarantee: {nodes: 1}

# nobody is passed for long
patience: 5m
"""


def test_only_the_pools_are_replaced() -> None:
    made = with_pools(FILE.encode(), POOLS).decode()
    assert made == FILE.replace("pools:  # as agreed\n  a:\n    guarantee: {nodes: 1}\n", POOLS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, POOLS),
        (b"  \n", POOLS),
        (b"name: day", f"name: day\n{POOLS}"),
        (b"pools: {}\n", POOLS),
        (b"pools: {}\nname: day\n", f"{POOLS}name: day\n"),
        (b"name: day\npools:\n  a: {}\n# end\n", f"name: day\n{POOLS}"),
    ],
)
def test_wherever_they_are_and_if_there_were_none(before: bytes | None, after: str) -> None:
    assert with_pools(before, POOLS.rstrip()).decode() == after


@pytest.mark.parametrize(
    ("before", "text", "told"),
    [
        (None, "patience: 5m\n", "not the key pools"),
        (None, POOLS + "name: night\n", "not the key pools"),
        (None, "pools: [", "pools:1"),
        (None, "- pools", "is not one mapping"),
        (b"{name: day}", POOLS, "keys within braces"),
        (b"name: [", POOLS, "policy.yaml:1"),
    ],
)
def test_what_cannot_be_put_in_is_refused(before: bytes | None, text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as caught:
        with_pools(before, text)
    assert caught.value.hint


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"old")
    replace_file(path, b"new")
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"policy.yaml": b"new"}
