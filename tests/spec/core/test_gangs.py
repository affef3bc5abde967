"""Which nodes are taken where several would do: what is left over stays whole."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import Location, Node
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.plan import Plan
from quarterdeck.testing.builders import a_demand, a_dgx
from tests.oracles.rooms import less
from tests.spec.core.test_make_plan import plan_for, waits


def rack(name: str, count: int, *, unit: str = "", pod: str = "") -> list[Node]:
    """So many nodes in one rack; a node is named after it."""
    place = f"{pod}{unit}{name}"
    return [
        a_dgx(f"{place}-{number}", location=Location(name, unit, pod)) for number in range(count)
    ]


def rooms(nodes: Iterable[Node], busy: Iterable[str] = ()) -> list[Room]:
    """Empty nodes, but for those that are held whole."""
    held = frozenset(busy)
    empty = (Room.empty("local", node) for node in nodes)
    return [less(room, Resources(8)) if room.node.name in held else room for room in empty]


def racks_of(plan: Plan) -> list[str]:
    """The rack of each node that was taken, by name."""
    (placement,) = plan.placements
    return sorted(grant.node.partition("-")[0] for grant in placement.grants)


def place(demand: Demand, nodes: Iterable[Node], busy: Iterable[str] = ()) -> list[str]:
    return racks_of(plan_for(rooms(nodes, busy), waits("j", demand)))


def test_an_empty_node_is_taken_from_the_rack_that_has_fewest_of_them() -> None:
    nodes = [*rack("a", 4), *rack("b", 4), *rack("c", 4)]
    busy = ("a-0", "b-0", "b-1", "b-2", "c-0", "c-1")
    assert place(a_demand(1, 8), nodes, busy) == ["b"]
    assert place(a_demand(1, 1), nodes, busy) == ["b"]


def test_of_racks_alike_the_one_in_the_fullest_unit_and_pod_is_broken() -> None:
    nodes = [
        *(*rack("a", 2, unit="u"), *rack("b", 2, unit="u")),
        *(*rack("a", 2, unit="v"), *rack("b", 2, unit="v")),
    ]
    assert place(a_demand(1, 8), nodes, ("vb-0", "vb-1")) == ["va"]
    assert place(a_demand(2, 8), nodes, ("vb-0", "vb-1")) == ["va", "va"]
    pods = [*rack("a", 2, pod="p"), *rack("b", 2, pod="p"), *rack("a", 2, pod="q")]
    assert place(a_demand(1, 8), pods) == ["qa"]
    assert place(a_demand(2, 8), pods) == ["qa", "qa"]


def test_a_node_that_fits_best_goes_before_the_rack_that_is_fullest() -> None:
    """Whole nodes stay whole, wherever they stand."""
    nodes = [*rack("a", 1), *rack("b", 3)]
    begun = [less(room, Resources(2)) if room.node.name == "b-1" else room for room in rooms(nodes)]
    plan = plan_for(begun, waits("j", a_demand(1, 4)))
    assert [grant.node for grant in plan.placements[0].grants] == ["b-1"]


def test_a_gang_goes_where_it_needs_fewest_racks_and_not_where_least_is_free() -> None:
    """Pod p has 5 free nodes in racks of 2 and 1, pod q 6 in two racks of 3."""
    nodes = [
        *(*rack("a", 3, pod="p"), *rack("b", 3, pod="p"), *rack("c", 3, pod="p")),
        *(*rack("a", 3, pod="q"), *rack("b", 3, pod="q")),
    ]
    busy = ("pa-0", "pb-0", "pc-0", "pc-1")
    assert place(a_demand(5, 8), nodes, busy) == ["qa", "qa", "qa", "qb", "qb"]


def test_of_pods_where_it_needs_as_many_racks_the_fullest_is_taken() -> None:
    nodes = [
        *(*rack("a", 3, pod="p"), *rack("b", 3, pod="p"), *rack("c", 3, pod="p")),
        *(*rack("a", 3, pod="q"), *rack("b", 3, pod="q")),
    ]
    assert place(a_demand(5, 8), nodes) == ["qa", "qa", "qa", "qb", "qb"]


def test_units_count_before_racks() -> None:
    """A pod in which two units would do goes before one in which three would."""
    many = [node for name in "uvw" for node in rack("a", 4, unit=name, pod="p")]
    few = [node for name in "uv" for side in "ab" for node in rack(side, 3, unit=name, pod="q")]
    taken = place(a_demand(9, 8), [*many, *few])
    assert taken == ["qua"] * 3 + ["qub"] * 3 + ["qva"] * 3
