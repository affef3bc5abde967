"""Each family of errors has one status; nothing of a bug leaves the house."""

from __future__ import annotations

import pytest

from quarterdeck.api.problems import answer_bug, answer_error
from quarterdeck.basics import errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Invalid("m"), 422),
        (errors.Invalid("m", code="unreadable_body"), 400),
        (errors.Invalid("m", code="body_too_large"), 413),
        (errors.NotFound("m"), 404),
        (errors.NotAllowed("m"), 403),
        (errors.NotAllowed("m", code="no_token"), 401),
        (errors.NotAllowed("m", code="unknown_token"), 401),
        (errors.Conflict("m"), 409),
        (errors.Unsatisfiable("m"), 422),
        (errors.Stale("m"), 409),
        (errors.Unavailable("m"), 503),
        (errors.Refused("m"), 400),
    ],
)
def test_the_status_follows_from_whose_turn_it_is(
    error: errors.QuarterdeckError, status: int
) -> None:
    answer = answer_error(error)
    assert answer.status_code == status
    assert answer.media_type == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_every_class_of_errors_has_a_status() -> None:
    def below(family: type[errors.QuarterdeckError]) -> set[type[errors.QuarterdeckError]]:
        return {family}.union(*(below(child) for child in family.__subclasses__()))

    families = {one for one in below(errors.QuarterdeckError) if one.__module__ == errors.__name__}
    for family in families - {errors.QuarterdeckError}:
        assert 400 <= answer_error(family("m")).status_code < 600


def test_a_bug_shows_a_reference_and_nothing_else() -> None:
    first = answer_bug(RuntimeError("secret"), "GET", "/v1/jobs")
    second = answer_bug(RuntimeError("secret"), "GET", "/v1/jobs")
    assert first.status_code == 500
    assert b"secret" not in first.body
    assert first.body != second.body


def test_text_that_is_not_valid_unicode_can_still_be_answered() -> None:
    assert b"\\\\ud800" in answer_error(errors.Invalid("\ud800", field="\ud800")).body
