"""Looking at a machine and asking for help, typed."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.e2e.deck import Deck

SECRETS = {
    "env": "s3cr3t-env",
    "command": "in-the-command",
    "log": "in-the-log",
    "note": "in-the-note",
    "tag": "in-the-tag",
    "name": "in-the-name",
    "url": "hunter2",
    "key": "0123456789abcdef0123456789abcdef",
    "webhook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "path of a webhook": "in-the-path",
    "bearer": "in-the-header",
    "variable of the shell": "hf_in-the-shell",
}


def test_the_doctor_is_right_about_this_machine(deck: Deck) -> None:
    found = {one["about"]: one for one in deck.qd_json("doctor")}
    assert "none runs" in found["server"]["told"]
    deck.up("--pretend", "dgx-a100:1")
    found = {one["about"]: one for one in deck.qd_json("doctor")}
    assert "it runs and answers" in found["server"]["told"]
    assert all(one["level"] != "problem" for one in found.values()), found
    version = ".".join(map(str, sys.version_info[:3]))
    assert version in found["python"]["told"]
    (deck.home / "token").chmod(0o644)
    done = deck.qd("doctor")
    assert done.returncode == 1
    assert "chmod 600" in done.stdout


def test_a_bundle_has_what_helps_and_no_secret(deck: Deck, tmp_path: Path) -> None:
    deck.environment |= {"HF_TOKEN": SECRETS["variable of the shell"]}
    deck.up("--pretend", "dgx-a100:1")
    job_id = plant(deck)
    token = (deck.home / "token").read_text().strip()
    listed = deck.qd("support-bundle", "--dry-run")
    path = tmp_path / "bundle.tar.gz"
    told = deck.qd("support-bundle", "-o", str(path))
    assert (told.returncode, told.stdout) == (0, f"{path}\n")
    assert path.stat().st_mode & 0o077 == 0
    parts = unpack(path)
    whole = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    for place, secret in {**SECRETS, "token": token}.items():
        assert secret not in whole, place
    assert set(parts) == {
        "about.json", "settings.json", "doctor.txt", "home.json", "server.log", "launcher.log",
        "server.json", "nodes.json", "counts.json", "jobs.json", "events.jsonl",
    }  # fmt: skip
    for said in (listed.stdout, told.stderr):
        assert [line.split()[0] for line in said.splitlines()] == list(parts)
    assert json.loads(parts["jobs.json"])[0]["id"] == job_id
    assert json.loads(parts["counts.json"])["by_state"] == {"succeeded": 1}
    assert json.loads(parts["about.json"])["packages"]["click"]
    assert "HF_TOKEN" not in json.loads(parts["settings.json"])["variables_set"]
    events = [json.loads(line) for line in parts["events.jsonl"].splitlines()]
    assert next(event["kind"] for event in events if event["job_id"] == job_id) == "submitted"
    assert events[-1]["seq"] == json.loads(parts["server.json"])["last_event"]
    assert not any("data" in event for event in events)
    assert "Quarterdeck works here" in parts["doctor.txt"]
    assert "postgresql://(removed)@db/x" in parts["server.log"]
    assert deck.qd("support-bundle", "-o", str(path)).returncode == 3
    assert len(path.read_bytes()) < 2**20


def test_a_bundle_is_made_without_a_server_too(deck: Deck, tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    done = deck.qd("support-bundle", "-q", "-o", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert "no server is running" in unpack(path)["server.json"]


def plant(deck: Deck) -> str:
    """A secret in every place that a person or a job can write to; the job's id."""
    job_id = deck.run(
        "--env", f"KEY={SECRETS['env']}", "--tag", f"k={SECRETS['tag']}", "-J", SECRETS["name"],
        f"echo {SECRETS['log']}; : {SECRETS['command']}; echo $KEY > $QD_RESULTS/f",
    )  # fmt: skip
    assert deck.qd("wait", job_id).returncode == 0
    assert deck.qd("note", job_id, SECRETS["note"]).returncode == 0
    url = f"http://127.0.0.1:9/{SECRETS['path of a webhook']}"
    hook = ("webhook", "add", url, "--secret", SECRETS["webhook"])
    assert deck.qd(*hook).returncode == 0
    with (deck.home / "server.log").open("a") as log:
        log.write(f"store postgresql://ada:{SECRETS['url']}@db/x\n")
        log.write(f"a key {SECRETS['key']} and {SECRETS['variable of the shell']}\n")
        log.write(f"a request with {(deck.home / 'token').read_text().strip()}\n")
        log.write(f"telling {url} failed\n")
    with (deck.site / "run" / "launcher.log").open("a") as log:
        log.write(f"Authorization: Bearer {SECRETS['bearer']}\n")
    return job_id


def unpack(path: Path) -> dict[str, str]:
    with tarfile.open(path) as bundle:
        parts = {}
        for name in bundle.getnames():
            stream = bundle.extractfile(name)
            assert stream is not None
            parts[Path(name).name] = stream.read().decode()
    return parts


def test_ids_are_completed_from_the_real_server(deck: Deck) -> None:
    deck.up("--pretend", "cpu:1")
    held = deck.run("--hold", "true")
    queued = deck.run("--cpus", "64", "sleep 300")
    asked = {"_QD_COMPLETE": "bash_complete", "COMP_WORDS": "qd release ", "COMP_CWORD": "2"}
    found = {}
    for verb in ("release", "cancel"):
        done = subprocess.run(
            [Path(sys.executable).parent / "qd"],
            env={**deck.environment, **asked, "COMP_WORDS": f"qd {verb} "},
            check=False,
            capture_output=True,
            text=True,
        )
        found[verb] = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert found == {"release": {held}, "cancel": {held, queued}}
