"""`qd sim replay` with a question: another policy, another cluster, more nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quarterdeck.basics.times import to_iso
from quarterdeck.cli.main import build_cli
from quarterdeck.sim.fast.workload import read_workload
from quarterdeck.testing.builders import START_NS, a_demand, a_job_spec
from quarterdeck.wiring.entry import WIRED
from tests.spec.control.desk import exited
from tests.spec.sim.recording import RecordingDesk, a_recorded_home

BIG = a_job_spec(demand=a_demand(2, 8))
BEGIN = to_iso(START_NS)


def qd(*arguments: str) -> Result:
    return CliRunner().invoke(build_cli(WIRED), ["sim", "replay", "--from", BEGIN, *arguments])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Two nodes, and three jobs that want both of them for a hundred seconds each; they came a
    second after the other, so the second waited for 99 s and the third for 198 s."""
    root = tmp_path / "home"
    with a_recorded_home(root) as desk:
        jobs = [desk.submit(BIG) for _ in range(3)]
        for job in jobs:
            assert desk.turn() == 1
            desk.start(job)
            desk.clock.pass_s(99)
            end(desk, job.id)
        yield root


def end(desk: RecordingDesk, job_id: str) -> None:
    job = next(one for one in map(desk.job, desk.plane.board.list_job_ids()) if one.id == job_id)
    desk.see(job, exited(0), exited(1))


def ask(home: Path, *question: str) -> Any:
    done = qd("--home", str(home), "-o", "json", *question)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_with_more_nodes_jobs_wait_less(home: Path) -> None:
    figures = ask(home, "--more-nodes", "4")["figures"]
    assert list(figures) == ["really", "as it was", "4 more nodes"]
    assert figures["really"]["wait_mean_s"] == pytest.approx((1 + 99 + 198) / 3, abs=3)
    assert figures["as it was"]["wait_mean_s"] == pytest.approx((0 + 98 + 197) / 3, abs=3)
    assert figures["4 more nodes"]["wait_mean_s"] == 0
    assert figures["4 more nodes"]["jobs"] == 3


def test_fidelity_and_who_gains_are_told(home: Path) -> None:
    found = ask(home, "--more-nodes", "2")
    assert found["fidelity"]["jobs"] == 3
    assert found["fidelity"]["within_30_s"] == 1.0
    gained = [round(one["wait_s"] - one["other_wait_s"]) for one in found["gained"]]
    assert len(gained) == 2
    assert gained[0] >= 90
    assert found["lost"] == []


def test_it_is_told_in_sentences_and_as_a_page(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    done = qd("--home", str(home), "--more-nodes", "4", "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "4 more nodes instead of as it was:" in done.stdout
    assert "note: What was is simulated, too: of 3 jobs half start within " in done.stdout
    html = page.read_text()
    assert html.lower().startswith("<!doctype html>")
    assert "4 more nodes" in html


def test_another_policy_and_another_cluster_go_together(home: Path, tmp_path: Path) -> None:
    policy, cluster = tmp_path / "short.yaml", tmp_path / "next.yaml"
    policy.write_text("name: hasty\npatience: 1s\n")
    made = CliRunner().invoke(
        build_cli(WIRED),
        ["site", "generate", "--type", "dgx-a100", "--units", "1", "-o", str(cluster)],
    )
    assert made.exit_code == 0, made.output
    figures = ask(home, "--policy", str(policy), "--cluster", str(cluster))["figures"]
    assert list(figures)[2] == "hasty, next"
    assert figures["hasty, next"]["wait_mean_s"] == 0


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (("--more-nodes", "many"), "more-nodes is 'many'"),
        (("--more-nodes", "0"), "more nodes are 0"),
        (("--more-nodes", "4:vax"), "more-nodes names the type 'vax'"),
    ],
)
def test_a_question_that_cannot_be_is_refused(
    home: Path, question: tuple[str, ...], told: str
) -> None:
    done = qd("--home", str(home), *question)
    assert done.exit_code not in (0, 1)
    assert told in done.output


def test_a_wrong_policy_file_is_refused_with_its_line(home: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("patience: soon\n")
    done = qd("--home", str(home), "--policy", str(wrong))
    assert done.exit_code not in (0, 1)
    assert "wrong.yaml:1" in done.output
    missing = qd("--home", str(home), "--policy", str(tmp_path / "none.yaml"))
    assert missing.exit_code not in (0, 1)
    assert "none.yaml" in missing.output


def test_no_report_or_export_is_written_over_the_files_of_the_home(
    home: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in home.iterdir() if path.is_file()}
    assert before
    export = ["sim", "export", "--home", str(home), "--from", BEGIN]
    for path in before:
        asked = ("--home", str(home), "--more-nodes", "4", "--html", str(path))
        made = CliRunner().invoke(build_cli(WIRED), [*export, str(path)])
        for done in (qd(*asked), made):
            assert done.exit_code == 3, done.output
            assert "reads or writes already" in done.output
    assert {path: path.read_bytes() for path in before} == before
    twice = str(tmp_path / "w.csv")
    done = CliRunner().invoke(build_cli(WIRED), [*export, "--outages", twice, twice])
    assert done.exit_code == 3
    assert not (tmp_path / "w.csv").exists()


def test_what_is_exported_is_read_again_as_it_was(home: Path, tmp_path: Path) -> None:
    workload, outages = tmp_path / "w.csv", tmp_path / "o.csv"
    words = ["sim", "export", "--home", str(home), "--from", BEGIN]
    done = CliRunner().invoke(
        build_cli(WIRED), [*words, "--outages", str(outages), str(workload), "-o", "json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"jobs": 3, "outages": 0, "simplified": 0}
    read = read_workload(workload.read_text(), "w.csv")
    assert read.remarks == ()
    assert [(job.submit_s, job.duration_s, job.demand) for job in read.jobs] == [
        (1.0, 99.0, BIG.demand),
        (2.0, 99.0, BIG.demand),
        (3.0, 99.0, BIG.demand),
    ]
    assert outages.read_text() == "at,node,for,kind\n"
