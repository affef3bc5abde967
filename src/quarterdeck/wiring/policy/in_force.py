"""What a server follows, by the policy file of its home; and what a server cannot follow yet."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.wiring.policy.reader import read_bytes, read_policy

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.wiring.policy.reader import NamedPolicy

FILE: Final = "policy.yaml"
VERSION_CHARS: Final = 12


def load_followed(path: Path, now_ns: int) -> tuple[FollowedPolicy, bytes | None]:
    """What a server follows that finds this file, and the file's bytes; the usual policy if there
    is no file. `Invalid` if it is wrong, or asks for what a server does not do."""
    content = read_bytes(path)
    return followed(content, path, now_ns), content


def followed(content: bytes | None, path: Path, now_ns: int) -> FollowedPolicy:
    """The same of the bytes of a file; None if there is no file."""
    if content is None:
        return FollowedPolicy(Policy(), since_ns=now_ns)
    named = read_policy(content, str(path))
    check_doable(named)
    return FollowedPolicy(named.policy, named.name, version_of(content), now_ns)


def version_of(content: bytes) -> str:
    """Names the text of a file."""
    return hashlib.sha256(content).hexdigest()[:VERSION_CHARS]


def check_doable(named: NamedPolicy) -> None:
    """Refuse what only the simulator does so far: ignored in silence it would be a promise that
    nobody keeps."""
    policy = named.policy
    if policy.orders_evictions:
        raise Invalid(
            f"order {policy.order.value} is what only the simulator follows yet",
            code="not_available",
            field="order",
            hint="leave it out; `qd policy try` and `qd sim run` say what it would do",
        )
