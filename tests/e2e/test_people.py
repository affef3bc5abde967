"""Owner, lead, member, viewer and outsider: each with a token and a folder of their own, one story.

What each is let do and refused is what the permission table says. Nobody has `QD_HOME`: all come in
by `qd login` and are found by what it keeps. The steps build on each other, so they are one test.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tests.e2e.deck import QD, Deck, until
from tests.e2e.person import LONG, Person

CUT_S_MAX = 5.0


@dataclass(slots=True)
class Story:
    """The five, their server, and what has happened so far."""

    deck: Deck
    url: str
    owner: Person
    lead: Person
    member: Person
    viewer: Person
    outsider: Person
    jobs: dict[str, str] = field(default_factory=dict)


def test_a_story_of_five_people_and_ten_steps(deck: Deck, tmp_path: Path) -> None:
    # Behind a proxy others can reach it, so the home's token is no way in from elsewhere.
    deck.up("--behind-proxy", "--pretend", "dgx-a100:2")
    url = json.loads((deck.home / "server.json").read_text())["url"]
    olga, ann, bob, vic, eve = (
        Person(tmp_path / name) for name in ("olga", "ann", "bob", "vic", "eve")
    )
    for person in (olga, ann, bob, vic, eve):
        person.folder.mkdir()
    story = Story(deck, url, owner=olga, lead=ann, member=bob, viewer=vic, outsider=eve)
    step_1_the_owner_claims_the_server_once(story)
    step_2_everybody_comes_in_by_an_invitation_that_is_good_once(story)
    step_3_member_and_lead_submit_and_viewer_and_outsider_do_not(story)
    step_4_an_outsider_cannot_tell_a_foreign_job_from_none(story)
    step_5_a_lead_cancels_what_is_the_teams_and_a_member_what_is_his(story)
    step_6_a_hard_limit_refuses_with_the_numbers_and_a_soft_one_warns(story)
    step_7_a_token_does_no_more_than_it_is_for_and_nothing_once_revoked(story)
    step_8_a_service_account_is_the_leads_to_make(story)
    step_9_who_is_shut_out_is_out_within_seconds(story)
    step_10_ownership_goes_over_whole(story)
    the_audit_log_tells_it(story)


def step_1_the_owner_claims_the_server_once(story: Story) -> None:
    code = (story.deck.home / "claim").read_text()
    claim = ("login", story.url, "--claim", "--name")
    assert "code is not good" in story.outsider.may_not(*claim, "eve", stdin="qdc_00000")
    assert story.owner.may(*claim, "olga", "-q", stdin=code) == "olga"
    assert not (story.deck.home / "claim").exists()
    assert "not to be claimed" in story.outsider.may_not(*claim, "eve", stdin=code)
    assert story.owner.sees("whoami")["role"] == "owner"
    kept = story.owner.folder / "config" / "quarterdeck" / "logins.json"
    assert kept.stat().st_mode & 0o777 == 0o600


def step_2_everybody_comes_in_by_an_invitation_that_is_good_once(story: Story) -> None:
    owner, lead = story.owner, story.lead
    for team in ("vision", "speech"):
        owner.may("team", "create", team)
    code = owner.may("user", "invite", "ann", "--team", "vision:lead", "--team", "default:viewer")
    come_in(story, lead, code)
    assert "was used" in story.outsider.may_not("login", story.url, "--invitation", stdin=code)
    come_in(story, story.member, lead.may("user", "invite", "bob", "--team", "vision"))
    come_in(story, story.viewer, lead.may("user", "invite", "vic", "--team", "vision:viewer"))
    # Somebody who was added first comes in the same way, with the roles they have.
    owner.may("apply", "-f", "-", stdin="users: {eve: {teams: {speech: member}}}")
    come_in(story, story.outsider, owner.may("user", "invite", "eve"))
    # A lead looks after that team alone, and does not learn which others there are.
    absent = lead.may_not("user", "invite", "zoe", "--team", "nowhere")
    assert lead.may_not("user", "invite", "zoe", "--team", "speech") == absent.replace(
        "nowhere", "speech"
    )
    assert "you may not" in lead.may_not("user", "invite", "zoe", "--team", "vision:lead")
    assert "you may not" in story.member.may_not("user", "invite", "zoe", "--team", "vision")
    assert story.member.may("user", "list", "-q").split() == ["ann", "bob", "vic"]
    assert story.outsider.may("team", "list", "-q") == "speech"


def come_in(story: Story, person: Person, code: str) -> None:
    name = person.folder.name
    assert person.may("login", story.url, "--invitation", "-q", stdin=code) == name
    assert person.may("whoami", "-q") == name


def step_3_member_and_lead_submit_and_viewer_and_outsider_do_not(story: Story) -> None:
    story.jobs["bob's"] = story.member.submits("-A", "vision")
    story.jobs["bob's other"] = story.member.submits()  # in the only team that he is in
    story.jobs["ann's"] = story.lead.submits("-A", "vision")
    assert "you may not" in story.viewer.may_not("run", "--detach", "-A", "vision", *LONG)
    foreign = story.outsider.may_not("run", "--detach", "-A", "vision", *LONG[:-1], "true")
    absent = story.outsider.may_not("plan", "-A", "nowhere", "--", "true")
    assert foreign == absent.replace("nowhere", "vision")
    assert story.viewer.sees("show", story.jobs["bob's"])["team"] == "vision"
    mine = {job["id"] for job in story.member.sees("ps", "--mine")["jobs"]}
    assert mine == {story.jobs["bob's"], story.jobs["bob's other"]}
    team = {job["id"] for job in story.viewer.sees("ps", "--team", "vision")["jobs"]}
    assert team == set(story.jobs.values())
    assert story.viewer.may("ps", "-q", "--owner", "ann") == story.jobs["ann's"]
    assert story.outsider.sees("ps", "-a")["jobs"] == []


def step_4_an_outsider_cannot_tell_a_foreign_job_from_none(story: Story) -> None:
    foreign, absent = story.jobs["bob's"], "j000000000"
    for verb in ("show", "logs", "explain", "cancel", "requeue", "hold", "metrics", "results"):
        said = story.outsider.may_not(verb, foreign)
        assert said.startswith(f"error: there is no job {foreign}\n")
        assert said == story.outsider.may_not(verb, absent).replace(absent, foreign)
    assert story.member.sees("show", foreign)["state"] in ("queued", "starting", "running")


def step_5_a_lead_cancels_what_is_the_teams_and_a_member_what_is_his(story: Story) -> None:
    assert "you may not" in story.member.may_not("cancel", story.jobs["ann's"])
    assert "you may not" in story.viewer.may_not("cancel", story.jobs["bob's"])
    story.member.may("cancel", story.jobs["bob's other"])
    story.lead.may("cancel", story.jobs["bob's"])
    for name in ("bob's", "bob's other"):
        wait = story.lead.types("wait", story.jobs.pop(name))
        assert wait.returncode == 1, wait.stderr


def step_6_a_hard_limit_refuses_with_the_numbers_and_a_soft_one_warns(story: Story) -> None:
    limits = ("team", "limits", "vision")
    assert "you may not" in story.lead.may_not(*limits, "--queued", "100")
    assert story.owner.may(*limits, "--queued", "1") == "vision: queued 1"
    story.jobs["held"] = story.member.submits("--hold")
    said = story.lead.may_not("run", "--detach", "-A", "vision", *LONG)
    assert "team vision would have 2 queued jobs, and may have 1" in said
    assert story.owner.may(*limits, "--queued", "1", "--soft") == "vision: queued 1 (soft)"
    told = story.lead.types("run", "--detach", "--hold", "-A", "vision", *LONG)
    assert told.returncode == 0, told.stderr
    assert "warning: team vision would have 2 queued jobs, and may have 1" in told.stderr
    story.jobs["beyond"] = told.stdout.split()[0]
    assert story.owner.may(*limits, "--unlimited") == "vision: none"
    story.lead.may("cancel", story.jobs.pop("held"), story.jobs.pop("beyond"))


def step_7_a_token_does_no_more_than_it_is_for_and_nothing_once_revoked(story: Story) -> None:
    member = story.member
    secret = member.may("token", "create", "--scope", "read", "--expires", "1h", "--name", "board")
    board = {"QD_URL": story.url, "QD_TOKEN": secret}
    assert story.jobs["ann's"] in member.may("ps", "-q", **board)
    assert "you may not" in member.may_not("run", "--detach", *LONG, **board)
    assert "you may not" in member.may_not("token", "create", **board)
    (token,) = [one for one in member.sees("token", "list")["tokens"] if one["name"] == "board"]
    assert token["last_used_at"] is not None
    assert "there is no token" in story.lead.may_not("token", "revoke", token["id"])
    member.may("token", "revoke", token["id"])
    assert "revoked" in member.may_not("ps", **board)
    assert member.may("whoami", "-q") == "bob"


def step_8_a_service_account_is_the_leads_to_make(story: Story) -> None:
    assert "you may not" in story.member.may_not(
        "user", "create", "ci", "--service", "-A", "vision"
    )
    story.lead.may("user", "create", "ci", "--service", "--team", "vision")
    make = ("token", "create", "--for", "ci", "--scope", "jobs", "--team", "vision")
    assert "you may not" in story.member.may_not(*make)
    ci = {"QD_URL": story.url, "QD_TOKEN": story.lead.may(*make)}
    runs = Person(story.lead.folder)
    job = runs.may("run", "--detach", "-q", "--hold", *LONG, **ci)
    assert story.viewer.sees("show", job)["owner"] == "ci"
    assert "you may not" in runs.may_not("cancel", story.jobs["ann's"], **ci)
    runs.may("cancel", job, **ci)
    story.lead.may("user", "deactivate", "ci", "--yes")
    assert "revoked" in runs.may_not("ps", **ci)


def step_9_who_is_shut_out_is_out_within_seconds(story: Story) -> None:
    job = story.jobs["ann's"]
    with following(story.viewer, job) as stream:
        assert "you may not" in story.lead.may_not("user", "deactivate", "vic", "--yes")
        assert stream.poll() is None
        story.owner.may("user", "deactivate", "vic", "--yes")
        shut_at_s = monotonic()
        stream.wait(timeout=30)
        lasted_s = monotonic() - shut_at_s
        assert lasted_s <= CUT_S_MAX, f"the stream went on for {lasted_s:.1f}s"
        assert stream.returncode == 3
    assert "revoked" in story.viewer.may_not("show", job)
    assert story.lead.sees("show", job)["state"] == "running"


@contextmanager
def following(person: Person, job_id: str) -> Iterator[subprocess.Popen[str]]:
    """`qd logs -f`, from when its first line has come."""
    process = subprocess.Popen(
        [*QD, "logs", "-f", job_id],
        env=person.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        until(lambda: lines or process.poll() is not None)
        assert lines == ["here I am\n"]
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        reader.join(10)
        process.stdout.close()


def step_10_ownership_goes_over_whole(story: Story) -> None:
    transfer = ("organization", "transfer")
    assert "you may not" in story.lead.may_not(*transfer, "ann", "--yes")
    assert story.owner.types(*transfer, "ann").returncode == 2  # nobody is asked, so nobody said so
    story.owner.may(*transfer, "ann", "--dry-run")
    assert story.owner.sees("whoami")["role"] == "owner"
    story.owner.may(*transfer, "ann", "--yes")
    assert story.lead.sees("whoami")["role"] == "owner"
    assert story.owner.sees("whoami")["role"] == "admin"
    assert "you may not" in story.owner.may_not(*transfer, "olga", "--yes")
    assert "only an owner" in story.owner.may_not("user", "role", "ann", "none")
    story.lead.may("cancel", story.jobs.pop("ann's"))
    secret = story.owner.folder / "config" / "quarterdeck" / "logins.json"
    token = next(iter(json.loads(secret.read_text())["servers"].values()))["token"]
    story.owner.may("logout")
    assert not secret.exists()
    assert "revoked" in story.owner.may_not("whoami", QD_URL=story.url, QD_TOKEN=token)


def the_audit_log_tells_it(story: Story) -> None:
    """Who did what, and who was refused; to those who may read it, and whole."""
    assert "you may not" in story.member.may_not("audit", "search")
    told = story.lead.sees("audit", "search", "--limit", "1000")
    acts = {(one["actor"], one["operation"], one["outcome"], one["code"]) for one in told}
    assert {
        ("olga", "claim_server", "allowed", ""),
        ("", "claim_server", "refused", "unknown_code"),
        ("ann", "accept_invitation", "allowed", ""),
        ("bob", "submit_job", "allowed", ""),
        ("vic", "submit_job", "refused", "not_allowed"),
        ("eve", "show_job", "refused", "not_found"),
        ("bob", "cancel_job", "refused", "not_allowed"),
        ("ann", "submit_job", "refused", "limit_reached"),
        ("olga", "deactivate_user", "allowed", ""),
        ("ann", "transfer_ownership", "refused", "not_allowed"),
        ("olga", "transfer_ownership", "allowed", ""),
        ("", "", "refused", "unknown_token"),
    } <= acts, sorted(acts)
    assert all(one["policy_version"] and one["request_id"] and one["source"] for one in told)
    assert "as they were signed" in story.lead.may("audit", "verify")
