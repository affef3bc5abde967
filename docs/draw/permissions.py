"""docs/reference/permissions.md: the permission table, from the code that decides by it."""

from __future__ import annotations

from typing import Final

from docs.draw.markdown import code, head, table
from quarterdeck.core.governance.permissions import POLICY_VERSION, TABLE, Noun, Reach, Scope
from quarterdeck.core.governance.roles import Role

ABOUT: Final = f"""\
Who may do what to which things. Where a cell is empty it is refused: as if the thing were not there
when the asker may not see it, and by `not_allowed` when they may. This is version
`{POLICY_VERSION}` of the table; `qd whoami -o json` says which one a server goes by.

- **all**: everything there is.
- **team**: what belongs to a team in which one has the role.
- **own**: what one made oneself in such a team; of a person's own things (tokens), those.
- **attempt**, **site**: the one attempt or site that the token was made for.

`person` is what everybody active is, whatever else they are; `runner` and `agent` are what the
server's own tokens for a running attempt and for a site stand for. An owner can be made, unmade and
shut out by an owner only, and so can an admin; a lead adds and removes members, viewers and service
accounts, and no leads."""
_WORDS: Final = {Reach.ORGANIZATION: "all"}


def draw_permissions() -> str:
    """The whole page."""
    roles = list(Role)
    parts = [head("Permissions", ABOUT)]
    for noun in Noun:
        rows = [
            (verb.value, *(_word(cells.get(role)) for role in roles))
            for (verb, of), cells in TABLE.items()
            if of is noun
        ]
        if rows:
            parts += [
                f"## {noun.value}\n",
                table(("", *(code(role.value) for role in roles)), rows),
            ]
    parts += [_scopes()]
    return "\n".join(parts)


def _word(reach: Reach | None) -> str:
    return "" if reach is None else _WORDS.get(reach, reach.value)


def _scopes() -> str:
    """What tokens of each scope are good for, of what their owner may."""
    rows = [
        (noun.value, *(_allowed(scope, noun) for scope in Scope))
        for noun in Noun
        if any(of is noun for _, of in TABLE)
    ]
    about = "A token does what its owner may, and of that no more than its scopes say.\n"
    titles = ("", *(code(scope.value) for scope in Scope))
    return "\n".join(("## Scopes of tokens\n", about, table(titles, rows)))


def _allowed(scope: Scope, noun: Noun) -> str:
    verbs = [verb for verb, of in TABLE if of is noun]
    good = [verb.value for verb in verbs if scope.allows(verb, noun)]
    return "all" if len(good) == len(verbs) else ", ".join(good)
