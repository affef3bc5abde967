"""The key `pools` of a policy file: what each team is guaranteed."""

from __future__ import annotations

from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Level
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.governance.people import check_team_name
from quarterdeck.core.scheduling.pools import WHOLE_NODE, Cells, Pool
from quarterdeck.sdk.yamltree import Entries, Items, Tree, shown, shown_key
from quarterdeck.wiring.policy.parts import Wrong, entries_of, scalar_of

CELLS_MAX: Final = 100_000
POOLS_MAX: Final = 1000
POOL_KEYS: Final = ("guarantee", "weight")
WEIGHT_MAX: Final = 1_000_000
CELL_KEYS: Final = ("nodes", "gpu", "within")
WITHIN: Final = {
    "rack": Level.RACK,
    "leaf": Level.RACK,
    "unit": Level.UNIT,
    "pod": Level.POD,
}


def read_pools(tree: Tree) -> tuple[Pool, ...]:
    """The pools by team, in the order of their names."""
    example = "write for example pools: {vision: {guarantee: {nodes: 4}}}"
    if not isinstance(tree, Entries):
        raise Wrong(tree.place, "pools is not a mapping of teams", example, "pools")
    found = []
    for key, inner in entries_of(tree, "pools."):
        above = f"pools.{shown_key(key.text)}"
        try:
            check_team_name(key.text)
        except Invalid as error:
            raise Wrong(key.place, f"{above}: {error.message}", error.hint, above) from None
        if not isinstance(inner, Entries):
            raise Wrong(inner.place, f"{above} is not a mapping", example, above)
        found.append(_pool(key.text, inner, above))
    if len(found) > POOLS_MAX:
        told = f"pools has {len(found)} teams; at most {POOLS_MAX}"
        raise Wrong(tree.place, told, "leave out those without a guarantee", "pools")
    return tuple(sorted(found, key=lambda pool: pool.team))


def _pool(team: str, tree: Entries, above: str) -> Pool:
    guarantee: tuple[Cells, ...] = ()
    weight = 1
    for key, inner in entries_of(tree, f"{above}."):
        if key.text == "weight":
            weight = _count(inner, f"{above}.weight", WEIGHT_MAX, "a weight")
        elif key.text == "guarantee":
            groups = inner.items if isinstance(inner, Items) else (inner,)
            guarantee = tuple(_cells(group, f"{above}.guarantee") for group in groups)
        else:
            _refuse_key(key.text, key, above, POOL_KEYS)
    return Pool(team, guarantee, float(weight))


def _cells(tree: Tree, above: str) -> Cells:
    example = "write for example {nodes: 4}, or {nodes: 2, gpu: 'A100:4'}"
    if not isinstance(tree, Entries):
        raise Wrong(tree.place, f"{above} is not a mapping", example, above)
    count, resources, within = 1, WHOLE_NODE, None
    for key, inner in entries_of(tree, f"{above}."):
        name = f"{above}.{key.text}"
        if key.text not in CELL_KEYS:
            _refuse_key(key.text, key, above, CELL_KEYS)
        value = scalar_of(inner, name)
        if key.text == "nodes":
            count = _count(inner, name, CELLS_MAX, "a number of nodes")
        elif key.text == "gpu":
            try:
                resources = parse_gpus(str(value), field=name)
            except Invalid as error:
                raise Wrong(inner.place, error.message, error.hint, name) from None
        else:
            level = WITHIN.get(str(value))
            if level is None:
                told = f"{name} is {shown(value)}, which is not a choice"
                raise Wrong(inner.place, told, f"use one of {', '.join(WITHIN)}", name)
            within = level
    return Cells(count, resources, within)


def _count(tree: Tree, name: str, most: int, what: str) -> int:
    value = scalar_of(tree, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        told = f"{name} is {shown(value)}, which is not {what}"
        raise Wrong(tree.place, told, f"write a whole number from 1 to {most}, in digits", name)
    return value


def _refuse_key(text: str, key: Tree, above: str, known: tuple[str, ...]) -> None:
    told = f"{above} has no key {shown_key(text)}"
    raise Wrong(key.place, told, f"keys: {', '.join(known)}", above, "unknown_field")
