"""Accounting for a test cluster: MariaDB and slurmdbd, each in the cluster's folder.

slurmdbd.conf(5) of Slurm 22.05. It takes some seconds and 130 MB, so only tests of sacct(1) and of
limits ask for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb", "slurmdbd", "sacctmgr")
PASSWORD = "not-secret"  # of a throwaway server on loopback
DATABASE = "slurm_acct_db"
INSTALL_S_MAX = 120


def config_lines(port: int, munge_socket: Path) -> list[str]:
    """What slurm.conf has to say."""
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={port}",
        # The word for "which munged" on this connection.
        f"AccountingStoragePass={munge_socket}",
        "AccountingStorageTRES=gres/gpu",
        "AccountingStorageEnforce=associations,limits,qos",
        # Without it a job's comment is not kept.
        "AccountingStoreFlags=job_comment",
    ]


def write_slurmdbd_config(folder: Path, port: int, database_port: int, munge_socket: Path) -> Path:
    """The slurmdbd.conf, which only its owner may read."""
    config = folder / "slurmdbd.conf"
    config.touch(0o600)
    user = "root" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    lines = [
        "AuthType=auth/munge",
        f"AuthInfo=socket={munge_socket}",
        "DbdHost=localhost",
        "DbdAddr=127.0.0.1",
        f"DbdPort={port}",
        f"SlurmUser={user}",
        "StorageType=accounting_storage/mysql",
        "StorageHost=127.0.0.1",
        f"StoragePort={database_port}",
        "StorageUser=slurm",
        f"StoragePass={PASSWORD}",
        f"StorageLoc={DATABASE}",
        f"LogFile={folder}/log/slurmdbd.log",
        f"PidFile={folder}/slurmdbd.pid",
    ]
    config.write_text("\n".join(lines) + "\n")
    return config


def make_database(folder: Path, find: dict[str, str]) -> Path:
    """An empty data folder."""
    data = folder / "database"
    data.mkdir()
    command = [
        *(find["mariadb-install-db"], "--no-defaults", f"--datadir={data}"),
        *("--auth-root-authentication-method=normal", "--skip-test-db", *_as_whom()),
    ]
    if os.geteuid() == 0:
        shutil.chown(data, _account())
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S_MAX)
    return data


def database_command(data: Path, port: int, find: dict[str, str]) -> list[str]:
    """The server, as an account that is not root."""
    return [
        *(find["mariadbd"], "--no-defaults", f"--datadir={data}", f"--socket={data}/socket"),
        *("--bind-address=127.0.0.1", f"--port={port}", "--innodb-buffer-pool-size=64M"),
        *("--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900", *_as_whom()),
    ]


def let_in(data: Path, find: dict[str, str]) -> bool:
    """Whether the server answers; then slurmdbd may use its database."""
    grants = " ".join(_grants())
    command = [find["mariadb"], "--no-defaults", "-uroot", "-S", f"{data}/socket", "-e", grants]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0


def _grants() -> Iterator[str]:
    yield f"create database if not exists {DATABASE};"
    for host in ("localhost", "127.0.0.1"):
        yield f"create user if not exists slurm@'{host}' identified by '{PASSWORD}';"
        yield f"grant all on {DATABASE}.* to slurm@'{host}';"


def _as_whom() -> tuple[str, ...]:
    return (f"--user={_account()}",) if os.geteuid() == 0 else ()


def _account() -> str:
    """MariaDB refuses to run as root."""
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise AssertionError("root needs an account 'mysql' or 'nobody' for MariaDB")
