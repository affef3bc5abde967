"""Family 17, tenant inference: what others have is guessed from how a question is refused.

The matrix compares the words of refusals; this looks at what else could tell: how much work they
are, counts, orders and searches.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.control.submit import submit
from quarterdeck.testing.builders import a_job_spec
from tests.security.acme import Acme, ask_app

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId


@pytest.fixture
def acme() -> Acme:
    return Acme()


def asked_of_the_store(acme: Acme, path: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which questions of the store a request costs: what takes as long is as many."""
    store, asked = acme.house.plane.store, []
    with monkeypatch.context() as patched:
        for name in ("find_job", "list_jobs", "list_records", "transact", "find_reply"):
            real: Any = getattr(store, name, None)
            if real is None:
                continue

            def counted(*args: Any, _name: str = name, _real: Any = real, **named: Any) -> Any:
                asked.append(_name)
                return _real(*args, **named)

            patched.setattr(store, name, counted)
        assert acme.ask(acme.asker("member").token, "GET", path).status == 404
    return asked


@pytest.mark.parametrize(
    "tail", ["", "/logs", "/results", "/explanation", "/verdicts", "/tasks", "/request"]
)
def test_a_foreign_job_and_none_are_the_same_work(
    acme: Acme, tail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = asked_of_the_store(
        acme, f"/v1/jobs/{acme.jobs['stranger', 'blue']}{tail}", monkeypatch
    )
    assert foreign == asked_of_the_store(acme, f"/v1/jobs/j999999999{tail}", monkeypatch)
    assert foreign == ["find_job"]


def test_filters_and_cursors_find_nothing_of_others(acme: Acme) -> None:
    token = acme.asker("member").token
    foreign = acme.jobs["stranger", "blue"]
    for query in ("team=blue", "owner=stranger", "team=red&team=blue&owner=stranger"):
        found = json.loads(acme.ask(token, "GET", "/v1/jobs", query).body)["jobs"]
        assert {one["team"] for one in found} <= {"red"}
    for query in ("search=stranger", "team=blue", "search=blue"):
        assert json.loads(acme.ask(token, "GET", "/v1/users", query).body)["users"] == []
    after_foreign = acme.ask(token, "GET", "/v1/jobs", f"before={foreign}")
    assert after_foreign.body == acme.ask(token, "GET", "/v1/jobs", "before=j999999999").body


def test_the_length_of_the_queue_counts_what_one_sees(acme: Acme) -> None:
    def length() -> int:
        shown = json.loads(acme.ask(acme.asker("member").token, "GET", "/v1/queue").body)
        found: int = shown["length"]
        return found

    before = length()
    for _ in range(3):
        submit(acme.house.plane, a_job_spec(team="blue"), "stranger")
    assert length() == before
    submit(acme.house.plane, a_job_spec(team="red"), "mate")
    assert length() == before + 1


def test_a_page_of_people_has_no_holes_where_others_are(acme: Acme) -> None:
    token = acme.asker("lead").token
    names: list[str] = []
    after = ""
    while True:
        query = "limit=2" + (f"&after={after}" if after else "")
        page = json.loads(acme.ask(token, "GET", "/v1/users", query).body)
        names += [one["name"] for one in page["users"]]
        if page["next_after"] is None:
            break
        assert len(page["users"]) == 2
        after = page["next_after"]
    assert "stranger" not in names
    assert "mate" in names


def test_what_a_stream_leaves_out_it_leaves_out_whole(acme: Acme) -> None:
    """Not even an empty message: the number of others' events is nobody's business."""
    token = acme.asker("member").token
    told = acme.ask(token, "GET", "/v1/events", "after=0").body
    for _ in range(5):
        job: JobId = submit(acme.house.plane, a_job_spec(team="blue"), "stranger").job.id
        assert job.encode() not in told
    assert acme.ask(token, "GET", "/v1/events", "after=0").body == told


def test_a_refusal_repeats_what_was_asked_and_nothing_else(acme: Acme) -> None:
    """No owner, no other member, no limit of a team that the asker does not see."""
    token = acme.asker("member").token
    for method, path, query, body in (
        ("POST", "/v1/jobs", "", {"run": "true", "team": "blue"}),
        ("PUT", "/v1/teams/blue/members/mate", "", {"role": "viewer"}),
        ("GET", "/v1/teams/blue/members", "", None),
        ("GET", "/v1/tokens", "user=stranger", None),
    ):
        reply = acme.ask(token, method, path, query, body)
        assert reply.status in (403, 404)
        for name in ("ada", "two-teams", "blue-robot", "owner's"):
            assert name not in reply.body.decode()


def test_who_orders_jobs_learns_nothing_of_those_that_they_do_not_see(acme: Acme) -> None:
    """Neither that one is there, nor where in the queue its owner's jobs are."""
    member = acme.asker("member")
    foreign = [submit(acme.house.plane, a_job_spec(team="blue"), "stranger").job.id]
    own = [submit(acme.house.plane, a_job_spec(team="red"), member.name).job.id for _ in range(2)]
    foreign += [submit(acme.house.plane, a_job_spec(team="blue"), "stranger").job.id]
    mates = submit(acme.house.plane, a_job_spec(team="red"), "mate").job.id

    def told(*job_ids: str, token: str = member.token) -> tuple[int, str]:
        reply = acme.ask(token, "POST", "/v1/jobs/reorder", "", {"jobs": job_ids})
        return reply.status, reply.body.decode()

    for before in ((), (own[0],)):
        absent = told(*before, "j999999999")
        assert absent[0] == 404
        hidden = told(*before, foreign[0])
        assert (hidden[0], hidden[1].replace(foreign[0], "j999999999")) == absent
    assert told(own[1], mates)[0] == 403
    status, body = told(own[1], own[0])
    assert status == 200
    assert not any(job_id in body for job_id in (*foreign, mates))
    shown = json.loads(body)
    assert [one["position"] for one in shown["jobs"]] == [1, 2]
    assert shown["queue_length"] == 3
    lead = acme.asker("lead").token
    assert told(own[0], own[1], token=lead)[0] == 200
    assert told(own[0], mates, token=lead)[0] == 422


def test_nobody_learns_by_its_digest_that_a_file_is_here_nor_gets_it(acme: Acme) -> None:
    """As Dropbox once gave a file to whoever knew its hash (Dropship, 2011)."""
    content = b"the salary of everybody"
    digest = hashlib.sha256(content).hexdigest()
    member, stranger = acme.asker("member").token, acme.token_of("stranger")
    manifest = {"files": [{"path": "a", "mode": 420, "size": len(content), "digest": digest}]}

    def send(token: str, content: bytes) -> int:
        asked = ask_app(acme.house.app, token, "PUT", f"/v1/blobs/{digest}", "", content)
        return asyncio.run(asked).status

    def missing(token: str) -> list[str]:
        reply = acme.ask(token, "POST", "/v1/snapshots", "", manifest)
        found: list[str] = json.loads(reply.body)["missing"]
        return found

    assert missing(member) == [digest]
    assert send(member, content) == 204
    assert missing(member) == []
    assert missing(stranger) == [digest]
    assert send(stranger, b"a guess") == 422
    assert missing(stranger) == [digest]
    assert send(stranger, content) == 204
    assert missing(stranger) == []
    assert missing(acme.asker("admin").token) == []


def test_wrong_bytes_are_refused_in_the_same_words_whether_the_file_is_here_or_not(
    acme: Acme,
) -> None:
    content, member = b"something that is here", acme.asker("member").token
    stranger = acme.token_of("stranger")
    here, absent = (hashlib.sha256(one).hexdigest() for one in (content, b"something that is not"))
    app = acme.house.app
    assert asyncio.run(ask_app(app, member, "PUT", f"/v1/blobs/{here}", "", content)).status == 204
    told = [
        asyncio.run(ask_app(app, stranger, "PUT", f"/v1/blobs/{one}", "", b"a guess")).body.decode()
        for one in (here, absent)
    ]
    assert told[0].replace(here, "X") == told[1].replace(absent, "X")
