"""The key `pools` of a policy file: what each team is guaranteed, and what it may hold at most."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import GpuUnit, Level
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.governance.people import check_team_name, check_user_name
from quarterdeck.core.scheduling.pools import WHOLE_NODE, Cap, Cells, Member, Pool
from quarterdeck.sdk.yamltree import Entries, Items, Tree, shown, shown_key
from quarterdeck.wiring.policy.parts import Wrong, entries_of, scalar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELLS_MAX: Final = 100_000
POOLS_MAX: Final = 1000
POOL_KEYS: Final = ("guarantee", "weight", "limit", "people")
MEMBER_KEYS: Final = ("guarantee", "weight", "limit")
PEOPLE_MAX: Final = 10_000
CAPS_MAX: Final = 16
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
    named = _named(tree, "pools", ("teams", example), check_team_name)
    found = [_pool(team, inner, name) for team, inner, name in named]
    if len(found) > POOLS_MAX:
        told = f"pools has {len(found)} teams; at most {POOLS_MAX}"
        raise Wrong(tree.place, told, "leave out those without a guarantee", "pools")
    return tuple(sorted(found, key=lambda pool: pool.team))


def _pool(team: str, tree: Entries, above: str) -> Pool:
    pool = Pool(team)
    for key, inner in entries_of(tree, f"{above}."):
        name = f"{above}.{key.text}"
        if key.text == "weight":
            pool = replace(pool, weight=float(_count(inner, name, WEIGHT_MAX, "a weight")))
        elif key.text == "guarantee":
            pool = replace(pool, guarantee=_guarantee(inner, name))
        elif key.text == "limit":
            pool = replace(pool, limit=_caps(inner, name))
        elif key.text == "people":
            pool = replace(pool, people=_people(inner, name))
        else:
            _refuse_key(key.text, key, above, POOL_KEYS)
    _check_limit(pool.guarantee, pool.limit, tree, above)
    _check_people(pool, tree, above)
    return pool


def _check_people(pool: Pool, tree: Entries, above: str) -> None:
    """What its people are guaranteed is part of what it is, and within their own limits."""
    for member in pool.people:
        _check_limit(member.guarantee, member.limit, tree, f"{above}.people.{member.user}")
    try:
        _ = pool.shared
    except Invalid as error:
        field = f"{above}.{error.field}"
        raise Wrong(tree.place, f"{above}.{error.message}", error.hint, field) from None


def _check_limit(
    guarantee: tuple[Cells, ...], limit: tuple[Cap, ...], tree: Entries, name: str
) -> None:
    """Nobody is guaranteed more GPUs of the models of a limit than that, as far as cells name
    any: how many a whole node has is not known here."""
    for cap in limit:
        gpus = sum(
            cells.count * cells.resources.gpus
            for cells in guarantee
            if not cap.models or {*cells.resources.gpu_models} & {*cap.models}
        )
        if gpus > cap.gpus:
            told = f"{name} is guaranteed {gpus} GPUs, and may hold {cap.gpus} at most"
            raise Wrong(tree.place, told, "raise its limit, or guarantee less", name)


def _people(tree: Tree, above: str) -> tuple[Member, ...]:
    """The people of whom the pool says something, by name."""
    example = "write for example people: {ann: {weight: 2, limit: {gpu: 8}}}"
    named = _named(tree, above, ("people", example), check_user_name)
    found = [_member(user, inner, name) for user, inner, name in named]
    if len(found) > PEOPLE_MAX:
        told = f"{above} has {len(found)} people; at most {PEOPLE_MAX}"
        raise Wrong(tree.place, told, "leave out those with nothing of their own", above)
    return tuple(sorted(found, key=lambda member: member.user))


def _member(user: str, tree: Entries, above: str) -> Member:
    member = Member(user)
    for key, inner in entries_of(tree, f"{above}."):
        name = f"{above}.{key.text}"
        if key.text == "weight":
            member = replace(member, weight=float(_count(inner, name, WEIGHT_MAX, "a weight")))
        elif key.text == "guarantee":
            member = replace(member, guarantee=_guarantee(inner, name))
        elif key.text == "limit":
            member = replace(member, limit=_caps(inner, name))
        else:
            _refuse_key(key.text, key, above, MEMBER_KEYS)
    return member


def _named(
    tree: Tree, above: str, told: tuple[str, str], check: Callable[[str], None]
) -> Iterator[tuple[str, Entries, str]]:
    """What is said of each that is named, and where. `told`: what they are, and an example."""
    what, example = told
    if not isinstance(tree, Entries):
        raise Wrong(tree.place, f"{above} is not a mapping of {what}", example, above)
    for key, inner in entries_of(tree, f"{above}."):
        name = f"{above}.{shown_key(key.text)}"
        try:
            check(key.text)
        except Invalid as error:
            raise Wrong(key.place, f"{name}: {error.message}", error.hint, name) from None
        if not isinstance(inner, Entries):
            raise Wrong(inner.place, f"{name} is not a mapping", example, name)
        yield key.text, inner, name


def _caps(tree: Tree, above: str) -> tuple[Cap, ...]:
    groups = tree.items if isinstance(tree, Items) else (tree,)
    if len(groups) > CAPS_MAX:
        told = f"{above} has {len(groups)} entries; at most {CAPS_MAX}"
        raise Wrong(tree.place, told, "give one for each GPU model", above)
    return tuple(_cap(group, above) for group in groups)


def _cap(tree: Tree, above: str) -> Cap:
    example = "write for example {gpu: 16}, or {gpu: 'A100:16'}"
    if not isinstance(tree, Entries):
        raise Wrong(tree.place, f"{above} is not a mapping", example, above)
    wanted = None
    for key, inner in entries_of(tree, f"{above}."):
        name = f"{above}.{key.text}"
        if key.text != "gpu":
            _refuse_key(key.text, key, above, ("gpu",))
        value = scalar_of(inner, name)
        try:
            wanted = parse_gpus(str(value), field=name)
        except Invalid as error:
            raise Wrong(inner.place, error.message, error.hint, name) from None
        if wanted.gpu_unit is not GpuUnit.WHOLE or wanted.gpu_memory_bytes:
            told = f"{name} is {shown(value)}: limits are in whole GPUs, of any model or of some"
            raise Wrong(inner.place, told, f"{example}; parts of a GPU count as parts", name)
    if wanted is None:
        raise Wrong(tree.place, f"{above} has no gpu", example, above)
    return Cap(wanted.gpus, wanted.gpu_models)


def _guarantee(tree: Tree, name: str) -> tuple[Cells, ...]:
    groups = tree.items if isinstance(tree, Items) else (tree,)
    return tuple(_cells(group, name) for group in groups)


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
