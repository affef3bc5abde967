"""The harness that compares how policies pack: its reading, its rules, and what it says."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from benchmarks import openb, packing
from benchmarks.baselines.packing import BestFit, Fgd, Hosts, Packer, RandomFit, Rule
from benchmarks.openb import Host, Pod
from benchmarks.packing import OurPacker, Packed
from benchmarks.traces import NoTraces, read_rows

PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec
openb-pod-0000,4000,1024,1,500,
openb-pod-0007,8000,2048,2,1000,T4|P100
openb-pod-0008,1000,512,0,0,
"""
HOSTS = "sn,cpu_milli,memory_mib,gpu,model\nn1,32000,65536,2,T4\nn2,64000,65536,4,V100M16\n"
ORDER = "seed42,seed43\n7,0\n0,7\n8,\n"


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of three pods, and two nodes."""
    (tmp_path / "openb").mkdir()
    (tmp_path / "openb" / "openb_pod_list_tiny.csv.xz").write_bytes(lzma.compress(PODS.encode()))
    (tmp_path / "openb" / "openb_node_list_gpu_node.csv").write_text(HOSTS)
    (tmp_path / "openb" / "arrivals_tiny.csv").write_text(ORDER)
    monkeypatch.setenv("QD_TRACES", str(tmp_path))
    return tmp_path


def test_lists_are_read_compressed_or_not(traces: Path) -> None:
    assert openb.list_names() == ["tiny"]
    hosts, pods = openb.read_hosts(), openb.read_pods("tiny")
    assert hosts[0] == Host("n1", 32000, 65536, 2, "T4")
    assert pods[7] == Pod(8000, 2048, 2, 1000, ("T4", "P100"))
    assert openb.read_arrivals("tiny", pods, hosts) == {42: [7, 0, 8], 43: [0, 7]}


def test_an_order_that_is_not_published_is_drawn_until_enough_is_asked_for(traces: Path) -> None:
    (traces / "openb" / "arrivals_tiny.csv").unlink()
    hosts, pods = openb.read_hosts(), openb.read_pods("tiny")
    orders = openb.read_arrivals("tiny", pods, hosts)
    assert orders == openb.read_arrivals("tiny", pods, hosts)
    for order in orders.values():
        asked = [pods[number].total_milli for number in order]
        assert sorted(order[:3]) == sorted(pods)
        assert sum(asked) >= 1.3 * 6000 > sum(asked[:-1])


def test_a_trace_that_is_missing_is_named(traces: Path) -> None:
    with pytest.raises(NoTraces, match="no openb/absent"):
        list(read_rows("openb/absent.csv"))


def test_fragmentation_is_what_typical_pods_cannot_use() -> None:
    """Half of the pods ask for 0.6 of a GPU, half for two GPUs: of 1 + 0.4 free, the first cannot
    use the 0.4, and the others nothing."""
    hosts = Hosts([Host("n", 10_000, 100, 2, "T4")])
    hosts.gpu[0, 1] = 400
    fgd = Fgd([Pod(1000, 1, 1, 600), Pod(1000, 1, 2, 1000)])
    found = fgd.fragments(hosts, hosts.gpu, hosts.cpu, hosts.model)
    assert found.tolist() == [0.5 * 400 + 0.5 * 1400]
    hosts.cpu[0] = 500
    assert fgd.fragments(hosts, hosts.gpu, hosts.cpu, hosts.model).tolist() == [1400]


def test_fgd_takes_the_gpu_that_keeps_most_of_use() -> None:
    hosts = [Host("n", 10_000, 100, 2, "T4")]
    packer = Packer(hosts, Fgd([Pod(1000, 1, 1, 600), Pod(1000, 1, 1, 400)]))
    assert packer.place(Pod(1000, 1, 1, 600)) == 600
    assert packer.place(Pod(1000, 1, 1, 400)) == 400
    assert packer.hosts.gpu[0, :2].tolist() == [0, 1000]


def test_best_fit_fills_the_node_that_has_least_left() -> None:
    packer = Packer([Host("large", 64_000, 100, 8, "T4"), Host("small", 8000, 100, 1, "T4")],
                    BestFit())  # fmt: skip
    assert packer.place(Pod(1000, 1, 1, 1000)) == 1000
    assert packer.hosts.gpu.sum(axis=1).tolist() == [8000, 0]


@pytest.mark.parametrize("rule", ["ours", "fgd", "best", "random"])
def test_no_rule_gives_what_is_not_there(rule: str) -> None:
    """More is asked for than there is; GPUs of another model are no use; all that fits is used."""
    hosts = [Host("a", 8000, 100_000, 2, "T4"), Host("b", 3000, 100_000, 4, "P100")]
    pods = [Pod(1000, 1, 1, 500), Pod(1000, 1, 1, 1000, ("T4",)), Pod(1000, 1, 2, 1000, ("A10",))]
    rules: dict[str, Rule] = {"fgd": Fgd(pods), "best": BestFit(), "random": RandomFit(7)}
    packer = OurPacker(hosts) if rule == "ours" else Packer(hosts, rules[rule])
    got = [packer.place(pods[n % 3]) for n in range(60)]
    assert sum(got[2::3]) == 0
    on_a = 2000
    on_b = 3 * 500  # three pods of a CPU each
    assert sum(got) == on_a + on_b
    if isinstance(packer, Packer):
        assert (packer.hosts.gpu >= 0).all()
        assert np.all(packer.hosts.cpu >= 0)


def test_a_row_starts_with_the_list_and_our_share(
    traces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = packing.run(["tiny"])
    row = packing.as_lines(found)[1].split()
    assert row[0] == "tiny"
    ours = [one.unused for one in found["tiny"]["ours"]]
    assert float(row[1]) == pytest.approx(sum(ours) / len(ours), abs=0.01)
    assert ours[0] == pytest.approx(100 * (1 - 2500 / 6000))


def test_what_is_not_reached_is_said() -> None:
    def runs(unused: float, seconds: float = 1.0) -> list[Packed]:
        return [Packed(unused, seconds, 100)]

    good = {"ours": runs(3.9), "FGD": runs(4.7), "best fit": runs(6.9), "random": runs(12.5)}
    assert all(holds for _, holds in packing.judge({"default": good}))
    for policy, worse in (
        ("ours", runs(4.1)), ("ours", runs(4.8)), ("ours", runs(3.9, 61.0)),
        ("FGD", runs(5.2)), ("best fit", runs(6.0)), ("random", runs(13.2)),
    ):  # fmt: skip
        said = packing.judge({"default": {**good, policy: worse}})
        assert not all(holds for _, holds in said), (policy, worse)
