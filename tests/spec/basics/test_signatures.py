"""Signatures are those of the convention, and nothing else passes."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.signatures import format_secret, is_signed_by, parse_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_is_signed_as_published() -> None:
    assert sign(SECRET, ID, 1614265330, BODY) == SIGNATURE
    assert is_signed_by(SECRET, ID, 1614265330, BODY, SIGNATURE)


def test_one_of_several_signatures_is_enough() -> None:
    assert is_signed_by(SECRET, ID, 1614265330, BODY, f"v1a,xyz v1,AAAA {SIGNATURE}")


@pytest.mark.parametrize(
    ("message_id", "timestamp_s", "body", "said"),
    [
        ("msg_other", 1614265330, BODY, SIGNATURE),
        (ID, 1614265331, BODY, SIGNATURE),
        (ID, 1614265330, BODY + b" ", SIGNATURE),
        (ID, 1614265330, BODY, SIGNATURE.replace("v1,", "v2,")),
        (ID, 1614265330, BODY, SIGNATURE[:-2]),
        (ID, 1614265330, BODY, "é " + SIGNATURE[3:]),
        (ID, 1614265330, BODY, ""),
    ],
)
def test_whatever_was_changed_the_signature_no_longer_fits(
    message_id: str, timestamp_s: int, body: bytes, said: str
) -> None:
    assert not is_signed_by(SECRET, message_id, timestamp_s, body, said)


def test_another_secret_does_not_fit() -> None:
    other = format_secret(b"x" * 32)
    assert not is_signed_by(other, ID, 1614265330, BODY, SIGNATURE)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_" + "é" * 40,
     "whsec_" + "A" * 200, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"],
)  # fmt: skip
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_secret(secret)
    assert refused.value.field == "secret"
    assert len(secret) < 7 or secret not in f"{refused.value} {refused.value.hint}"


def test_a_secret_is_read_back() -> None:
    assert parse_secret(format_secret(bytes(range(32)))) == bytes(range(32))
