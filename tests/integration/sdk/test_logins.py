"""What `qd login` keeps: who can read it, and when it is what a client goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid, NotAllowed, Refused
from quarterdeck.sdk.find import Address, find_server
from quarterdeck.sdk.logins import Login, Logins, logins_path, read_logins, write_logins
from quarterdeck.sdk.problems import NoServer
from tests.integration.sdk.scripted import TOKEN, make_home

LAB, CLOUD = "https://deck.lab.example", "https://cloud.example:8443"
HOME_URL = "http://127.0.0.1:4711"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("QD_URL", "QD_TOKEN", "QD_HOME", "QD_SERVER", "QD_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def logins() -> Logins:
    kept = Logins({LAB: Login("qd_lab", "ann"), CLOUD: Login("qd_cloud", "ann")}, last=LAB)
    write_logins(kept)
    return kept


def test_what_is_kept_is_read_again(logins: Logins) -> None:
    assert read_logins() == logins


def test_nobody_else_can_read_what_is_kept(config: Path, logins: Logins) -> None:
    path = logins_path()
    assert path == config / "quarterdeck" / "logins.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["logins.json"]


def test_a_file_that_others_may_read_is_not_used(logins: Logins) -> None:
    logins_path().chmod(0o640)
    with pytest.raises(NotAllowed) as caught:
        find_server()
    assert caught.value.code == "open_logins"
    assert "640" in caught.value.message
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"servers": 3}', '{"servers": {"u": {}}}'])
def test_a_file_that_is_none_says_so(logins: Logins, text: str) -> None:
    logins_path().write_text(text)
    with pytest.raises(NotAllowed) as caught:
        read_logins()
    assert caught.value.code == "unreadable_logins"


def test_the_last_logout_leaves_no_file(logins: Logins) -> None:
    write_logins(Logins())
    assert not logins_path().exists()
    assert read_logins() == Logins()


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(Refused) as caught:
        write_logins(Logins({LAB: Login("qd_lab")}, LAB))
    assert caught.value.code == "unwritable_logins"


def test_a_relative_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    assert logins_path() == tmp_path / ".config" / "quarterdeck" / "logins.json"


def test_a_token_is_not_in_what_is_printed_of_a_login(logins: Logins) -> None:
    assert "qd_lab" not in repr(logins) + repr(find_server())


def test_the_last_login_goes_before_the_usual_home(tmp_path: Path, logins: Logins) -> None:
    make_home(tmp_path / ".quarterdeck", HOME_URL)
    assert find_server() == Address(LAB, "qd_lab")
    assert find_server().source == "login"
    write_logins(Logins())
    assert find_server() == Address(HOME_URL, TOKEN)
    assert find_server().source == "home"


def test_a_home_that_is_named_goes_before_the_last_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logins: Logins
) -> None:
    make_home(tmp_path / "named", HOME_URL)
    monkeypatch.setenv("QD_HOME", str(tmp_path / "named"))
    assert find_server() == Address(HOME_URL, TOKEN)
    monkeypatch.setenv("QD_SERVER", CLOUD)
    assert find_server() == Address(CLOUD, "qd_cloud")


@pytest.mark.parametrize("name", [CLOUD, "cloud.example:8443", "CLOUD.example", f"{CLOUD}/"])
def test_a_server_is_named_by_its_address_or_its_host(
    name: str, monkeypatch: pytest.MonkeyPatch, logins: Logins
) -> None:
    monkeypatch.setenv("QD_SERVER", name)
    monkeypatch.setenv("QD_URL", "https://elsewhere.example")
    assert find_server() == Address(CLOUD, "qd_cloud")


def test_a_host_that_is_no_login_or_two_is_asked_about(
    monkeypatch: pytest.MonkeyPatch, logins: Logins
) -> None:
    monkeypatch.setenv("QD_SERVER", "elsewhere.example")
    with pytest.raises(Invalid, match="there is no login"):
        find_server()
    logins.servers["http://cloud.example:80"] = Login("qd_other")
    write_logins(logins)
    monkeypatch.setenv("QD_SERVER", "cloud.example")
    with pytest.raises(Invalid, match="is 2 logins"):
        find_server()


def test_a_logins_token_is_shown_to_its_own_server_alone(
    monkeypatch: pytest.MonkeyPatch, logins: Logins
) -> None:
    monkeypatch.setenv("QD_SERVER", "https://elsewhere.example")
    with pytest.raises(NotAllowed) as caught:
        find_server()
    assert caught.value.code == "no_token"
    assert "qd login https://elsewhere.example" in caught.value.hint
    monkeypatch.setenv("QD_TOKEN", "qd_given")
    assert find_server() == Address("https://elsewhere.example", "qd_given")
    monkeypatch.setenv("QD_SERVER", LAB)
    assert find_server() == Address(LAB, "qd_given")


def test_with_nothing_at_all_it_says_how_to_come_in() -> None:
    with pytest.raises(NoServer) as caught:
        find_server()
    assert "qd login" in caught.value.hint
    assert "qd up" in caught.value.hint


def test_the_file_says_which_version_it_is(logins: Logins) -> None:
    assert json.loads(logins_path().read_text())["version"] == 1
