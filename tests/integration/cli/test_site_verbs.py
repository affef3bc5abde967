"""`qd site`, in a process of its own: of a scripted server, of files, and of no good files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.wiring.site.reader import load_plan
from tests.integration.cli.terminal import environment
from tests.integration.sdk.scripted import as_json, serving

QD = (sys.executable, "-m", "quarterdeck.wiring.entry")


def qd(
    *arguments: str, url: str | None = None, columns: int = 100
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QD, *arguments],
        env={**environment(url), "COLUMNS": str(columns)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _node(name: str, states: list[str], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "site": "local",
        "state": "ready",
        "pretend": True,
        "gpu_model": "A100",
        "gpus": len(states),
        "gpus_free": states.count("free"),
        "cpus": 64,
        "cpus_free": 64,
        "memory_bytes": 2**40,
        "memory_free_bytes": 2**40,
        "jobs": [],
        "gpu_states": states,
        **more,
    }


def _superpod(folder: Path, *more: str) -> Path:
    path = folder / "pod.yaml"
    done = qd("site", "generate", "--type", "dgx-a100", "--units", "7", "-o", str(path), *more)
    assert done.returncode == 0, done.stderr
    return path


def test_seven_units_are_generated_read_and_drawn_with_their_fabric(tmp_path: Path) -> None:
    path = _superpod(tmp_path)
    assert len(load_plan(path).nodes) == 140
    drawn = qd("site", "show", "--map", "--file", str(path))
    assert drawn.returncode == 0, drawn.stderr
    lines = drawn.stdout.splitlines()
    assert "  r1  ........ ........   r2  ........ ........" in drawn.stdout
    assert sum(line.count("........") for line in lines) == 140
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 40
    assert "140 nodes, 1120 GPUs: 1120 free" in lines
    assert "164 switches of 40 ports: 56 leaf, 80 spine, 28 core" in lines
    assert "3360 cables: 1120 node to leaf, 1120 leaf to spine, 1120 spine to core" in lines
    told = json.loads(qd("site", "show", "--file", str(path), "-o", "json").stdout)
    assert told["fabric"]["switches"] == {"leaf": 56, "spine": 80, "core": 28}
    assert (told["nodes"][20]["unit"], told["nodes"][20]["rack"]) == ("su2", "r1")


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_picture_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    drawn = qd("site", "show", "--map", "--file", str(_superpod(tmp_path)), columns=columns)
    assert max(map(len, drawn.stdout.splitlines())) <= columns


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = _superpod(tmp_path)
    again = ("site", "generate", "--type", "cpu", "--units", "1", "-o", str(path))
    refused = qd(*again[:3], "dgx-h100", *again[4:])
    assert refused.returncode == 3
    assert "--force" in refused.stderr
    assert qd(*again[:3], "dgx-h100", *again[4:], "--dry-run").returncode == 3
    assert len(load_plan(path).nodes) == 140
    assert qd(*again[:3], "dgx-h100", *again[4:], "--force").returncode == 0
    assert len(load_plan(path).nodes) == 31


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = _superpod(tmp_path, "--dry-run")
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--type", "dgx-a10", "--units", "1"), "did you mean dgx-a100?"),
        (("--type", "t4", "--units", "1"), "not built in scalable units"),
        (("--type", "dgx-a100", "--units", "0"), "0 units"),
        (("--type", "dgx-a100", "--units", "1", "--name", "a b"), "no name for a site"),
    ],
)
def test_what_cannot_be_generated_is_refused(arguments: tuple[str, ...], told: str) -> None:
    done = qd("site", "generate", *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert told in done.stderr


def test_a_live_site_is_drawn_with_a_sign_for_what_each_gpu_does() -> None:
    nodes = [
        _node("a", ["free", "held", "sliced", "cordoned"], pod="p1", unit="su1", rack="r1"),
        _node("b", ["free"] * 4, pod="p1", unit="su1", rack="r10"),
        _node("c", ["free"] * 4, pod="p1", unit="su1", rack="r1", state="down"),
        _node("d", [], unit="su9", gpu_model=None),
        # A server from before it told the states.
        {**_node("e", ["held", "free"], unit="su9"), "gpu_states": []},
    ]
    with serving(as_json({"nodes": nodes})) as script:
        drawn = qd("site", "show", "--map", url=script.url)
        table = qd("site", "show", url=script.url)
        names = qd("site", "show", "-q", url=script.url)
    assert drawn.stdout.splitlines() == [
        "p1",
        "su1  a … b  5/12 GPUs free",
        "  r1  .#%! xxxx   r10 ....",
        "su9  d … e  1/2 GPUs free",
        "   - .#",
        "",
        "one sign a GPU: . free   # held   % sliced   ! cordoned   x down   - no GPUs",
        "5 nodes (5 pretended), 14 GPUs: 6 free, 2 held, 1 sliced, 1 cordoned, 4 down",
    ]
    assert "p1   su1   2      3      12    5     1     1       1         4" in table.stdout
    assert names.stdout.split() == ["a", "c", "b", "d", "e"]


def test_what_others_of_the_site_hold_has_a_sign_of_its_own() -> None:
    nodes = [
        _node("a", ["free", "others", "others", "held"]),
        _node("b", ["others", "cordoned"], state="drained"),
    ]
    with serving(as_json({"nodes": nodes})) as script:
        drawn = qd("site", "show", "--map", url=script.url)
        table = qd("site", "show", url=script.url)
    assert ".oo#" in drawn.stdout
    assert "o!" in drawn.stdout
    assert "# held   o others   % sliced" in drawn.stdout
    assert "6 GPUs: 1 free, 1 held, 3 others, 1 cordoned" in drawn.stdout
    head, row = table.stdout.splitlines()[:2]
    assert head.split()[-6:] == ["FREE", "HELD", "OTHERS", "SLICED", "CORDONED", "DOWN"]
    assert row.split()[-6:] == ["1", "1", "3", "0", "1", "0"]


def test_many_nodes_in_one_rack_take_several_lines() -> None:
    nodes = [_node(f"n{n:02}", ["free"] * 8, rack="row") for n in range(20)]
    with serving(as_json({"nodes": nodes})) as script:
        drawn = qd("site", "show", "--map", url=script.url, columns=80)
    lines = drawn.stdout.splitlines()
    assert lines[1].startswith("  row ........ ")
    assert lines[2].startswith("      ........ ")
    assert max(map(len, lines)) <= 80


def test_a_topology_of_slurm_becomes_places_beside_the_nodes(tmp_path: Path) -> None:
    source = tmp_path / "topology.conf"
    source.write_text(
        "SwitchName=l1 Nodes=n[1-2]\nSwitchName=l2 Nodes=n[3-4]\nSwitchName=s Switches=l[1-2]\n"
    )
    part = qd("site", "import", str(source)).stdout
    assert part.splitlines()[1:] == [
        "locations:",
        "- names: n[1-4]",
        "  racks: l[1-2]",
        "  unit: s",
    ]
    whole = tmp_path / "site.yaml"
    done = qd("site", "import", str(source), "--type", "dgx-h100", "-o", str(whole))
    assert done.returncode == 0, done.stderr
    plan = load_plan(whole)
    assert [(node.name, node.location.rack) for node in plan.nodes] == [
        ("n1", "l1"),
        ("n2", "l1"),
        ("n3", "l2"),
        ("n4", "l2"),
    ]


def test_labels_of_kubernetes_are_told_apart_by_what_is_in_the_file(tmp_path: Path) -> None:
    label = "network.topology.nvidia.com/leaf"
    source = tmp_path / "nodes"
    node = {"metadata": {"name": "gpu-1.example.org", "labels": {label: "l7"}}}
    source.write_text(json.dumps({"items": [node]}))
    part = qd("site", "import", str(source)).stdout
    assert part.splitlines()[1:] == ["locations:", "- names: gpu-1.example.org", "  rack: l7"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"SwitchName=a Nodes=n1\nSwitchName=b", "topology.conf:2: the switch b has neither"),
        (b"SwitchName=a Nodes=n:1", "'n:1' is no name for a node"),
        (b"# \xff", "topology.conf:1: this is not UTF-8"),
        (b'{"items": []}', "none of 0 nodes has a label"),
    ],
)
def test_a_bad_topology_is_refused_with_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    source = tmp_path / "topology.conf"
    source.write_bytes(content)
    done = qd("site", "import", str(source))
    assert (done.returncode, done.stdout) == (3, "")
    assert told in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize("verb", [("up", "--home", "home", "--site"), ("site", "show", "--file")])
def test_a_bad_site_file_is_refused_before_anything_is_made(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("name: x\nnodes:\n- names: a[1-2]\n  type: dgx-a10\n")
    home = tmp_path / "home"
    done = qd(*(str(home) if word == "home" else word for word in verb), str(path))
    assert done.returncode == 3
    assert "site.yaml:4:3: nodes.0.type is 'dgx-a10'" in done.stderr
    assert "did you mean dgx-a100?" in done.stderr
    assert not home.exists()


def test_the_doctor_names_the_fault_of_a_site_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("name: x\nnodes: []\n")
    done = qd("doctor", "--home", str(tmp_path / "home"), "--site", str(path), "-o", "json")
    (found,) = [one for one in json.loads(done.stdout) if one["about"] == "site"]
    assert "the site has no nodes" in found["told"]
    assert done.returncode == 1


CONNECTED = ("site", "add", "hpc", "--no-check", "--dry-run", "--folder", "/shared")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--engine", "pbs"), "'pbs' is not one of 'slurm', 'slurm-pilot'"),
        (("--engine", "slurm-pilot"), "--nodes-max is missing"),
        (("--engine", "slurm", "--idle", "5m"), "--idle is for --engine slurm-pilot"),
        (("--engine", "slurm", "--nodes-max", "4"), "--nodes-max is for --engine slurm-pilot"),
        (("--engine", "slurm", "--nodes-most", "4"), "--nodes-most"),
    ],
)
def test_a_command_line_that_makes_no_site_is_wrong_usage(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    done = qd(*CONNECTED, "--home", str(tmp_path / "home"), *options)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--engine", "slurm", "--partition", "a b"), "partition is 'a b'"),
        (("--engine", "slurm-pilot", "--nodes-max", "many"), "nodes_max is 'many'"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_as_by_every_verb(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    done = qd(*CONNECTED, "--home", str(tmp_path / "home"), *options)
    assert done.returncode == 3, done.stderr
    assert told in done.stderr
