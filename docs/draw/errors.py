"""docs/reference/errors.md: every error code and every reason code, with its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.draw.codes import MEANINGS
from docs.draw.found_codes import Found, find_codes
from docs.draw.markdown import code, head, table
from quarterdeck.api.problems import status_of
from quarterdeck.basics import errors
from quarterdeck.basics.errors import QuarterdeckError, Refused, Stale
from quarterdeck.cli.errors import exit_code_of
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.sdk import problems
from quarterdeck.testing.state_diagram import describe_codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABOUT = """\
An error has a stable `code` for programs, a message with the numbers for people, and mostly a
`hint` that says what to do. Over HTTP it is a problem document (RFC 9457); in Python an exception
of `quarterdeck.basics.errors`; in the terminal two lines on stderr and an exit code. Codes are
never renamed."""
FAMILIES = (
    ("Refused", "The caller has to change something before asking again."),
    ("Later", "Nothing is wrong with the request: ask again."),
    ("Here", "Found by `qd` or the SDK on this side of the wire, or when a server starts."),
)
_SERVER = {"api", "control", "core", "agent", "adapters", "ports", "basics"}
_AT_START = {"network_file_system", "store_too_new"}
"""Raised below the API, but only before there is one."""


def draw_errors(root: Path) -> str:
    """The whole page."""
    found = find_codes(root)
    missing = sorted(found.keys() - MEANINGS.keys())
    assert not missing, f"codes without a sentence in docs/draw/codes.py: {missing}"
    rows: dict[str, list[tuple[str, str, str, str]]] = {name: [] for name, _ in FAMILIES}
    for name, meaning in MEANINGS.items():
        if name in found and name != "error":
            family, status, exit_code = _kind_of(name, found[name])
            rows[family].append((code(name), status, exit_code, meaning))
    parts = [head("Errors and reasons", ABOUT)]
    for name, about in FAMILIES:
        titles = ("code", "HTTP", "`qd` exits with", "meaning")
        parts.append(f"## {name}\n\n{about}\n\n{table(titles, rows[name])}")
    parts.append(
        describe_codes(
            "Reasons", "Why a job or an attempt is where it is: `reason` of a job.", Reason
        )
    )
    parts.append(describe_codes("Verdicts", "Why a queued job does not start now.", Blocker))
    return "\n".join(parts)


def _kind_of(name: str, found: Found) -> tuple[str, str, str]:
    """Its family, its HTTP status and the exit code of `qd`."""
    kinds = list(_classes(found))
    error = kinds[0]("", code=name) if kinds else None
    is_server = bool(found.packages & _SERVER)
    status = ""
    if found.statuses:
        status = str(min(found.statuses))
    elif is_server and error is not None:
        status = str(status_of(error))
    is_refusal = error is None or isinstance(error, Refused)
    if error is None and found.statuses and min(found.statuses) >= 500:
        is_refusal = False
    exit_code = exit_code_of(error, None) if error is not None else 3 if is_refusal else 4
    if not is_server or name in _AT_START:
        return "Here", "", str(exit_code)
    family = "Refused" if is_refusal and not isinstance(error, Stale) else "Later"
    return family, status, str(exit_code)


def _classes(found: Found) -> Iterator[type[QuarterdeckError]]:
    """Classes of the house that it is raised as, the server's first."""
    for module in (errors, problems):
        for name in sorted(found.raisers):
            kind = getattr(module, name, None)
            if isinstance(kind, type) and issubclass(kind, QuarterdeckError):
                if kind in (problems.Unanswered, problems.NoServer):
                    kind = errors.Unavailable
                yield kind
