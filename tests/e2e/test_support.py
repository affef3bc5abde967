"""Looking at a machine and asking for help, typed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.e2e.deck import Deck

SECRETS = ("hunter2", "s3cr3t-env", "in-the-log", "in-the-note", "in-the-tag", "in-the-name")


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
    deck.up("--pretend", "dgx-a100:1")
    job_id = deck.run(
        "--env", "KEY=s3cr3t-env", "--tag", "k=in-the-tag", "-J", "in-the-name",
        "echo in-the-log; echo hunter2",
    )  # fmt: skip
    assert deck.qd("wait", job_id).returncode == 0
    assert deck.qd("note", job_id, "in-the-note").returncode == 0
    with (deck.home / "server.log").open("a") as log:
        log.write("store postgresql://ada:hunter2@db/x\nkey 0123456789abcdef0123456789abcdef\n")
        log.write(f"a request with {(deck.home / 'token').read_text().strip()}\n")
    listed = deck.qd("support-bundle", "--dry-run")
    assert "jobs.json" in listed.stdout
    path = tmp_path / "bundle.tar.gz"
    assert deck.qd("support-bundle", "-o", str(path)).returncode == 0
    with tarfile.open(path) as bundle:
        parts = {}
        for name in bundle.getnames():
            stream = bundle.extractfile(name)
            assert stream is not None
            parts[Path(name).name] = stream.read().decode()
    whole = "\n".join(parts.values())
    token = (deck.home / "token").read_text().strip()
    for secret in (*SECRETS, token, "0123456789abcdef0123456789abcdef"):
        assert secret not in whole, secret
    assert json.loads(parts["jobs.json"])[0]["id"] == job_id
    assert "Quarterdeck works here" in parts["doctor.txt"]
    assert "postgresql://(removed)@db/x" in parts["server.log"]
    assert deck.qd("support-bundle", "-o", str(path)).returncode == 3
    assert io.BytesIO(path.read_bytes()).getbuffer().nbytes < 2**20


def test_bash_completes_verbs_options_and_choices(deck: Deck) -> None:
    scripts = Path(sys.executable).parent
    asked = """
eval "$(qd completion bash)"
complete_it() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _qd_completion qd "${COMP_WORDS[COMP_CWORD]}"
    echo "${COMPREPLY[@]}"
}
complete_it qd su
complete_it qd run --ret
complete_it qd ps -o js
"""
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", asked],
        check=False,
        capture_output=True,
        text=True,
        env={**deck.environment, "PATH": f"{scripts}:{deck.environment['PATH']}"},
    )
    verbs, options, choices = done.stdout.splitlines()[-3:]
    assert set(verbs.split()) == {"submit", "support-bundle"}, done
    assert options.split() == ["--retry"]
    assert choices.split() == ["json"]
