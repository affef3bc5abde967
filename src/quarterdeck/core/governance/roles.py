"""Roles: what somebody is to the organization, or to one of its teams."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """A column of the permission table."""

    __hash__ = str.__hash__  # the one of Enum is written in Python, and looked up per team

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    STEWARD = "steward"
    LEAD = "lead"
    MEMBER = "member"
    VIEWER = "viewer"
    SERVICE = "service"
    PERSON = "person"
    RUNNER = "runner"
    AGENT = "agent"


ORGANIZATION_ROLES: Final = (Role.OWNER, Role.ADMIN, Role.OPERATOR, Role.STEWARD)
"""Held for the whole organization; at most one by each person. Owners can do everything, admins
everything but make owners and admins, operators look after sites and nodes, stewards after data."""

TEAM_ROLES: Final = (Role.LEAD, Role.MEMBER, Role.VIEWER)
"""Held for a team by a person, perhaps another one in each team."""

# `SERVICE` is what a service account is to its one team, `PERSON` what every active person is to
# the organization, `RUNNER` and `AGENT` what the tokens of an attempt and of a site stand for.


class Kind(StrEnum):
    """What sort of thing acts."""

    USER = "user"
    SERVICE = "service"
    RUNNER = "runner"
    AGENT = "agent"
