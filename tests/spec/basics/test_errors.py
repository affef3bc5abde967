"""The error tree: whose turn it is, and what to do."""

from __future__ import annotations

import pytest

from quarterdeck.basics import errors
from quarterdeck.basics.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    QuarterdeckError,
    Refused,
    Stale,
    Unavailable,
    Unsatisfiable,
)


def all_errors() -> list[type[QuarterdeckError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, QuarterdeckError)
    ]


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in all_errors()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", [Invalid, NotFound, NotAllowed, Conflict, Unsatisfiable])
def test_what_the_caller_must_change_is_refused(error: type[QuarterdeckError]) -> None:
    assert issubclass(error, Refused)


@pytest.mark.parametrize("error", [Stale, Unavailable])
def test_what_may_be_tried_again_is_not_refused(error: type[QuarterdeckError]) -> None:
    assert not issubclass(error, Refused)


def test_a_bug_is_none_of_these() -> None:
    assert not issubclass(AssertionError, QuarterdeckError)
    assert not issubclass(QuarterdeckError, AssertionError)


def test_an_error_carries_message_hint_and_field() -> None:
    error = Invalid("grace is -1", field="checkpoint.grace", hint="use 0s or more")
    assert str(error) == error.message == "grace is -1"
    assert (error.code, error.field, error.hint) == (
        "invalid",
        "checkpoint.grace",
        "use 0s or more",
    )


def test_a_special_code_is_of_one_error_only() -> None:
    assert Conflict("no", code="idempotency_key_reused").code == "idempotency_key_reused"
    assert Conflict("no").code == "conflict"
