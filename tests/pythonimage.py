"""An image with this machine's Python and some of the packages of these tests, made without a
registry: the interpreter, its standard library, the packages with all that they need, and the
libraries that all of them are linked to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGES = Path("/packages")
LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "site-packages"}
LEFT_OUT |= {"ensurepip", "config-3.11-x86_64-linux-gnu", "lib2to3", "sample_data"}
CHANGES = (f"ENV PYTHONPATH={PACKAGES}", "ENV PYTHONDONTWRITEBYTECODE=1", "ENV PATH=/bin")
"""For `Podman.import_tar`."""


def write_python(path: Path, *wanted: str) -> Path:
    """A tar file of a root file system in which `python` can import these distributions."""
    executable, shell = Path(sys.executable).resolve(), Path("/bin/sh")
    standard = Path(sysconfig.get_path("stdlib"))
    files = {executable: executable, shell.resolve(): shell, **_list_folder(standard)}
    for name in sorted(_close(wanted)):
        files |= _list_distribution(name)
    with tarfile.open(path, "w") as tar:
        for name in ("tmp", "proc", "dev", "sys", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name in ("bin/python", "bin/python3"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, str(executable)
            tar.addfile(link)
        sources = {target: source for source, target in files.items()}
        sources |= {library: library for library in _find_libraries(files)}
        for target, source in sorted(sources.items()):
            _add(tar, source, target)
    return path


def _close(wanted: Iterable[str]) -> set[str]:
    """These and all that they need and that is installed."""
    found: set[str] = set()
    left = list(wanted)
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        left += [re.split(r"[^A-Za-z0-9._-]", need)[0] for need in needs if "extra ==" not in need]
    return found


def _list_distribution(name: str) -> dict[Path, Path]:
    own = distribution(name).files or []
    return {
        Path(str(file.locate())): PACKAGES / file
        for file in own
        if not set(file.parts) & LEFT_OUT and ".." not in file.parts and file.suffix != ".pyi"
    }


def _list_folder(top: Path) -> dict[Path, Path]:
    files: dict[Path, Path] = {}
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        files |= {Path(folder, name): Path(folder, name) for name in sorted(names)}
    return files


def _add(tar: tarfile.TarFile, source: Path, target: Path) -> None:
    info = tar.gettarinfo(source.resolve(), str(target).lstrip("/"))
    info.uid = info.gid = 0
    info.mode |= 0o444
    with source.open("rb") as stream:
        tar.addfile(info, stream)


def _find_libraries(files: Iterable[Path]) -> set[Path]:
    """What the dynamic linker would load for them from outside of them."""
    binaries = [str(file) for file in files if ".so" in file.name or os.access(file, os.X_OK)]
    done = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True)
    words = {word for line in done.stdout.splitlines() for word in line.split()}
    paths = {Path(os.path.normpath(word)) for word in words if word[:1] == "/" and word[-1] != ":"}
    packages = Path(sysconfig.get_path("platlib"))
    return {path for path in paths if path.is_file() and packages not in path.parents}
