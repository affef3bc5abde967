"""The file token of a home and tokens that were signed: who they are for, where, and how long."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.adapters.identity.signed import LIFE_S, PREFIX, SKEW_S, SignedTokens
from quarterdeck.adapters.identity.token import HomeToken
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.testing.builders import START_NS, a_job_id

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId

HERE, ELSEWHERE = "10.0.0.7", "10.0.0.8"
JOB = a_job_id(1)


@dataclass
class Hands:
    """A clock and a cluster that a test sets."""

    at_ns: int = START_NS
    live: set[tuple[JobId, int]] = field(default_factory=lambda: {(JOB, 2)})

    def now_ns(self) -> int:
        return self.at_ns

    def pass_s(self, span_s: float) -> None:
        self.at_ns += int(span_s * NS_PER_S)

    def is_live(self, job_id: JobId, attempt: int) -> bool:
        return (job_id, attempt) in self.live


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def signed(hands: Hands) -> SignedTokens:
    return SignedTokens(b"k" * 32, "h3x", hands, hands.is_live)


def forged(token: str, **claims: Any) -> str:
    """The token with other claims and its old signature."""
    body, _, signature = token.removeprefix(PREFIX).partition(".")
    told = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    other = base64.urlsafe_b64encode(json.dumps({**told, **claims}).encode()).rstrip(b"=").decode()
    return f"{PREFIX}{other}.{signature}"


def test_a_runner_is_its_attempt_at_its_address(signed: SignedTokens) -> None:
    token = signed.sign_for_attempt(JOB, 2, HERE)
    subject = signed.find_subject(token, HERE)
    assert subject is not None
    assert subject.principal is not None
    assert subject.principal.name == f"runner:{JOB}/2"
    assert (subject.principal.job_id, subject.principal.roles) == (JOB, (Role.RUNNER,))
    assert signed.find_subject(token, ELSEWHERE) is None
    assert signed.find_subject(token, "") is None


def test_an_agent_is_its_site_at_its_address(signed: SignedTokens) -> None:
    token = signed.sign_for_site("dgx", HERE)
    subject = signed.find_subject(token, HERE)
    assert subject is not None
    assert subject.principal is not None
    assert (subject.principal.kind, subject.principal.site) == (Kind.AGENT, "dgx")
    assert signed.find_subject(token, ELSEWHERE) is None


def test_a_token_ends_with_its_attempt(signed: SignedTokens, hands: Hands) -> None:
    token = signed.sign_for_attempt(JOB, 2, HERE)
    hands.live = {(JOB, 3)}
    assert signed.find_subject(token, HERE) is None
    assert signed.find_subject(signed.sign_for_attempt(JOB, 1, HERE), HERE) is None


def test_a_token_ends_on_time_and_none_is_from_the_future(
    signed: SignedTokens, hands: Hands
) -> None:
    token = signed.sign_for_attempt(JOB, 2, HERE)
    hands.pass_s(LIFE_S - 1)
    assert signed.find_subject(token, HERE) is not None
    hands.pass_s(1)
    assert signed.find_subject(token, HERE) is None
    hands.pass_s(-LIFE_S - SKEW_S)
    assert signed.find_subject(token, HERE) is not None
    hands.pass_s(-1)
    assert signed.find_subject(token, HERE) is None


def test_another_homes_key_and_another_servers_token_are_none(
    signed: SignedTokens, hands: Hands
) -> None:
    for other in (replace(signed, key=b"x" * 32), replace(signed, audience="other")):
        assert signed.find_subject(other.sign_for_attempt(JOB, 2, HERE), HERE) is None
        assert signed.find_subject(other.sign_for_site("dgx", HERE), HERE) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"job": a_job_id(9)},
        {"att": 3},
        {"src": ELSEWHERE},
        {"exp": 2**40},
        {"kind": "agent", "site": "dgx"},
        {"kind": "user"},
        {},
    ],
)
def test_changed_claims_are_not_read(
    signed: SignedTokens, hands: Hands, claims: dict[str, Any]
) -> None:
    hands.live |= {(a_job_id(9), 2), (JOB, 3)}
    token = forged(signed.sign_for_attempt(JOB, 2, HERE), **claims)
    # Also without any change: other spaces in the JSON are other bytes.
    for source in (HERE, ELSEWHERE):
        assert signed.find_subject(token, source) is None


@given(st.data())
def test_a_token_with_one_character_changed_is_none(data: st.DataObject) -> None:
    hands = Hands()
    signed = SignedTokens(b"k" * 32, "h3x", hands, hands.is_live)
    token = signed.sign_for_attempt(JOB, 2, HERE)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=126).filter(lambda one: one != token[place]))
    assert signed.find_subject(token[:place] + other + token[place + 1 :], HERE) is None
    assert signed.find_subject(token[:place], HERE) is None


@given(st.text(max_size=300))
def test_nonsense_is_nobody(text: str) -> None:
    hands = Hands()
    signed = SignedTokens(b"k" * 32, "h3x", hands, hands.is_live)
    for shown in (text, PREFIX + text, f"{PREFIX}{text}.{text}"):
        assert signed.find_subject(shown, HERE) is None
        assert HomeToken("right", "ada").find_subject(shown, "127.0.0.1") is None


@pytest.mark.parametrize("source", ["127.0.0.1", "127.8.8.8", "::1"])
def test_the_token_of_a_home_is_good_on_its_own_machine(source: str) -> None:
    subject = HomeToken("right", "ada").find_subject("right", source)
    assert subject is not None
    assert subject.user == "ada"
    assert HomeToken("right", "ada").find_subject("wrong", source) is None


@pytest.mark.parametrize("source", ["10.0.0.7", "192.168.1.1", "2001:db8::1", "", "localhost", "x"])
def test_the_token_of_a_home_is_good_nowhere_else(source: str) -> None:
    assert HomeToken("right", "ada").find_subject("right", source) is None
