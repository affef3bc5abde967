"""How much a team or a person may have at a time, and the one place where that is checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNT_MAX: Final = 2**31 - 1
NAMES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Bound:
    """At most so many. A hard bound refuses what is beyond it, a soft one lets it go last."""

    value: int
    is_hard: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no count."""
        if type(self.value) is not int or not 0 <= self.value <= COUNT_MAX:
            raise Invalid(
                f"a limit is {self.value!r}", field="limits", hint=f"use 0 to {COUNT_MAX}"
            )


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one team or person; None is no limit.

    Tasks of an array count each. `queued_jobs` have not started, `running_jobs` hold devices.
    `sites` and `images` are the only ones that may be used, images by shell patterns.
    `device_hours_per_month` are GPU hours of a month of UTC, held from placement to end.
    """

    queued_jobs: Bound | None = None
    running_jobs: Bound | None = None
    device_hours_per_month: Bound | None = None
    sites: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse lists that nobody could read."""
        for name in ("sites", "images"):
            given = getattr(self, name)
            if given is not None and len(given) > NAMES_MAX:
                raise Invalid(
                    f"limits.{name} has {len(given)} names",
                    field=f"limits.{name}",
                    hint=f"use at most {NAMES_MAX}; a pattern names many images",
                )

    @property
    def is_empty(self) -> bool:
        """Whether it limits nothing."""
        return all(getattr(self, one.name) is None for one in fields(self))

    def __str__(self) -> str:
        """For people: `queued_jobs 100, running_jobs 20 (soft), sites a b`."""
        parts = []
        for one in fields(self):
            held = getattr(self, one.name)
            if isinstance(held, Bound):
                parts.append(f"{one.name} {held.value}{'' if held.is_hard else ' (soft)'}")
            elif held is not None:
                parts.append(f"{one.name} {' '.join(held) or 'none'}")
        return ", ".join(parts) or "none"


UNLIMITED: Final = Quota()


@dataclass(frozen=True, slots=True)
class Account:
    """A team or a person with its limits and how much of them is used: `team vision`."""

    title: str
    quota: Quota
    queued: int = 0


def check_submit(
    accounts: Iterable[Account], tasks: int, site: str | None, image: str | None = None
) -> list[str]:
    """Refuse a job of so many tasks that a hard limit does not let in; says which soft limits it
    goes beyond, in words. Raises `NotAllowed` with the numbers."""
    warnings = []
    for account in accounts:
        sites, images = account.quota.sites, account.quota.images
        if sites is not None and site is not None and site not in sites:
            raise _not_among(account, "site", site, sites)
        if images is not None and image is not None and not _matches(image, images):
            raise _not_among(account, "image", image, images)
        bound = account.quota.queued_jobs
        if bound is None or account.queued + tasks <= bound.value:
            continue
        after = account.queued + tasks
        said = f"{account.title} would have {after} queued jobs, and may have {bound.value}"
        if bound.is_hard:
            raise NotAllowed(
                said,
                code="limit_reached",
                field="queued_jobs",
                hint="wait until some of them have started, or ask an admin for a higher limit",
            )
        warnings.append(f"{said}: they go after those of everybody else")
    return warnings


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _not_among(account: Account, what: str, wanted: str, allowed: tuple[str, ...]) -> NotAllowed:
    return NotAllowed(
        f"{account.title} may not use the {what} {wanted!r}",
        code="limit_reached",
        field=what,
        hint=f"use one of {', '.join(allowed)}" if allowed else f"it may use no {what} at all",
    )
