"""Tokens that nobody keeps: signed for one attempt or one site, for a short time, for one place.

`qdr_<claims>.<signature>`, both base64url without padding; the claims are JSON, the signature is
HMAC-SHA256 (RFC 2104) with a key that never leaves the server's home. There is one algorithm and
one key, so a token has nothing to choose, unlike a JWT (RFC 8725, sections 2.1 and 3.1). A token is
good for the server that signed it (`aud`), from the address that it was signed for (`src`), between
`iat` and `exp` (seconds), and as long as its attempt lives.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.ports.identity import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.clock import Clock

PREFIX: Final = "qdr_"
LIFE_S: Final = 900
SKEW_S: Final = 30
"""A clock that was put back by this much does not make a new token one from the future."""
TOKEN_CHARS_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class SignedTokens:
    """A `Provider`, and the one who signs. `is_live` says whether an attempt still runs."""

    key: bytes
    audience: str
    clock: Clock
    is_live: Callable[[JobId, int], bool]

    def sign_for_attempt(self, job_id: JobId, attempt: int, source: str | None) -> str:
        """For what runs as this attempt at that address; None: at whichever its node has."""
        claims: dict[str, object] = {"kind": Kind.RUNNER.value, "job": job_id, "att": attempt}
        return self._sign(claims if source is None else {**claims, "src": source})

    def sign_for_site(self, site: str, source: str) -> str:
        """For the agent of this site at that address."""
        return self._sign({"kind": Kind.AGENT.value, "site": site, "src": source})

    def find_subject(self, credential: str, source: str) -> Subject | None:
        """The attempt or the site that the token stands for, or None for any that is not good."""
        claims = self._open(credential)
        now_s = self.clock.now_ns() // NS_PER_S
        if claims is None or claims.get("aud") != self.audience:
            return None
        if claims.get("src", source) != source:
            return None
        if not _is_count(claims.get("iat")) or not _is_count(claims.get("exp")):
            return None
        if not claims["iat"] - SKEW_S <= now_s < claims["exp"]:
            return None
        if claims.get("kind") == Kind.RUNNER.value:
            return self._runner(claims)
        if claims.get("kind") == Kind.AGENT.value and isinstance(claims.get("site"), str):
            site = claims["site"]
            name = f"agent:{site}"
            return Subject(
                principal=Principal(
                    name, name, Kind.AGENT, roles=(Role.AGENT,), token_id=name, site=site
                )
            )
        return None

    def _runner(self, claims: dict[str, Any]) -> Subject | None:
        job_id, attempt = claims.get("job"), claims.get("att")
        if not isinstance(job_id, str) or not isinstance(attempt, int):
            return None
        if not self.is_live(JobId(job_id), attempt):
            return None
        name = f"runner:{job_id}/{attempt}"
        return Subject(
            principal=Principal(
                name,
                name,
                Kind.RUNNER,
                roles=(Role.RUNNER,),
                token_id=name,
                job_id=JobId(job_id),
            )
        )

    def _sign(self, claims: dict[str, Any]) -> str:
        now_s = self.clock.now_ns() // NS_PER_S
        whole = {**claims, "aud": self.audience, "iat": now_s, "exp": now_s + LIFE_S}
        body = _encode(json.dumps(whole, separators=(",", ":")).encode())
        return f"{PREFIX}{body}.{_encode(self._mac(body))}"

    def _mac(self, body: str) -> bytes:
        return hmac.new(self.key, body.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()

    def _open(self, credential: str) -> dict[str, Any] | None:
        """The claims, if they were signed here. Nothing is read before the signature is right."""
        if len(credential) > TOKEN_CHARS_MAX or not credential.startswith(PREFIX):
            return None
        body, dot, signature = credential.removeprefix(PREFIX).partition(".")
        if not dot or not hmac.compare_digest(
            _encode(self._mac(body)).encode(), signature.encode("utf-8", "surrogateescape")
        ):
            return None
        claims = json.loads(_decode(body))
        return claims if isinstance(claims, dict) else None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
