"""A home is one server's, and private."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Conflict, Refused
from quarterdeck.wiring.home import Home


def test_token_and_home_id_are_made_once_and_private(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        token, home_id = home.token(), home.home_id()
    with Home(tmp_path / "home") as again:
        assert (again.token(), again.home_id()) == (token, home_id)
    assert len(token) == 64
    assert stat.S_IMODE((tmp_path / "home" / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        home.token()
        (home.root / "token").chmod(0o644)
        with pytest.raises(Refused) as refused:
            home.token()
    assert "chmod 600" in refused.value.hint


def test_a_home_in_use_is_refused_and_says_by_whom(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as first:
        first.announce("http://127.0.0.1:4242", "1.2.3")
        with pytest.raises(Conflict) as refused, Home(tmp_path / "home"):
            pass
    assert str(os.getpid()) in refused.value.message
    assert "http://127.0.0.1:4242" in refused.value.message
    assert "qd down" in refused.value.hint


def test_a_home_is_free_again_after_its_server_has_ended(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as first:
        first.announce("http://127.0.0.1:4242", "1.2.3")
    assert not (tmp_path / "home" / "server.json").exists()
    with Home(tmp_path / "home"):
        pass


def test_server_json_says_url_pid_and_version(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        home.announce("http://127.0.0.1:4242", "1.2.3")
        content = json.loads((tmp_path / "home" / "server.json").read_text())
    assert content == {"url": "http://127.0.0.1:4242", "pid": os.getpid(), "version": "1.2.3"}


def test_a_home_remembers_its_store_and_refuses_another(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        assert home.store_url("postgresql://one/db") == "postgresql://one/db"
        assert home.store_url(None) == "postgresql://one/db"
        with pytest.raises(Refused, match="another store"):
            home.store_url("postgresql://two/db")
        assert stat.S_IMODE((home.root / "store").stat().st_mode) == 0o600


def test_a_home_with_a_database_of_its_own_refuses_another(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        url = home.store_url(None)
        assert url.startswith("sqlite:////")
        (home.root / "quarterdeck.db").touch()
        with pytest.raises(Refused, match="another store"):
            home.store_url("postgresql://one/db")
        assert home.store_url(url) == url


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be used"), Home(tmp_path / "file" / "home"):
        pass
