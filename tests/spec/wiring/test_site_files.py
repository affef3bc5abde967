"""A site file says which nodes stand where; what is wrong with one is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.fabric import Fabric
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.siteplan import PlannedNode, SitePlan, plan_superpod
from quarterdeck.wiring.doctor.findings import Level
from quarterdeck.wiring.doctor.site import look_at_site
from quarterdeck.wiring.settings import Settings
from quarterdeck.wiring.site.imagine import imagine_nodes
from quarterdeck.wiring.site.reader import read_plan
from quarterdeck.wiring.site.writer import write_locations, write_plan

SITE = """\
name: berlin
country: DE
region: eu-central
hardware:
  my-box:
    cpus: 32
    memory: 128GiB
    power_kw: 1.2
    gpu: {model: RTX6000, count: 2, memory: 48GiB}
    islands: [0, 0]
    island_gbytes_s: 56.25
    host_gbytes_s: 32
fabric: {switch_ports: 40, nodes_per_unit: 20, units: 1}
nodes:
- names: dgx[01-04]
  type: dgx-a100
  count: 4
  pod: p1
  unit: su1
  racks: r[1-2]
- names: login1,login2
  type: cpu
  rack: r9
- names: box-7
  type: my-box
locations:
- names: login2
  unit: office
"""


def test_a_site_file_gives_nodes_of_the_catalogue_and_of_its_own_hardware() -> None:
    plan = read_plan(SITE.encode(), "s.yaml")
    assert (plan.name, plan.country, plan.region) == ("berlin", "DE", "eu-central")
    assert plan.fabric == Fabric(40, 20, 1)
    nodes = {node.name: node for node in plan.imagine(load_catalogue())}
    assert [*nodes] == ["dgx01", "dgx02", "dgx03", "dgx04", "login1", "login2", "box-7"]
    assert nodes["dgx02"].location == Location("r1", "su1", "p1")
    assert nodes["dgx03"].location == Location("r2", "su1", "p1")
    assert nodes["login1"].location == Location("r9")
    assert nodes["login2"].location == Location(unit="office")
    box = nodes["box-7"]
    assert [device.memory_bytes for device in box.devices] == [48 * GIB] * 2
    assert box.topology is not None
    assert box.topology.island_gbytes_s == 56.25
    assert all(node.pretend for node in nodes.values())
    assert nodes["dgx01"].may_slice
    assert not box.may_slice


@pytest.mark.parametrize(
    ("before", "after", "place", "told"),
    [
        ("type: cpu", "type: dgx-a10", "22:3", "no type of hardware"),
        ("type: my-box", "kind: my-box", "25:3", "there is no key nodes.2.kind"),
        ("count: 4", "count: 5", "17:3", "names are 4 nodes, but count is 5"),
        ("count: 4", "count: four", "17:3", "not a whole number"),
        ("dgx[01-04]", "dgx[01-", "15:3", "not a list of names"),
        ("dgx[01-04]", "dgx:1,a,b,c", "15:3", "no name for a node"),
        ("login1,login2", "dgx01,b", "21:3", "the node dgx01 is there twice"),
        ("racks: r[1-2]", "racks: r[1-3]", "20:3", "do not go into 3 racks"),
        ("rack: r9", "rack: r9\n  racks: r8", "23:3", "there are rack and racks"),
        ("names: login2\n", "names: login3\n", "27:3", "login3, which is not among the nodes"),
        ("cpus: 32", "cpus: 0", "6:5", "hardware.'my-box'.cpus"),
        ("memory: 128GiB", "memory: 128", "7:5", "not a size with a unit"),
        ("islands: [0, 0]", "islands: [0]", "5:3", "islands has 1 entries for 2 GPUs"),
        ("count: 2,", "cuont: 2,", "9:27", "there is no key hardware.'my-box'.gpu.cuont"),
        ("units: 1}", "units: 0}", "13:48", "fabric.units"),
        ("_per_unit: 20", "_per_unit: 30", "13:28", "half of a leaf's 40 ports are 20"),
        ("country: DE", "country: Germany", "2:1", "country is 'Germany'"),
        ("unit: su1", 'unit: "a\\eb"', "19:3", "cannot be shown"),
        ("country: DE", "country:", "2:1", "country has no value"),
        ("country: DE", "name: x", "2:1", "the key name is there twice"),
        ("name: berlin", "name: -x", "1:1", "name is '-x'"),
        ("name: berlin\n", "", "1:1", "the key name is missing"),
        ("nodes:\n", "nodes: [\n", "15:", ""),
    ],
)
def test_a_bad_site_file_is_told_with_line_column_and_what_to_do(
    before: str, after: str, place: str, told: str
) -> None:
    assert before in SITE
    with pytest.raises(Invalid) as refused:
        read_plan(SITE.replace(before, after, 1).encode(), "s.yaml")
    assert refused.value.message.startswith(f"s.yaml:{place}")
    assert told in refused.value.message
    assert refused.value.hint
    assert refused.value.field


def test_a_close_name_is_proposed() -> None:
    with pytest.raises(Invalid) as refused:
        read_plan(SITE.replace("type: dgx-a100", "type: dgx-a10").encode(), "s")
    assert "did you mean dgx-a100?" in refused.value.hint


@pytest.mark.parametrize("content", [b"", b"[]", b"name: x\n---\nname: y\n", b"\xff", b"name: x"])
def test_what_is_no_site_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read_plan(content, "s.yaml")
    assert refused.value.message.startswith("s.yaml:1:")


def test_a_site_cannot_have_more_nodes_than_can_be_pretended() -> None:
    groups = "".join(f"- {{names: 'a{n}-[1-9999]', type: cpu}}\n" for n in range(2))
    with pytest.raises(Invalid, match="more than 10000 nodes"):
        read_plan(f"name: x\nnodes:\n{groups}".encode(), "s")


@pytest.mark.parametrize(
    ("kind", "units", "nodes"),
    [("dgx-a100", 7, 140), ("dgx-h100", 4, 127), ("dgx-b200", 64, 2048)],
)
def test_a_generated_superpod_loads_back_equal(kind: str, units: int, nodes: int) -> None:
    plan = plan_superpod(load_catalogue()[kind], units)
    assert len(plan.nodes) == nodes
    assert read_plan(write_plan(plan).encode(), "s") == plan
    assert len(plan.imagine(load_catalogue())) == nodes


def test_only_what_is_built_in_units_makes_a_superpod() -> None:
    with pytest.raises(Invalid, match="not built in scalable units"):
        plan_superpod(load_catalogue()["t4"], 1)


_TYPES = st.sampled_from(sorted(load_catalogue()))
_WORDS = st.one_of(
    st.just(""),
    st.from_regex(r"r[0-9]{1,2}", fullmatch=True),
    st.sampled_from(["null", "true", "1", "0x1", "1e3", "~", "- a", "a: b", "#", "r,s", "[r]"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=8).filter(
        str.isprintable
    ),
)
_PLACES = st.builds(Location, _WORDS, _WORDS, _WORDS)
_NODE_NAMES = st.one_of(
    st.integers(0, 300).map("n{}".format),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True),
)
_NODES = st.lists(
    st.builds(PlannedNode, _NODE_NAMES, _TYPES, _PLACES),
    min_size=1,
    max_size=30,
    unique_by=lambda node: node.name,
)


@settings(deadline=None, max_examples=60)
@given(
    nodes=_NODES,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    country=st.sampled_from(["", "DE", "NO"]),
    units=st.integers(0, 7),
    withheld=st.integers(0, 1),
)
def test_any_site_file_that_is_written_loads_back_equal(
    nodes: list[PlannedNode], name: str, country: str, units: int, withheld: int
) -> None:
    fabric = Fabric(40, 20, units, nodes_withheld=withheld) if units else None
    plan = SitePlan(name, tuple(nodes), country=country, fabric=fabric)
    assert read_plan(write_plan(plan).encode(), "s") == plan


@settings(deadline=None, max_examples=40)
@given(nodes=_NODES)
def test_places_that_are_written_alone_are_those_of_the_nodes_beside_them(
    nodes: list[PlannedNode],
) -> None:
    bare = SitePlan("s", tuple(PlannedNode(node.name, node.type) for node in nodes))
    fragment = write_locations({node.name: node.location for node in nodes})
    whole = read_plan((write_plan(bare) + fragment).encode(), "s")
    assert whole == SitePlan("s", tuple(nodes))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_make_the_reader_fail_in_another_way(content: bytes) -> None:
    with pytest.raises(Invalid):
        read_plan(b"nodes: \n" + content, "s")


def test_a_server_pretends_the_nodes_of_its_site_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    nodes = imagine_nodes(Settings(home=tmp_path, site=path))
    assert nodes is not None
    assert len(nodes) == 7
    assert imagine_nodes(Settings(home=tmp_path)) is None
    with pytest.raises(Refused, match="--pretend and --site"):
        Settings(home=tmp_path, site=path, pretend="cpu:1")


def test_the_doctor_looks_at_a_site_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    assert look_at_site(path).level is Level.PROBLEM
    path.write_text(SITE)
    assert look_at_site(path).told == "berlin: 7 nodes, 34 GPUs"
    path.write_text(SITE.replace("dgx-a100", "dgx-a200"))
    found = look_at_site(path)
    assert found.level is Level.PROBLEM
    assert "site.yaml:16:3" in found.told
    assert "types:" in found.hint


@settings(deadline=None, max_examples=60)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_racks_of_any_sizes_load_back_equal(sizes: list[int]) -> None:
    racks = [f"r{rack}" for rack, size in enumerate(sizes) for _ in range(size)]
    nodes = tuple(
        PlannedNode(f"n{index}", "cpu", Location(rack)) for index, rack in enumerate(racks)
    )
    plan = SitePlan("s", nodes)
    assert read_plan(write_plan(plan).encode(), "s") == plan
