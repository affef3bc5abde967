"""What opening a store makes, brings up to date, and refuses."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from quarterdeck.adapters.stores.sql.database import open_database
from quarterdeck.adapters.stores.sql.network_mount import refuse_network_mount
from quarterdeck.adapters.stores.sql.schema import metadata
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.basics.errors import Invalid, QuarterdeckError, Refused, Unavailable
from quarterdeck.testing.builders import a_job
from quarterdeck.testing.conformance.store_steps import submit

if TYPE_CHECKING:
    from quarterdeck.testing.postgres import PostgresServer

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/local rw,relatime - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/with\040space rw - cifs //server/share rw
33 22 0:42 / /mnt/remote rw - fuse.sshfs me@host:/ rw
34 22 0:43 / /mnt/archive rw - fuse.squashfuse /dev/x ro
35 22 0:44 / /stacked rw - nfs server:/x rw
36 22 8:3 / /stacked rw - ext4 /dev/sdc1 rw
37 22 0:45 / /mnt/c rw - 9p drvfs rw
"""


@pytest.mark.parametrize(
    "path",
    ["/home", "/home/ada/.quarterdeck", "/mnt/with space/qd", "/mnt/remote/qd", "/mnt/c/Users"],
)
def test_a_home_on_a_network_file_system_is_refused_with_a_hint(path: str) -> None:
    with pytest.raises(Refused, match="network file system") as caught:
        refuse_network_mount(Path(path), MOUNTS)
    assert caught.value.code == "network_file_system"
    assert "local disk" in caught.value.hint
    assert "postgresql://" in caught.value.hint


@pytest.mark.parametrize("path", ["/", "/home/local/qd", "/homework", "/mnt/archive", "/stacked/a"])
def test_a_home_on_a_local_disk_is_fine(path: str) -> None:
    refuse_network_mount(Path(path), MOUNTS)


def test_a_sandbox_whose_root_is_a_9p_file_system_is_fine() -> None:
    refuse_network_mount(Path("/root"), "22 1 0:1 / / rw - 9p none rw")


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    check_tables(str(tmp_path / "store.db"))


@pytest.mark.needs_postgres
def test_migrations_make_the_tables_of_the_schema_on_postgres(postgres: PostgresServer) -> None:
    address = postgres.new_database()
    open_store(address).close()
    check_tables(address)


def check_tables(address: str) -> None:
    database = open_database(address)
    with database.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    database.close()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_store(path).close()
    other = sqlite3.connect(path)
    other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.commit()
    with pytest.raises(Refused, match="9999") as caught:
        open_store(path)
    assert caught.value.code == "store_too_new"
    assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    other.close()


def test_a_store_is_for_its_owners_eyes_only(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = open_store(path)
    submit(store, 1)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes["store.db"] == modes["store.db-wal"] == 0o600
    store.close()


@pytest.mark.parametrize("name", ["a?b=c", "100%25", "with space", "ünï#1"])
def test_any_folder_name_may_be_in_the_path(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    submit(store, 1)
    store.close()
    assert sorted(path.name for path in folder.iterdir()) == ["store.db"]
    assert open_store(folder / "store.db").find_job(a_job().id) == a_job()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("some words that are no database" * 100)
    with pytest.raises(Refused, match="not a database"):
        open_store(tmp_path / "store.db")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        open_store(tmp_path / "nowhere" / "store.db")


@pytest.mark.parametrize("address", ["mysql://me@host/db", "sqlite://", "sqlite:///", "x://"])
def test_an_address_of_no_kind_that_is_known_is_invalid(address: str) -> None:
    with pytest.raises(Invalid, match="no address of a store"):
        open_store(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:s3cr3t@127.0.0.1:1/db",
        "postgresql://me:s3cr3t@host:port/db",
        "postgresql://me:s3cr3t@@@[/db",
        "postgresql://me@127.0.0.1:1/db?password=s3cr3t",
        "postgresql://me:s3cr3t@127.0.0.1:1/db?sslmode=wrong",
    ],
)
def test_the_password_of_an_address_is_never_shown(address: str) -> None:
    with pytest.raises((Invalid, Refused, Unavailable)) as caught:
        open_store(address)
    error: BaseException | None = caught.value
    while error is not None:
        shown = f"{error} {error!r} {getattr(error, 'hint', '')}"
        assert "s3cr3t" not in shown
        error = error.__cause__


@pytest.mark.needs_postgres
def test_a_wrong_password_is_unavailable_and_not_shown(postgres: PostgresServer) -> None:
    address = postgres.new_database()
    user, _, rest = address.partition("@")
    wrong = f"{user.rpartition(':')[0]}:s3cr3t@{rest}"
    with pytest.raises(Unavailable, match="authentication") as caught:
        open_store(wrong)
    assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__}"


def open_together(address: str, count: int) -> list[QuarterdeckError | int]:
    """Open a new store from several threads at once, and write one job from each."""
    ready = threading.Barrier(count)
    outcomes: list[QuarterdeckError | int] = []

    def one(number: int) -> None:
        ready.wait(30)
        try:
            store = open_store(address)
            submit(store, number)
            store.close()
            outcomes.append(number)
        except QuarterdeckError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


@pytest.mark.needs_postgres
def test_servers_that_start_together_on_a_new_postgres_all_start(postgres: PostgresServer) -> None:
    address = postgres.new_database()
    assert sorted(map(str, open_together(address, 4))) == ["0", "1", "2", "3"]
    assert open_store(address).head() == 4


def test_a_start_needs_no_alembic_once_the_tables_are_there(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    code = (
        "import sys; from quarterdeck.adapters.stores.sql.store import open_store;"
        "open_store(sys.argv[1]).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "store.db")], check=True)
