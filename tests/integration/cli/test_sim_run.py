"""`qd sim run`, in a process of its own: policies side by side, formats, a report, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.terminal import environment

QD = (sys.executable, "-m", "quarterdeck.wiring.entry")
EXAMPLE = Path(__file__).parents[3] / "examples" / "simulate"
CLUSTER, WORKLOAD = str(EXAMPLE / "cluster.yaml"), str(EXAMPLE / "workload.csv")
POLICIES = [
    part for name in ("strict", "shortest") for part in ("--policy", EXAMPLE / f"{name}.yaml")
]


def qd(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QD, "sim", "run", *map(str, arguments)],
        env={**environment(None), "COLUMNS": "100", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def short(folder: Path, count: int = 40) -> Path:
    """The first jobs of the example."""
    path = folder / "w.csv"
    lines = Path(WORKLOAD).read_text(encoding="utf-8").splitlines()[: count + 1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_policies_stand_side_by_side_and_the_report_has_them_all(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    done = qd(
        *("--cluster", CLUSTER, "--workload", short(tmp_path), *POLICIES, "--patience", "1h"),
        *("--outages", EXAMPLE / "outages.csv", "--html", page),
    )
    assert done.returncode == 0, done.stderr
    head = done.stdout.splitlines()[0]
    assert head.split() == ["strict", "shortest", "patience", "1h00m"]
    assert "guarantee_violation_minutes" in done.stdout
    assert f"the report is in {page}" in done.stderr
    text = page.read_text(encoding="utf-8")
    assert all(name in text for name in ("strict", "shortest", "patience 1h00m", "<svg"))


def test_the_same_input_gives_the_same_bytes_whatever_hashes_are(tmp_path: Path) -> None:
    workload = short(tmp_path)
    found = []
    for seed in ("1", "2"):
        page = tmp_path / f"{seed}.html"
        done = qd(
            *("--cluster", CLUSTER, "--workload", workload, *POLICIES, "-o", "json"),
            *("--outages", EXAMPLE / "outages.csv", "--html", page),
            PYTHONHASHSEED=seed,
        )
        assert done.returncode == 0, done.stderr
        found.append((done.stdout, page.read_bytes()))
    assert found[0] == found[1]
    figures = json.loads(found[0][0])["figures"]
    assert list(figures) == ["strict", "shortest"]
    assert figures["strict"]["jobs"] == 40


def test_run_times_are_learned_when_they_are_asked_for(tmp_path: Path) -> None:
    """By turns quick and slow jobs; then one that holds all, and one of each that waits."""
    lines = ["job,submit,duration,gpus,nodes,user"]
    for number in range(8):
        lines += [f"slow-{number},{number * 2000},900,8,4,ada"]
        lines += [f"quick-{number},{number * 2000 + 1000},10,8,4,ada"]
    lines += ["blocks,20000,500,8,4,bob", "slow-8,20001,900,8,4,ada", "quick-8,20002,10,8,4,ada"]
    workload = tmp_path / "w.csv"
    workload.write_text("\n".join(lines) + "\n", encoding="utf-8")
    site = tmp_path / "site.yaml"
    site.write_text("name: s\nnodes:\n- {names: 'n[1-4]', type: dgx-a100}\n", encoding="utf-8")
    asked = ("--cluster", site, "--workload", workload, "--policy", EXAMPLE / "shortest.yaml")
    means = []
    for how in ("given", "learned"):
        done = qd(*asked, "--run-times", how, "-o", "json")
        assert done.returncode == 0, done.stderr
        means.append(json.loads(done.stdout)["figures"]["shortest"]["wait_mean_s"])
    assert means[1] < means[0], "the quick one went first"
    refused = qd(*asked[:4], "--run-times", "learned", "--full")
    assert refused.returncode == 2
    assert "--run-times" in refused.stderr


def test_full_and_fast_print_the_same_kinds_of_figures(tmp_path: Path) -> None:
    asked = ("--cluster", CLUSTER, "--workload", short(tmp_path, 15), "-o", "json")
    fast, full = (json.loads(qd(*asked, *more).stdout)["figures"] for more in ((), ("--full",)))
    assert fast["usual"].keys() == full["usual"].keys()
    assert full["usual"]["gpu_hours"] == pytest.approx(fast["usual"]["gpu_hours"], rel=0.01)


def test_swf_and_sacct_are_read_and_it_is_said_how(tmp_path: Path) -> None:
    swf, sacct = tmp_path / "t.swf", tmp_path / "s.txt"
    swf.write_text(
        "; x\n1 0 -1 60 16 -1 -1 16 90 -1 1 1 1 -1 -1 -1 -1 -1\n2 5 -1 -1 1" + " -1" * 13
    )
    done = qd(
        *("--cluster", CLUSTER, "--workload", swf, "--format", "swf"),
        *("--gpus-per-processor", "1", "-o", "json"),
    )
    found = json.loads(done.stdout)
    assert (found["jobs_read"], found["lines_left_out"]) == (1, 1)
    assert found["remarks"] == [
        {"file": "t.swf", "line": 3, "what": "run time is -1: it is not known"}
    ]
    assert found["figures"]["usual"]["gpu_hours"] == pytest.approx(16 * 60 / 3600)
    assert "1 GPUs" in found["notes"][0]
    sacct.write_text(
        "JobID|Submit|Start|End|ElapsedRaw|NNodes|NCPUS|AllocTRES|State\n"
        "1|2026-06-01T00:00:00|2026-06-01T00:00:10|2026-06-01T00:01:10|60|1|8|gres/gpu=2|COMPLETED\n"
        "1.batch|||||||\x1b[2J|\n"
        "2|2026-06-01T00:00:00|Unknown|Unknown|0|1|8||PENDING\n"
    )
    done = qd("--cluster", CLUSTER, "--workload", sacct, "--format", "sacct")
    assert done.returncode == 0, done.stderr
    assert "s.txt:4: it never started: State is 'PENDING'" in done.stderr
    assert "1 lines are steps of jobs" in done.stderr
    assert "1 line left out" in done.stderr


def test_what_is_wrong_with_a_file_is_told_with_lines_and_inertly(tmp_path: Path) -> None:
    workload, outages = tmp_path / "w.csv", tmp_path / "o.csv"
    rows = ["4,60,1,a", "5,-1,1,b", "3,60,1,c", "7,60,9,huge", "8,60,1,\x1b]0;title\x07d"]
    workload.write_text("submit,duration,gpus,job\n" + "\n".join(rows) + "\n")
    workload.write_bytes(workload.read_bytes() + b"9,60,1,\xff\n")
    outages.write_text("at,node,for\n1,dgx-1,5\n2,nowhere,5\n")
    done = qd("--cluster", CLUSTER, "--workload", workload, "--outages", outages)
    assert done.returncode == 0, done.stderr
    for told in (
        "w.csv:3: duration is -1",
        "w.csv:4: submit 3 is before line 2: sorted by time",
        "w.csv:5: never runs: ",
        "w.csv:7: it has bytes that are not UTF-8",
        "o.csv:3: node is 'nowhere'",
        "3 lines left out",
    ):
        assert told in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--policy", "p.yaml"), "p.yaml:1:1: there is no key patiense"),
        (("--policy", "none.yaml"), "none.yaml cannot be read"),
        (("--policy", "a.yaml", "--policy", "b.yaml"), "two policies are called 'same'"),
        (("--patience", "soon"), "patience is 'soon'"),
        (("--outages", "none.csv"), "none.csv cannot be read"),
        (("--full", "--policy", "s.yaml"), "cannot order by shortest yet, as s does"),
        (
            ("--full", "--policy", "m.yaml"),
            "cannot check plans that move running jobs yet, as m asks for",
        ),
        (("--full", "--outages", "lasting.csv"), "the outage of dgx-1 at 5 never ends"),
        (("--full", "--outages", "long.csv"), "the outage of dgx-1 at 5 lasts 2592001 s"),
        (("--html", "nowhere/r.html"), "nowhere/r.html cannot be written: there is no folder"),
        (("--html", "w.csv"), "is a file that this reads or writes already"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, more: tuple[str, ...], told: str
) -> None:
    (tmp_path / "p.yaml").write_text("patiense: 5m\n")
    (tmp_path / "s.yaml").write_text("order: shortest\n")
    (tmp_path / "m.yaml").write_text("moves: 2\n")
    (tmp_path / "lasting.csv").write_text("at,node,for\n5,dgx-1,\n")
    (tmp_path / "long.csv").write_text("at,node,for\n5,dgx-1,2592001\n")
    (tmp_path / "a.yaml").write_text("name: same\n")
    (tmp_path / "b.yaml").write_text("name: same\n")
    given = [str(tmp_path / one) if "." in one else one for one in more]
    done = qd("--cluster", CLUSTER, "--workload", short(tmp_path, 3), *given)
    assert done.returncode == 3
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_job_that_never_runs_under_one_policy_only_is_told_with_that_policy(
    tmp_path: Path,
) -> None:
    """Both nodes go for good at 95. Whoever may pass the large job has run by then; whoever may
    not waits for it, in vain."""
    workload, outages = tmp_path / "w.csv", tmp_path / "o.csv"
    workload.write_text("submit,duration,gpus,nodes\n0,90,4,2\n1,90,8,2\n2,50,4,1\n")
    outages.write_text("at,node,for\n95,dgx-1,\n95,dgx-2,\n")
    cluster = tmp_path / "c.yaml"
    cluster.write_text("name: c\nnodes:\n  - {names: 'dgx-[1-2]', type: dgx-a100}\n")
    done = qd(
        *("--cluster", cluster, "--workload", workload, "--outages", outages),
        *("--patience", "0s", "--patience", "1h"),
    )
    assert done.returncode == 0, done.stderr
    gone = "nothing happens any more that would let it start"
    assert f"w.csv:3: never runs: {gone}" in done.stderr
    assert f"w.csv:4: never runs under patience 0ms: {gone}" in done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x01binary", "is not UTF-8 text: it has NUL bytes"),
        (b"", "the header has no column submit, duration, gpus"),
        (b"JobID|Submit\n", "Give --format sacct"),
        (b"submit,duration,gpus\nx,y,z\n", "no line of it can be used; the first is 2"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes(content)
    done = qd("--cluster", CLUSTER, "--workload", path)
    assert done.returncode == 3
    assert told in done.stderr


def test_an_option_of_one_format_is_not_for_another(tmp_path: Path) -> None:
    done = qd("--cluster", CLUSTER, "--workload", WORKLOAD, "--gpus-per-processor", "1")
    assert done.returncode == 2
    assert "--gpus-per-processor is for --format swf" in done.stderr


def test_a_guarantee_for_nobody_is_told(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("pools: {visoin: {guarantee: {nodes: 2}}}\n")
    done = qd("--cluster", CLUSTER, "--workload", short(tmp_path, 3), "--policy", policy)
    assert "p: team visoin is guaranteed something, and no job is of that team" in done.stderr
    zoe = "{nodes: 2}, people: {zoe: {guarantee: {nodes: 1}}}"
    policy.write_text(f"pools: {{drugs: {{guarantee: {zoe}}}}}\n")
    done = qd("--cluster", CLUSTER, "--workload", short(tmp_path, 3), "--policy", policy)
    assert "p: user zoe is guaranteed something in team drugs, and no job" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_the_figures_are_printed_even_if_the_report_cannot_be_written_in_the_end(
    tmp_path: Path,
) -> None:
    done = qd("--cluster", CLUSTER, "--workload", short(tmp_path, 3), "--html", "/dev/full")
    assert done.returncode == 3
    assert "/dev/full cannot be written: No space left on device" in done.stderr
    assert "makespan_s" in done.stdout
