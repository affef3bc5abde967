"""A server that is not root runs jobs as the accounts of their owners, and outlives its own end."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import quarterdeck
from tests.e2e.deck import kill_and_wait, until
from tests.security.yard import ALICE, SERVER, Yard

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS = f"{Path(quarterdeck.__file__).parent.parent}:{sysconfig.get_path('purelib')}"


class Shop:
    """A yard with `qd` in it, as the server's account."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        shutil.rmtree(yard.jobs)
        yard.jobs.mkdir()
        os.chown(yard.jobs, yard.server.pw_uid, yard.server.pw_gid)
        yard.token.unlink()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PATHS,
            "PYTHONDONTWRITEBYTECODE": "1",
            "QD_HOME": str(yard.home),
            "QD_LAUNCHER": str(yard.socket),
            "QD_JOBS_FOLDER": str(yard.jobs),
            "HOME": str(yard.home),
        }

    def qd(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.yard.python, "-m", "quarterdeck.wiring.entry", *arguments],
            cwd="/",
            env=self.environment,
            user=self.yard.server.pw_uid,
            group=self.yard.server.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def up(self, nodes: int = 1) -> None:
        done = self.qd("up", "--detach", "--pretend", f"dgx-a100:{nodes}")
        assert done.returncode == 0, done.stderr + self.log()

    def log(self) -> str:
        path = self.yard.home / "server.log"
        return path.read_text() if path.exists() else ""

    def run(self, line: str) -> str:
        done = self.qd("run", "--detach", "--workdir", "none", "-o", "json", "--", "sh", "-c", line)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["id"])

    def show(self, job_id: str) -> Any:
        return json.loads(self.qd("show", job_id, "-o", "json").stdout)


@pytest.fixture
def shop() -> Iterator[Shop]:
    yard = Yard()
    try:
        made = Shop(yard)
        probe = yard.as_server(
            "env", f"PYTHONPATH={PATHS}", yard.python, "-B", "-c", "import quarterdeck.wiring.up"
        )
        if probe.returncode:
            pytest.skip(f"{SERVER} cannot import what is installed for {sys.executable}")
        try:
            yield made
        finally:
            made.qd("down", "--stop-jobs")
    finally:
        until(lambda: not _runners(yard))
        yard.end()


def _runners(yard: Yard) -> str:
    return subprocess.run(
        ["pgrep", "-f", f"launcher --site {yard.jobs}"], capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.needs_root
def test_a_batch_script_and_its_steps_run_as_their_owner(shop: Shop, tmp_path: Path) -> None:
    shop.yard.configure(accounts={SERVER: ALICE})
    shop.up(2)
    folder = shop.yard.jobs / "project"
    folder.mkdir()
    (folder / "job.sh").write_text(
        "#!/bin/bash\n#SBATCH -N 2 --output=%x.out\n"
        "id -u; echo shared > here; srun sh -c 'id -u; cat here'\n"
    )
    script = str(folder / "job.sh")
    done = shop.qd("submit", "--parsable", "--chdir", str(folder), script)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    ended = shop.qd("wait", job_id)
    log = shop.qd("logs", job_id).stdout
    assert ended.returncode == 0, log + shop.qd("show", job_id).stdout
    alice = str(pwd.getpwnam(ALICE).pw_uid)
    assert sorted(log.split()) == sorted([alice] * 3 + ["shared"] * 2)
    results = shop.qd("results", job_id).stdout
    assert "job.sh.out" in results
    assert " here " in results or "\nhere " in results


@pytest.mark.needs_root
def test_jobs_run_as_their_owners_and_the_server_may_be_killed_meanwhile(shop: Shop) -> None:
    owner = SERVER  # who starts a home is called as the account is
    shop.yard.configure(accounts={owner: ALICE})
    shop.up()
    job_id = shop.run("id -u; echo done > $QD_RESULTS/out; chmod 600 $QD_RESULTS/out")
    assert shop.qd("wait", job_id).returncode == 0, json.dumps(shop.show(job_id))
    assert shop.qd("logs", job_id).stdout.split()[0] == str(pwd.getpwnam(ALICE).pw_uid)
    results = shop.qd("results", job_id)
    assert "out" in results.stdout

    long = shop.run(f"echo up; cat {shop.yard.home}/token; sleep 2; echo over")
    until(lambda: "up" in shop.qd("logs", long).stdout)
    kill_and_wait(json.loads((shop.yard.home / "server.json").read_text())["pid"])
    shop.up()
    assert shop.qd("wait", long).returncode == 0
    log = shop.qd("logs", long).stdout
    assert "over" in log
    assert (shop.yard.home / "token").read_text().strip() not in log
    assert len(shop.show(long)["attempts"]) == 1

    told = shop.run("test -r $QD_CREDENTIALS && ls -l $QD_CREDENTIALS")
    assert shop.qd("wait", told).returncode == 0

    endless = shop.run("sleep 600")
    until(lambda: shop.show(endless)["state"] == "running")
    assert shop.qd("cancel", endless).returncode == 0
    until(lambda: shop.show(endless)["state"] == "cancelled")

    report = json.loads(shop.qd("doctor", "-o", "json").stdout)
    found = {line["about"]: line["level"] for line in report}
    assert (found["accounts"], found["privilege"]) == ("ok", "ok")

    shop.yard.configure(accounts={})
    refused = shop.run("true")
    shop.qd("wait", refused)
    shown = shop.show(refused)
    assert shown["state"] == "failed"
    assert "nobody has said which account" in json.dumps(shown)
