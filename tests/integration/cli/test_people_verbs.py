"""The verbs about people: what they ask, what is on stdout alone, and what they ask about first."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.terminal import QD, environment, qd
from tests.integration.sdk.scripted import Answer, Script, as_json, job, problem, serving
from tests.integration.sdk.test_people import (
    DIFF,
    INVITATION,
    MEMBERS,
    NEW_TOKEN,
    ORGANIZATION,
    TEAM,
    TOKEN_VIEW,
    USER,
    WHOAMI,
)

PAGE = {"teams": [TEAM], "next_after": "vision"}
LIMITED = {**TEAM, "limits": {"queued_jobs": {"value": 9, "hard": True}, "sites": ["a"]}}
CHANGES = [
    {"what": "team", "name": "vision", "action": "add", "field": "", "before": "", "after": "V"},
    {"what": "user", "name": "bob", "action": "change", "field": "role", "before": "",
     "after": "admin"},
    {"what": "user", "name": "vic", "action": "deactivate", "field": "", "before": "", "after": ""},
]  # fmt: skip


def sent(script: Script, number: int = 0) -> tuple[str, Any]:
    asked = script.asked[number]
    return f"{asked.method} {asked.path}", json.loads(asked.body) if asked.body else None


@pytest.mark.parametrize(
    ("typed", "asked", "body", "reply"),
    [
        ("team list --search v -n 2 --after a", "GET /v1/teams?search=v&limit=2&after=a", None,
         PAGE),
        ("team close vision -y", "POST /v1/teams/vision/close", None, TEAM),
        ("team add vision bob --role viewer", "PUT /v1/teams/vision/members/bob",
         {"role": "viewer"}, MEMBERS),
        ("team remove vision bob", "DELETE /v1/teams/vision/members/bob", None, MEMBERS),
        ("team create v --queued 5 --running 2 --soft", "POST /v1/teams",
         {"name": "v", "limits": {"queued_jobs": {"value": 5, "hard": False},
                                  "running_jobs": {"value": 2, "hard": False}}}, TEAM),
        ("user list -A vision --role lead", "GET /v1/users?team=vision&role=lead&limit=100", None,
         {"users": [USER], "next_after": None}),
        ("user create ann --team vision:lead --team b", "POST /v1/users",
         {"name": "ann", "teams": {"vision": "lead", "b": "member"}}, USER),
        ("user create ci --service --team vision", "POST /v1/users",
         {"name": "ci", "kind": "service", "team": "vision"}, USER),
        ("user role ann none", "PUT /v1/users/ann/role", {"role": None}, USER),
        ("user deactivate ann --yes", "POST /v1/users/ann/deactivate", None, USER),
        ("user activate ann", "POST /v1/users/ann/activate", None, USER),
        ("user invite ann --role steward --expires 2d", "POST /v1/invitations",
         {"user": "ann", "role": "steward", "expires": "2d"}, INVITATION),
        ("token list --for ci", "GET /v1/tokens?user=ci&limit=100", None,
         {"tokens": [TOKEN_VIEW], "next_after": None}),
        ("token create --scope jobs --scope read -A vision --expires never", "POST /v1/tokens",
         {"scopes": ["jobs", "read"], "teams": ["vision"], "expires": None}, NEW_TOKEN),
        ("token create", "POST /v1/tokens", {}, NEW_TOKEN),
        ("organization transfer ann -y", "POST /v1/organization/transfer", {"to": "ann"},
         ORGANIZATION),
    ],
)  # fmt: skip
def test_a_verb_asks_what_was_typed(typed: str, asked: str, body: Any, reply: Any) -> None:
    with serving(as_json(reply)) as script:
        done = qd(*typed.split(), url=script.url)
        dumped = qd(*typed.split(), "-o", "json", url=script.url)
    assert done.returncode == 0, done.stderr
    assert sent(script) == (asked, body)
    assert done.stdout
    assert set(json.loads(dumped.stdout)) >= set(reply)


@pytest.mark.parametrize(
    "typed",
    [
        "team close vision", "team add vision bob", "team remove vision bob", "team create v",
        "user create ann", "user role ann admin", "user deactivate ann", "user activate ann",
        "user invite ann", "token create", "organization transfer ann",
    ],
)  # fmt: skip
def test_a_dry_run_is_one_and_needs_no_yes(typed: str) -> None:
    every = {**ORGANIZATION, **TEAM, **USER, **MEMBERS, **NEW_TOKEN, **INVITATION}
    every |= {"limits": {}, "teams": None if typed.startswith("token") else {}}
    every |= {"members": [] if typed.startswith(("team add", "team remove")) else 1}
    with serving(as_json(every)) as script:
        done = qd(*typed.split(), "--dry-run", url=script.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("would ") or " would " in done.stdout
    assert script.asked[0].path.endswith("?dry_run=true")


@pytest.mark.parametrize(
    "typed", ["team close vision", "user deactivate ann", "organization transfer ann"]
)
def test_what_cannot_be_taken_back_is_not_done_unasked(typed: str) -> None:
    with serving(as_json(TEAM)) as script:
        done = qd(*typed.split(), url=script.url)
    assert (done.returncode, script.asked) == (2, [])
    assert "--yes" in done.stderr


def test_a_secret_is_alone_on_stdout() -> None:
    with serving(as_json(NEW_TOKEN, 201)) as script:
        done = qd("token", "create", url=script.url)
        quiet = qd("token", "create", "-q", url=script.url)
    assert done.stdout == quiet.stdout == "qd_s\n"
    assert "not shown again" in done.stderr
    assert quiet.stderr == ""
    with serving(as_json(INVITATION, 201)) as script:
        done = qd("user", "invite", "ann", url=script.url)
    assert done.stdout == "qdi_c\n"
    assert f"qd login {script.url} --invitation" in done.stderr


def test_limits_that_are_not_given_stay() -> None:
    with serving(as_json(LIMITED)) as script:
        shown = qd("team", "limits", "vision", url=script.url)
        assert len(script.asked) == 1
        qd("team", "limits", "vision", "--running", "8", "--soft", url=script.url)
        qd("team", "limits", "vision", "--queued", "none", url=script.url)
        qd("team", "limits", "vision", "--unlimited", "--queued", "3", url=script.url)
        qd("team", "limits", "vision", "--unlimited", url=script.url)
    assert shown.stdout == "vision: queued 9, sites a\n"
    bodies = [sent(script, number)[1] for number in (2, 4, 6, 8)]
    assert bodies == [
        {"queued_jobs": {"value": 9}, "running_jobs": {"value": 8, "hard": False}, "sites": ["a"]},
        {"sites": ["a"]},
        {"queued_jobs": {"value": 3}},
        {},
    ]


@pytest.mark.parametrize(
    "typed",
    [
        "team limits vision --soft", "team limits vision --queued some", "team list --limit 0",
        "user create ci --service", "user create ci --service --team v:lead",
        "user invite ann --team v:boss", "user role ann boss", "token create --scope all",
        "apply", "apply -f p.yaml --print", "ps --mine --owner ann",
    ],
)  # fmt: skip
def test_wrong_usage_asks_nobody(typed: str) -> None:
    with serving(as_json(LIMITED)) as script:
        assert qd(*typed.split(), url=script.url).returncode == 2
    assert [asked for asked in script.asked if asked.method != "GET"] == []


def test_apply_tells_what_changes_before_it_changes(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("teams: {vision: {title: V}}\n")
    answers = [as_json({"changes": CHANGES, "dry_run": dry}) for dry in (True, False)]
    with serving(*answers) as script:
        done = qd("apply", "-f", "p.yaml", url=script.url, cwd=tmp_path)
        assert [asked.path for asked in script.asked] == ["/v1/people?dry_run=true", "/v1/people"]
        names = qd("apply", "-f", "p.yaml", "--dry-run", "-q", url=script.url, cwd=tmp_path)
        assert len(script.asked) == 3
    assert done.stdout.splitlines() == [
        "+ team vision (V)",
        "~ user bob role: none -> admin",
        "- user vic deactivated",
        "applied, 3 changes",
    ]
    assert names.stdout == "team/vision\nuser/bob\nuser/vic\n"
    assert sent(script)[1] == {"teams": {"vision": {"title": "V"}}}


def test_apply_again_has_nothing_to_change_and_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("teams: {vision: {title: V}}\n")
    with serving(as_json(DIFF)) as script:
        done = qd("apply", "-f", "p.yaml", url=script.url, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "nothing to change\n")
    assert len(script.asked) == 1


def test_apply_of_a_wrong_file_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("users:\n  ann:\n    rle: admin\n")
    with serving(as_json(DIFF)) as script:
        done = qd("apply", "-f", "p.yaml", url=script.url, cwd=tmp_path)
    assert (done.returncode, script.asked) == (3, [])
    assert "p.yaml:3:5: there is no key users.ann.rle" in done.stderr


def test_soft_limits_are_warned_of_on_stderr() -> None:
    warned = job(warnings=["team vision would have 2 queued jobs"])
    with serving(as_json(warned, 201)) as script:
        done = qd(
            "run", "--detach", "--workdir", "none", "-A", "vision", "--", "true", url=script.url
        )
        quiet = qd("run", "--detach", "-q", "--workdir", "none", "--", "true", url=script.url)
    assert done.stdout == "j000000001 queued\n"
    assert done.stderr == "warning: team vision would have 2 queued jobs\n"
    assert (quiet.stdout, quiet.stderr) == ("j000000001\n", "")
    assert sent(script)[1]["team"] == "vision"


def test_a_job_files_team_can_be_another_one(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: x\nteam: vision\n")
    with serving(as_json(job(), 201)) as script:
        qd("submit", "job.yaml", url=script.url, cwd=tmp_path)
        qd("submit", "-A", "speech", "job.yaml", url=script.url, cwd=tmp_path)
    bodies = [body for _, body in (sent(script, number) for number in range(4)) if body]
    assert [body["team"] for body in bodies] == ["vision", "speech"]


def test_ps_says_whose_jobs_they_are_when_they_are_of_several() -> None:
    page = {"jobs": [job(), job(owner="bob", team="vision")], "next_before": None}
    with serving(as_json(WHOAMI), as_json(page)) as script:
        done = qd("ps", "--mine", "-A", "vision", url=script.url)
    assert "owner=ann" in script.asked[1].path
    assert "team=vision" in script.asked[1].path
    assert done.stdout.splitlines()[0].endswith("TEAM     OWNER")
    assert done.stdout.splitlines()[2].endswith("vision   bob")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where logins are kept: a folder of this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "config" / "quarterdeck" / "logins.json"


def typed_with(stdin: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QD, *words],
        env=environment(None),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_login_keeps_a_token_that_is_good_and_others_use_it(config: Path) -> None:
    with serving(as_json(WHOAMI)) as script:
        done = typed_with("qd_mine\n", "login", f"{script.url}/", "--token-stdin")
        assert (done.returncode, done.stdout) == (0, f"logged in to {script.url} as ann\n")
        assert json.loads(config.read_text()) == {
            "version": 1,
            "last": script.url,
            "servers": {script.url: {"token": "qd_mine", "name": "ann"}},
        }
        shown = typed_with("", "whoami").stdout
    assert [asked.headers["authorization"] for asked in script.asked] == ["Bearer qd_mine"] * 2
    assert "from `qd login`" in shown
    assert script.url in shown
    assert "qd_mine" not in done.stdout + done.stderr + shown


def test_login_keeps_nothing_that_is_not_good(config: Path) -> None:
    with serving(problem(401, "unknown_token")) as script:
        assert typed_with("qd_wrong", "login", script.url).returncode == 3
        assert typed_with("qd_right", "login", script.url, "--dry-run").returncode == 3
    with serving(as_json(WHOAMI)) as script:
        assert typed_with("qd_right", "login", script.url, "--dry-run").returncode == 0
    assert not config.exists()


@pytest.mark.parametrize(
    ("words", "code", "path"),
    [
        (["--invitation"], "qdi_c", "/v1/invitations/accept"),
        ([], "qdi_c", "/v1/invitations/accept"),
        (["--claim", "--name", "olga"], "qdc_c", "/v1/claim"),
    ],
)
def test_a_code_is_changed_into_a_token(
    config: Path, words: list[str], code: str, path: str
) -> None:
    with serving(as_json(NEW_TOKEN, 201), as_json(WHOAMI)) as script:
        done = typed_with(code, "login", script.url, *words)
    assert done.returncode == 0, done.stderr
    assert (script.asked[0].path, "authorization" in script.asked[0].headers) == (path, False)
    assert sent(script)[1]["code"] == code
    assert script.asked[1].headers["authorization"] == "Bearer qd_s"
    assert json.loads(config.read_text())["servers"][script.url]["token"] == "qd_s"


@pytest.mark.parametrize(
    ("stdin", "words", "told"),
    [
        ("", ["--code", "qd_secret"], "does not belong on a command line"),
        ("qd_secret", ["--invitation"], "is a token, not an invitation's code"),
        ("qdi_code", ["--claim"], "is an invitation's code, not a claim code"),
        ("", [], "is not a token"),
        ("two words", [], "is not a token"),
        ("qdi_c", ["--name", "x"], "--name is for"),
        ("x", ["--code", "qdi_c", "--token-stdin"], "not both"),
    ],
)
def test_a_wrong_login_asks_nobody(config: Path, stdin: str, words: list[str], told: str) -> None:
    with serving(as_json(WHOAMI)) as script:
        done = typed_with(stdin, "login", script.url, *words)
    assert (done.returncode, script.asked) == (2, [])
    assert told in done.stderr
    assert not config.exists()


def test_no_token_is_kept_for_an_address_where_anybody_can_listen(config: Path) -> None:
    done = typed_with("qd_secret", "login", "http://deck.example.org")
    assert done.returncode == 3
    assert "not encrypted" in done.stderr
    assert not config.exists()


def test_a_token_is_asked_for_in_the_terminal_without_showing_it(config: Path) -> None:
    ours, theirs = pty.openpty()
    with serving(as_json(WHOAMI)) as script:
        process = subprocess.Popen(
            [*QD, "login", script.url],
            env=environment(None),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        try:
            while b": " not in shown.replace(b"://", b""):
                shown += os.read(ours, 1024)
            os.write(ours, b"qd_typed\n")
            while piece := read_on(ours):
                shown += piece
        finally:
            assert process.wait(timeout=60) == 0
            os.close(ours)
    assert script.asked[0].headers["authorization"] == "Bearer qd_typed"
    assert b"qd_typed" not in shown
    assert b"logged in to" in shown


def read_on(terminal: int) -> bytes:
    """What comes next; nothing once the other side has gone."""
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b""


def test_logout_revokes_the_token_and_forgets_it(config: Path) -> None:
    with serving(as_json(WHOAMI), as_json(WHOAMI), Answer(204)) as script:
        typed_with("qd_mine", "login", script.url)
        done = typed_with("", "logout")
    assert (done.returncode, done.stdout) == (0, f"logged out of {script.url}\n")
    assert sent(script, 2) == ("DELETE /v1/tokens/t1", None)
    assert not config.exists()
    assert "no login" in typed_with("", "logout").stderr


def test_logout_forgets_a_token_that_cannot_be_revoked_and_says_so(config: Path) -> None:
    with serving(as_json(WHOAMI), problem(403, "not_allowed", detail="you may not")) as script:
        typed_with("qd_mine", "login", script.url)
        done = typed_with("", "logout")
    assert done.returncode == 0
    assert "could not be revoked: you may not" in done.stderr
    assert not config.exists()


def test_login_says_what_goes_before_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(as_json(WHOAMI)) as script:
        env = {**environment(None), "QD_HOME": "/nowhere"}
        done = subprocess.run(
            [*QD, "login", script.url],
            env=env,
            input="qd_mine",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert "QD_HOME is set" in done.stderr
