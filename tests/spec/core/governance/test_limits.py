"""What a quota lets in, with the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.core.governance.limits import COUNT_MAX, Account, Bound, Quota, check_submit

COUNTS = st.integers(0, 20)


def hard(value: int) -> Quota:
    return Quota(queued_jobs=Bound(value))


def soft(value: int) -> Quota:
    return Quota(queued_jobs=Bound(value, is_hard=False))


@given(COUNTS, COUNTS, st.integers(1, 20))
def test_a_hard_limit_lets_in_what_fits_to_the_last_task(
    limit: int, queued: int, tasks: int
) -> None:
    account = Account("team vision", hard(limit), queued)
    if queued + tasks <= limit:
        assert check_submit([account], tasks, None) == []
        return
    with pytest.raises(NotAllowed) as refused:
        check_submit([account], tasks, None)
    assert refused.value.code == "limit_reached"
    assert refused.value.message == (
        f"team vision would have {queued + tasks} queued jobs, and may have {limit}"
    )


@given(COUNTS, COUNTS, st.integers(1, 20))
def test_a_soft_limit_refuses_nobody_and_says_so(limit: int, queued: int, tasks: int) -> None:
    warnings = check_submit([Account("user mia", soft(limit), queued)], tasks, None)
    assert len(warnings) == (queued + tasks > limit)
    if warnings:
        assert f"user mia would have {queued + tasks} queued jobs" in warnings[0]


def test_a_person_is_held_beside_the_team() -> None:
    team, person = Account("team vision", hard(10), 3), Account("user mia", hard(2), 2)
    with pytest.raises(NotAllowed, match="user mia would have 3 queued jobs, and may have 2"):
        check_submit([team, person], 1, None)
    with pytest.raises(NotAllowed, match="team vision"):
        check_submit([Account("team vision", hard(3), 3), person], 1, None)


def test_a_limit_that_was_lowered_below_what_waits_takes_nothing_more() -> None:
    with pytest.raises(NotAllowed, match="would have 6 queued jobs, and may have 2"):
        check_submit([Account("team vision", hard(2), 5)], 1, None)


@pytest.mark.parametrize(
    ("images", "image", "is_let_in"),
    [
        (None, "docker.io/evil", True),
        (("acme/*",), None, True),
        (("acme/*",), "acme/torch:2", True),
        (("acme/*", "nvcr.io/nvidia/pytorch:*"), "nvcr.io/nvidia/pytorch:24.01", True),
        (("acme/*",), "ACME/torch", False),
        (("acme/*",), "evil/acme/torch", False),
        (("acme/torch",), "acme/torch:latest", False),
        ((), "acme/torch", False),
    ],
)
def test_images_are_those_that_a_pattern_names(
    images: tuple[str, ...] | None, image: str | None, is_let_in: bool
) -> None:
    account = Account("team vision", Quota(images=images))
    if is_let_in:
        assert check_submit([account], 1, None, image) == []
        return
    with pytest.raises(NotAllowed, match="may not use the image") as refused:
        check_submit([account], 1, None, image)
    assert (refused.value.code, refused.value.field) == ("limit_reached", "image")


def test_a_site_that_is_not_among_them_is_refused_and_the_others_are_named() -> None:
    account = Account("team vision", Quota(sites=("dgx", "cloud")))
    assert check_submit([account], 1, "dgx") == check_submit([account], 1, None) == []
    with pytest.raises(NotAllowed, match="may not use the site 'attic'") as refused:
        check_submit([account], 1, "attic")
    assert refused.value.hint == "use one of dgx, cloud"
    with pytest.raises(NotAllowed) as refused:
        check_submit([Account("team vision", Quota(sites=()))], 1, "dgx")
    assert "no site at all" in refused.value.hint


@pytest.mark.parametrize("value", [-1, COUNT_MAX + 1, 1.0, True, "3", None])
def test_a_limit_is_a_count(value: object) -> None:
    with pytest.raises(Invalid, match="a limit is"):
        Bound(value)  # type: ignore[arg-type]


def test_lists_that_nobody_could_read_are_refused() -> None:
    with pytest.raises(Invalid, match=r"limits\.images has 257 names"):
        Quota(images=tuple(str(number) for number in range(257)))


def test_a_quota_reads_as_people_write_it() -> None:
    quota = Quota(Bound(100), Bound(20, is_hard=False), sites=("a", "b"), images=())
    assert str(quota) == "queued_jobs 100, running_jobs 20 (soft), sites a b, images none"
    assert str(Quota()) == "none"
    assert Quota().is_empty
    assert not Quota(sites=()).is_empty
