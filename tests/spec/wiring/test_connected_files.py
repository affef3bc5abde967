"""The file of a connected site: read as it was written, and what is wrong with one is placed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid
from quarterdeck.wiring.connected.building import make_paths, make_settings
from quarterdeck.wiring.connected.engines import OF_PILOT
from quarterdeck.wiring.connected.entry import (
    KEYS,
    SiteEntry,
    check_name,
    make_entry,
    read_entry,
    write_entry,
)

FILE = "/home/sites/hpc.yaml"
LEAST = "engine: slurm\nfolder: /shared\n"
ALL = {
    "engine": "slurm",
    "folder": "/shared/qd",
    "country": "DE",
    "region": "Bavaria: 'south'",
    "partition": "gpu",
    "account": "lab",
    "qos": "high",
    "reservation": "ours",
    "python": "/opt/python3/bin/python3",
    "path": "/opt/bin:/usr/bin",
    "hardware": "dgx-a100",
    "slurm_conf": "/etc/slurm/slurm.conf",
    "programs": "/opt/slurm/bin",
    "server_url": "https://login1:8080",
    "silence": "90s",
    "patience": "5m",
    "poll": "0.5s",
}


def read(text: str) -> SiteEntry:
    return read_entry(text.encode(), FILE, "hpc")


def test_the_least_that_a_file_says() -> None:
    entry = read(LEAST)
    assert (entry.name, entry.engine, entry.folder) == ("hpc", "slurm", Path("/shared"))
    assert (entry.silence_s, entry.patience_s, entry.poll_s) == (60.0, 120.0, 2.0)
    assert write_entry(entry).splitlines() == ['engine: "slurm"', 'folder: "/shared"']
    assert make_paths(entry).root == Path("/shared/hpc")


def test_every_key_is_written_and_read_again() -> None:
    assert set(ALL) == set(KEYS) - set(OF_PILOT)
    entry = make_entry("hpc", dict(ALL))
    assert read(write_entry(entry)) == entry
    settings = make_settings(entry)
    assert (settings.silence_s, settings.patience_s, settings.poll_s) == (90.0, 300.0, 0.5)
    assert (settings.partition, settings.path) == ("gpu", "/opt/bin:/usr/bin")
    assert settings.hardware is not None
    assert settings.hardware.gpu_model.startswith("A100")


@given(
    st.integers(0, 10**9),
    st.text(st.characters(blacklist_categories=["C", "Z"]), max_size=200),
)
def test_what_is_made_is_read_as_it_was(poll_ms: int, region: str) -> None:
    seconds = f"{poll_ms // 1000}.{poll_ms % 1000:03d}s"
    try:
        entry = make_entry("hpc", {**ALL, "poll": seconds, "region": region})
    except Invalid as error:
        assert error.field in ("poll", "region")  # noqa: PT017 - any other is the failure
        return
    assert read(write_entry(entry)) == entry


@pytest.mark.parametrize(
    ("text", "place", "told", "field"),
    [
        (LEAST + "partitoin: gpu\n", "3:1", "there is no key partitoin", "partitoin"),
        (LEAST + "poll: 5\n", "3:7", "poll is 5", "poll"),
        (LEAST + "silence: -3s\n", "3:10", "silence is '-3s'", "silence"),
        (LEAST + "country: Germany\n", "3:10", "country is 'Germany'", "country"),
        (LEAST + "country: de\n", "3:10", "country is 'de'", "country"),
        (LEAST + "partition: 'a b'\n", "3:12", "partition is 'a b'", "partition"),
        (LEAST + "partition: --uid=0\n", "3:12", "partition is '--uid=0'", "partition"),
        (LEAST + "hardware: dgx-z9\n", "3:11", "no type of hardware", "hardware"),
        (LEAST + "path: bin:/usr/bin\n", "3:7", "path is 'bin:/usr/bin'", "path"),
        (LEAST + "server_url: ftp://x\n", "3:13", "server_url is", "server_url"),
        (LEAST + "python: [a]\n", "3:9", "one value is wanted", "python"),
        (LEAST + "python: null\n", "3:9", "has no value", "python"),
        (LEAST + "folder: /b\n", "3:1", "is there twice", "folder"),
        ("engine: pbs\nfolder: /a\n", "1:9", "no engine of this version", "engine"),
        ("engine: slurm\nfolder: shared\n", "2:9", "folder is 'shared'", "folder"),
        ("engine: slurm\n", "1:1", "folder is missing", "folder"),
        ("folder: /a\n", "1:1", "engine is missing", "engine"),
        ("- engine\n", "1:1", "not one mapping", None),
        ("", "1:1", "not one mapping", None),
        (LEAST + "---\n" + LEAST, "1:1", "not one mapping", None),
        (LEAST + "region: [open\n", "4:1", "", None),
        (LEAST + "#" * (1 << 16), "1:1", "larger than 65536 bytes", None),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_key(
    text: str, place: str, told: str, field: str | None
) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    error = caught.value
    assert error.message.startswith(f"{FILE}:{place}"), error.message
    assert told in error.message
    assert error.hint
    if field is not None:
        assert error.field == field


def test_a_value_of_the_command_line_is_told_with_its_key() -> None:
    for key, value in (("poll", "2"), ("country", "D"), ("folder", "x"), ("account", "a;b")):
        with pytest.raises(Invalid) as caught:
            make_entry("hpc", {**ALL, key: value})
        assert caught.value.field == key
        assert caught.value.hint
    with pytest.raises(Invalid, match="engine is missing"):
        make_entry("hpc", {"folder": "/a"})


@pytest.mark.parametrize("name", ["local", "", "../a", "a/b", "a b", ".a", "x" * 64])
def test_what_is_no_name_of_a_site(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_name(name)
    assert caught.value.field == "name"


@given(st.binary(max_size=300))
def test_no_bytes_are_worse_than_invalid(content: bytes) -> None:
    with pytest.raises(Invalid):
        read_entry(content + b"\nxx: 1", FILE, "hpc")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("silence", "1s", "runners beat every 10 s"),
        ("patience", "0s", "Slurm starts jobs in turns"),
        ("poll", "0.1s", "each look costs"),
        ("python", " ", "python is"),
        ("python", "-c", "python is"),
    ],
)
def test_what_could_only_break_a_site_is_refused(key: str, value: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        make_entry("hpc", {"engine": "slurm", "folder": "/shared", key: value})
    assert refused.value.field == key
    assert refused.value.hint
