"""What of a work folder travels with a job."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.sdk import AsyncClient, Client
from quarterdeck.sdk.problems import NotAServer
from quarterdeck.sdk.workdir import SizeLimits, take_snapshot
from tests.integration.sdk.scripted import TOKEN, Answer, as_json, serving

KEPT = {"digest": "d" * 64, "missing": []}


def write(root: Path, **files: str) -> Path:
    """Files by path; `__` in a name is a folder, `_DOT_` a dot."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def paths(root: Path) -> list[str]:
    return [entry.path for entry in take_snapshot(root).request.files]


def refused(root: Path, limits: SizeLimits | None = None) -> Invalid:
    with pytest.raises(Invalid) as caught:
        take_snapshot(root, limits or SizeLimits())
    return caught.value


def test_a_file_is_named_by_its_content_and_keeps_its_permissions(tmp_path: Path) -> None:
    write(tmp_path, a="one", b="")
    (tmp_path / "a").chmod(0o4755)
    (tmp_path / "b").chmod(0o600)
    first, second = take_snapshot(tmp_path).request.files
    assert (first.path, first.mode, first.size) == ("a", 0o755, 3)
    assert first.digest == hashlib.sha256(b"one").hexdigest()
    assert (second.mode, second.size) == (0o600, 0)


def test_the_order_is_that_of_the_paths_as_text(tmp_path: Path) -> None:
    write(tmp_path, a__b="x", a_DOT_txt="x", a__a__c="x", B="x")
    found = paths(tmp_path)
    assert found == sorted(found) == ["B", "a.txt", "a/a/c", "a/b"]


def test_ignore_files_count_where_they_lie(tmp_path: Path) -> None:
    write(
        tmp_path,
        _DOT_gitignore="*.bin\n/top\nbuild/\n",
        keep="x",
        top="x",
        x_DOT_bin="x",
        build__out="x",
        sub__top="x",
        sub__x_DOT_bin="x",
        sub___DOT_gitignore="!x.bin\n",
    )
    assert paths(tmp_path) == [".gitignore", "keep", "sub/.gitignore", "sub/top", "sub/x.bin"]


def test_nothing_is_brought_back_from_a_folder_that_stays_behind(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="data/\n!data/keep\n", data__keep="x", a="x")
    assert paths(tmp_path) == [".gitignore", "a"]


def test_qdignore_adds_and_brings_back(tmp_path: Path) -> None:
    write(tmp_path, _DOT_gitignore="*.bin\n", _DOT_qdignore="!model.bin\nsecret\n")
    write(tmp_path, model_DOT_bin="x", other_DOT_bin="x", secret="x")
    assert paths(tmp_path) == [".gitignore", ".qdignore", "model.bin"]


def test_git_itself_never_travels(tmp_path: Path) -> None:
    write(tmp_path, _DOT_git__config="x", sub___DOT_git="gitdir: y", _DOT_gitignore="!.git\n")
    assert paths(tmp_path) == [".gitignore"]


def test_a_folder_of_a_repository_obeys_the_rules_above_it(tmp_path: Path) -> None:
    write(tmp_path, _DOT_git__config="x", _DOT_gitignore="*.pyc\n/job/local\n")
    write(tmp_path, job__a_DOT_pyc="x", job__local="x", job__run="x")
    assert paths(tmp_path / "job") == ["run"]
    (tmp_path / ".git" / "config").unlink()
    (tmp_path / ".git").rmdir()
    assert paths(tmp_path / "job") == ["a.pyc", "local", "run"]


def test_a_folder_that_git_ignores_travels_when_it_is_chosen(tmp_path: Path) -> None:
    write(tmp_path, _DOT_git__config="x", _DOT_gitignore="out/\n", out__a="x")
    assert paths(tmp_path / "out") == ["a"]


def test_links_inside_are_kept_as_links(tmp_path: Path) -> None:
    write(tmp_path, sub__file="x")
    (tmp_path / "near").symlink_to("sub/file")
    (tmp_path / "folder").symlink_to("sub")
    (tmp_path / "sub" / "up").symlink_to("../near")
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "sub" / "absolute").symlink_to(tmp_path / "near")
    found = {entry.path: entry.target for entry in take_snapshot(tmp_path).request.files}
    assert found == {
        "folder": "sub",
        "near": "sub/file",
        "nowhere": "missing",
        "sub/absolute": "../near",
        "sub/file": None,
        "sub/up": "../near",
    }


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "here/../.."])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    root = write(tmp_path / "root", sub__file="x")
    (root / "here").symlink_to(".")
    (root / "link").symlink_to(target)
    error = refused(root)
    assert "link" in error.message
    assert ".qdignore" in error.hint
    write(root, _DOT_qdignore="/link\n")
    assert "link" not in paths(root)


def test_a_link_that_leads_out_through_another_link_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "root", file="x")
    (root / "here").symlink_to(".")
    (root / "link").symlink_to("here/../outside")
    assert "link" in refused(root).message


def test_a_link_that_no_server_would_take_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    root = write(tmp_path / "root", file="x", a__b__file="x")
    (root / "deep").symlink_to("a/b")
    (root / "link").symlink_to("deep/../../file")
    assert (root / "link").read_text() == "x"
    assert "link" in refused(root).message


def test_what_is_no_file_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is neither" in refused(tmp_path).message
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
        assert "sock is neither" in refused(tmp_path).message


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    assert "not UTF-8" in refused(tmp_path).message


def test_too_much_is_refused_with_the_largest_folders(tmp_path: Path) -> None:
    write(tmp_path, data__a="x" * 3000, data__b="x" * 3000, code__c="x" * 100, d="x" * 2000)
    error = refused(tmp_path, SizeLimits(size_bytes=5000))
    assert "data/ (5.859KiB), d (1.953KiB), code/ (100B)" in error.message
    assert ".qdignore" in error.hint
    assert "--workdir none" in error.hint


def test_too_many_files_are_refused_before_all_are_counted(tmp_path: Path) -> None:
    write(tmp_path, **{f"many__f{number}": "x" for number in range(30)})
    error = refused(tmp_path, SizeLimits(files=10))
    assert "more than 10 files" in error.message
    assert "many/ (11 files)" in error.message


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert "not a folder" in refused(tmp_path / "missing").message
    write(tmp_path, file="x")
    assert "not a folder" in refused(tmp_path / "file").message


def test_only_what_the_server_lacks_is_sent(tmp_path: Path) -> None:
    write(tmp_path, known="known", new="new", twin="new", large="x" * 600_000)
    lacking = [hashlib.sha256(text.encode()).hexdigest() for text in ("new", "x" * 600_000)]
    answers = (
        as_json({"digest": "d" * 64, "missing": lacking}),
        Answer(204),
        Answer(cut=True),
        Answer(204),
        as_json(KEPT, 201),
    )
    with serving(*answers) as script, Client(script.url, TOKEN) as client:
        assert client.upload_snapshot(take_snapshot(tmp_path)) == "d" * 64
    sent = [asked for asked in script.asked if asked.method == "PUT"]
    assert {asked.path.rpartition("/")[2] for asked in sent} == set(lacking)
    assert all(
        hashlib.sha256(asked.body).hexdigest() == asked.path.rpartition("/")[2] for asked in sent
    )
    manifest = json.loads(script.asked[0].body)["files"]
    assert [entry["path"] for entry in manifest] == ["known", "large", "new", "twin"]


def test_the_async_client_sends_the_same(tmp_path: Path) -> None:
    write(tmp_path, new="new")
    lacking = [hashlib.sha256(b"new").hexdigest()]
    answers = (as_json({"digest": "d" * 64, "missing": lacking}), Answer(204), as_json(KEPT, 201))

    async def upload(url: str) -> str:
        async with AsyncClient(url, TOKEN) as client:
            return await client.upload_snapshot(take_snapshot(tmp_path))

    with serving(*answers) as script:
        assert asyncio.run(upload(script.url)) == "d" * 64
    assert [asked.body for asked in script.asked if asked.method == "PUT"] == [b"new"]


@pytest.mark.parametrize("text", ["other", "longer than before", "x", None])
def test_a_file_that_changed_after_it_was_named_is_not_sent_whole(
    tmp_path: Path, text: str | None
) -> None:
    write(tmp_path, file="before")
    snapshot = take_snapshot(tmp_path)
    (tmp_path / "file").unlink()
    if text is not None:
        write(tmp_path, file=text)
    missing = [hashlib.sha256(b"before").hexdigest()]
    answers = (as_json({"digest": "d" * 64, "missing": missing}), Answer(204))
    with (
        serving(*answers) as script,
        Client(script.url, TOKEN) as client,
        pytest.raises(Conflict) as caught,
    ):
        client.upload_snapshot(snapshot)
    assert "file changed" in caught.value.message
    assert all(asked.body != b"before" for asked in script.asked)


def test_a_server_that_is_never_satisfied_is_given_up(tmp_path: Path) -> None:
    write(tmp_path, file="x")
    lacking = as_json({"digest": "d" * 64, "missing": [hashlib.sha256(b"x").hexdigest()]})
    answers = [answer for _ in range(10) for answer in (lacking, Answer(204))]
    with (
        serving(*answers) as script,
        Client(script.url, TOKEN) as client,
        pytest.raises(NotAServer),
    ):
        client.upload_snapshot(take_snapshot(tmp_path))
    assert len(script.asked) == 6
