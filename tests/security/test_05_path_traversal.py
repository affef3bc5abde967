"""Families 5, 6 and 14, MLflow CVE-2023-1177, 2356, 2780, 1176, 6909, 2024-1560, 3848; Aim
CVE-2021-43775; Gradio CVE-2023-51449: a path that leads out of where it should."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.errors import NotFound
from quarterdeck.testing.builders import a_job_id
from tests.security.wire import document, fill, operations

if TYPE_CHECKING:
    from tests.security.wire import Address

UP = 12
TARGET = "etc/passwd"
CORPUS = {
    "dots": "../" * UP + TARGET,
    "dots after a folder": "sub/" + "../" * UP + TARGET,
    "backslashes": "..\\" * UP + TARGET.replace("/", "\\"),
    "mixed slashes": "..\\../" * UP + TARGET,
    "absolute": "/" + TARGET,
    "many slashes": "////" + TARGET,
    "drive": "C:\\Windows\\win.ini",
    "drive with slashes": "C:/Windows/win.ini",
    "UNC": "\\\\127.0.0.1\\c$\\boot.ini",
    "UNC with slashes": "//127.0.0.1/c$/boot.ini",
    "encoded dots": "%2e%2e/" * UP + TARGET,
    "encoded slashes": "..%2f" * UP + TARGET.replace("/", "%2f"),
    "encoded backslashes": "..%5c" * UP + "etc%5cpasswd",
    "all encoded": "%2e%2e%2f" * UP + "etc%2fpasswd",
    "upper case": "%2E%2E%2F" * UP + "etc%2Fpasswd",
    "twice encoded": "%252e%252e%252f" * UP + "etc%252fpasswd",
    "three times encoded": "%25252e%25252e%25252f" * UP + "etc%25252fpasswd",
    "twice encoded slash": "..%252f" * UP + "etc%252fpasswd",
    "overlong slash": "..%c0%af" * UP + "etc%c0%afpasswd",
    "overlong dot": "%c0%ae%c0%ae/" * UP + TARGET,
    "overlong of three": "%e0%80%ae%e0%80%ae/" * UP + TARGET,
    "IIS unicode": "%u002e%u002e%u2215" * UP + TARGET,
    "full width dots": quote("\uff0e\uff0e/") * UP + TARGET,
    "NUL at the end": "../" * UP + TARGET + "%00.txt",
    "NUL after a good name": "sub/out.txt%00/../../" + TARGET,
    "fragment": "sub/out.txt#/" + "../" * UP + TARGET,
    "encoded fragment": "%23/" + "../" * UP + TARGET,
    "query": "%3f/" + "../" * UP + TARGET,
    "file URL": "file:///" + TARGET,
    "file URL with a host": "file://localhost/" + TARGET,
    "dot segments": "./././" + "../" * UP + TARGET,
    "semicolon": "..;/" * UP + TARGET,
    "nested": "....//" * UP + TARGET,
    "proc": "/proc/self/environ",
    "own token": "../../../../../../token",
    "link to a file": "link",
    "link to the root": "root/" + TARGET,
    "pipe": "pipe",
    "empty": "",
    "dot": ".",
    "folder": "sub",
    "long": "a/" * 3000,
    "long name": "a" * 5000,
}


@pytest.mark.parametrize("attack", CORPUS.values(), ids=CORPUS.keys())
def test_path_traversal_no_result_lies_outside(server: Address, job_id: str, attack: str) -> None:
    reply = server.ask(f"/v1/jobs/{job_id}/results/0/{attack}")
    assert reply.status in (400, 404, 414, 422), reply
    assert b"root:" not in reply.body
    assert server.token.encode() not in reply.body


def test_path_traversal_what_was_left_is_there(server: Address, job_id: str) -> None:
    assert server.ask(f"/v1/jobs/{job_id}/results/0/sub/out.txt").body == b"fine\n"
    listed = json.loads(server.ask(f"/v1/jobs/{job_id}/results").body)
    names = {one["path"] for one in listed["files"]}
    assert {"sub/out.txt", "page.html", "picture.svg"} <= names
    assert not names & {"link", "root", "pipe"}


@pytest.mark.parametrize(
    ("method", "path"), [one for one in operations() if one[1].count("{") == 1]
)
def test_path_traversal_no_id_is_a_path(server: Address, method: str, path: str) -> None:
    filled = path.replace("{digest}", "{x}")
    for name, attack in CORPUS.items():
        reply = server.ask(fill(filled, attack or "%20"), method, body=b"{}" * (method == "POST"))
        # `.` and the like make another path of it, which may be one that there is.
        is_other = attack in (".", "", "folder") and reply.status < 300
        assert is_other or reply.status in (400, 404, 405, 414, 422), (name, reply)
        assert b"root:" not in reply.body


@pytest.mark.parametrize("rank", ["..", "0%2f..%2f..", "-1", "00x", "0%00", "1e3", "%30%2f%2e%2e"])
def test_path_traversal_no_replica_is_a_path(server: Address, job_id: str, rank: str) -> None:
    reply = server.ask(f"/v1/jobs/{job_id}/results/{rank}/sub/out.txt")
    assert reply.status in (404, 422), reply


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "a\\..\\..\\x", "a\0b", "", ".", "a//b", "./a", "C:\\x",
     "\\\\host\\x", "a/", "..", "~root/x"],
)  # fmt: skip
def test_path_traversal_no_work_folder_leaves_its_place(server: Address, path: str) -> None:
    """A backslash or `C:` is a plain character of a name here; what is taken stays inside."""
    for entry in ({"path": path, "mode": 420, "size": 0, "digest": "0" * 64},
                  {"path": path, "target": "/etc/passwd"},
                  {"path": "a", "target": f"../{path}"}):  # fmt: skip
        reply = server.ask("/v1/snapshots", "POST", body=json.dumps({"files": [entry]}).encode())
        is_plain = not {".", "..", ""} & set(path.split("/")) and "\0" not in path
        assert reply.status == 422 or (is_plain and reply.status in (200, 201)), (entry, reply)


def test_decoded_twice_only_ids_and_names_are_deleted() -> None:
    """MLflow CVE-2024-1560: no route that deletes takes a path."""
    deleting = [path for method, path in operations() if method == "DELETE"]
    assert deleting
    for path in deleting:
        assert ":path" not in path
        for one in document()["paths"][path]["delete"]["parameters"]:
            is_name = one["name"] in ("dry_run", "team", "user")
            assert is_name or one["name"].endswith("_id"), (path, one["name"])


JOB = a_job_id(1)


@pytest.fixture
def site(tmp_path: Path) -> SitePaths:
    made = SitePaths(tmp_path / "site")
    made.make()
    (made.root / "results" / JOB / "1" / "0").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def results_of(site: SitePaths) -> Path:
    return site.root / "results" / JOB / "1" / "0"


def test_a_link_in_place_of_the_whole_results_folder_leads_nowhere(
    site: SitePaths, tmp_path: Path
) -> None:
    results_of(site).rmdir()
    results_of(site).symlink_to(tmp_path)
    files = SpoolFiles(site)
    assert files.list_results(JOB, 1) == []
    with pytest.raises(NotFound):
        files.open_result(JOB, 1, 0, "secret")


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(site: SitePaths) -> None:
    os.mkfifo(results_of(site) / "out")
    with pytest.raises(NotFound):
        SpoolFiles(site).open_result(JOB, 1, 0, "out")


def test_a_file_that_is_swapped_for_a_link_while_it_is_opened_is_never_the_other_one(
    site: SitePaths, tmp_path: Path
) -> None:
    """A job that still runs swaps a folder, a link and a hard link as fast as it can."""
    folder, ended = results_of(site), threading.Event()
    (folder / "in").mkdir()
    (folder / "in" / "secret").write_bytes(b"fine")
    swap, good = folder / "swap", folder / "in"
    link = folder / "link"

    def swapping() -> None:
        link.symlink_to(tmp_path)
        while not ended.is_set():
            good.rename(swap)
            link.rename(good)
            good.rename(link)
            swap.rename(good)

    files, seen = SpoolFiles(site), set()
    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        for _ in range(3000):
            try:
                with files.open_result(JOB, 1, 0, "in/secret") as stream:
                    seen.add(stream.read())
            except NotFound:
                seen.add(b"")
    finally:
        ended.set()
        thread.join()
    assert seen <= {b"fine", b""}
    assert b"fine" in seen


def test_what_is_open_stays_what_it_was_when_the_name_is_given_to_another(
    site: SitePaths, tmp_path: Path
) -> None:
    (results_of(site) / "out").write_bytes(b"fine")
    with SpoolFiles(site).open_result(JOB, 1, 0, "out") as stream:
        (results_of(site) / "out").unlink()
        os.link(tmp_path / "secret", results_of(site) / "out")
        assert stream.read() == b"fine"
