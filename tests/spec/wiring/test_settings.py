"""The listener is safe, or there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Refused
from quarterdeck.wiring.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1"])
def test_loopback_needs_nothing_more(host: str, tmp_path: Path) -> None:
    assert Settings(tmp_path, host=host).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.evil"])
def test_a_public_address_needs_tls_or_a_proxy(host: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        Settings(tmp_path, host=host)
    assert refused.value.code == "unsafe_listener"
    assert "--tls-cert" in refused.value.hint
    assert "--behind-proxy" in refused.value.hint
    assert Settings(tmp_path, host=host, behind_proxy=True).scheme == "http"


def test_tls_needs_both_files(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    with pytest.raises(Refused, match="without the other"):
        Settings(tmp_path, host="0.0.0.0", tls_cert=cert)
    with pytest.raises(Refused, match="not a file"):
        Settings(tmp_path, host="0.0.0.0", tls_cert=cert, tls_key=key)
    key.touch()
    assert Settings(tmp_path, host="0.0.0.0", tls_cert=cert, tls_key=key).scheme == "https"


def test_webhooks_may_lead_inside_only_where_nobody_outside_can_ask(tmp_path: Path) -> None:
    assert Settings(tmp_path).webhooks_may_be_private
    assert not Settings(tmp_path, behind_proxy=True).webhooks_may_be_private
    assert not Settings(tmp_path, host="0.0.0.0", behind_proxy=True).webhooks_may_be_private
    for said in (True, False):
        settings = Settings(tmp_path, behind_proxy=said, webhooks_to_private_addresses=said)
        assert settings.webhooks_may_be_private is said
