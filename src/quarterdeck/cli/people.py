"""What the verbs about people, teams and tokens share: limits, pages, and asking before harm."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from quarterdeck.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterdeck.wire.v1.people import LimitsBody, TeamRole, TeamView, UserView

    _Limited = TeamView | UserView

F = TypeVar("F", bound="Callable[..., Any]")
NONE = "none"
ORGANIZATION_ROLES = ("owner", "admin", "operator", "steward")
TEAM_ROLES = ("lead", "member", "viewer")
_BOUNDS = {
    "queued": "queued_jobs",
    "running": "running_jobs",
    "device_hours": "device_hours_per_month",
}


class _Bound(click.ParamType[int | str]):
    """A number, or `none` for no limit."""

    name = "number or none"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if isinstance(value, int) or value == NONE:
            return value
        if not (value.isascii() and value.isdecimal() and len(value) < 16):
            self.fail(f"{value!r} is neither a number nor none", param, ctx)
        return int(value)


_LIMITS = (
    click.option(
        "--queued",
        type=_Bound(),
        metavar="N|none",
        help="Jobs that wait; each task of an array counts.",
    ),
    click.option("--running", type=_Bound(), metavar="N|none", help="Jobs that hold devices."),
    click.option(
        "--device-hours", type=_Bound(), metavar="N|none", help="GPU hours of a month (UTC)."
    ),
    click.option("--site", "sites", multiple=True, metavar="SITE", help="Only these sites."),
    click.option(
        "--image",
        "images",
        multiple=True,
        metavar="PATTERN",
        help="Only these images, for example 'ours/*'.",
    ),
    click.option(
        "--soft", is_flag=True, help="What is beyond goes last, with a warning; it is not refused."
    ),
)


def limit_options(function: F) -> F:
    """The options that describe limits."""
    for option in reversed(_LIMITS):
        function = option(function)
    return function


def page_options(function: F) -> F:
    """`--search`, `--limit` and `--after` of a long list."""
    for option in (
        click.option("--after", metavar="NAME", default=None, help="The page after this one."),
        click.option(
            "-n",
            "--limit",
            type=click.IntRange(1, 1000),
            default=100,
            help="At most so many.",
            show_default=True,
        ),
        click.option("--search", metavar="TEXT", default=None, help="Whose name or title has it."),
    ):
        function = option(function)
    return function


def yes_option(function: F) -> F:
    """`--yes`, for what cannot be taken back; the verb gets `yes`."""
    return click.option("-y", "--yes", is_flag=True, help="Do it without asking.")(function)


def ask(question: str, *, yes: bool) -> None:
    """Go on only if somebody has said so: by `--yes`, or now in the terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to be asked: give --yes.")
    click.confirm(question, abort=True, err=True)


def says_limits(options: Mapping[str, Any]) -> bool:
    """Whether any limit was given."""
    return any(options[name] is not None for name in _BOUNDS) or bool(
        options["sites"] or options["images"]
    )


def changed_limits(before: LimitsBody, options: Mapping[str, Any]) -> LimitsBody:
    """The limits with what the options say about them; the others stay."""
    from quarterdeck.wire.v1.people import BoundBody

    changes: dict[str, Any] = {}
    for option, name in _BOUNDS.items():
        value = options[option]
        if value == NONE:
            changes[name] = None
        elif value is not None:
            changes[name] = BoundBody(value=value, hard=not options["soft"])
    for name in ("sites", "images"):
        if options[name]:
            changes[name] = list(options[name])
    is_bounded = any(isinstance(one, BoundBody) for one in changes.values())
    if options["soft"] and not is_bounded:
        raise click.UsageError("--soft is for a number: give --queued, --running or --device-hours")
    return before.model_copy(update=changes)


def show_or_change_limits(
    get: Callable[[], _Limited],
    put: Callable[[LimitsBody], _Limited],
    options: Mapping[str, Any],
    *,
    unlimited: bool,
    output: str,
) -> None:
    """What `qd team limits` and `qd user limits` do: the limits as they are, changed first when
    the options say so."""
    from quarterdeck.wire.v1.people import LimitsBody

    view = get()
    wanted = changed_limits(LimitsBody() if unlimited else view.limits, options)
    if unlimited or says_limits(options):
        view = put(wanted)
    if output == "json":
        print_json(view.limits)
    else:
        say(view.name if output == "name" else f"{view.name}: {limits_told(view.limits)}")


def limits_told(limits: LimitsBody) -> str:
    """For people: `queued 100, running 8 (soft), sites a b`."""
    parts = []
    for option, name in _BOUNDS.items():
        bound = getattr(limits, name)
        if bound is not None:
            soft = "" if bound.hard else " (soft)"
            parts.append(f"{option.replace('_', ' ')} {bound.value}{soft}")
    for name in ("sites", "images"):
        allowed = getattr(limits, name)
        if allowed is not None:
            parts.append(f"{name} {' '.join(allowed) or 'none'}")
    return ", ".join(parts) or "none"


def parse_teams(given: Sequence[str]) -> dict[str, TeamRole]:
    """`--team vision:lead`, perhaps several times; without a role it is `member`."""
    found: dict[str, TeamRole] = {}
    for text in given:
        team, colon, role = text.partition(":")
        if colon and role not in TEAM_ROLES:
            raise click.UsageError(f"--team {text}: the role is one of {', '.join(TEAM_ROLES)}")
        found[team] = cast("TeamRole", role or "member")
    return found


def teams_told(teams: Mapping[str, str]) -> str:
    """For people: `vision (lead), speech (member)`."""
    return ", ".join(f"{team} ({role})" for team, role in sorted(teams.items()))


def tell_next(next_after: str | None) -> None:
    """How to see the next page."""
    if next_after is not None:
        say(f"more: --after {next_after}", err=True)
