"""Family 24, what applies: a dependency that somebody else has published under a likely name."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {
    "alembic", "annotated-doc", "annotated-types", "anyio", "cffi", "click", "cryptography",
    "editables", "fastapi", "h11", "hatchling", "httpcore2", "httpx2", "idna", "mako",
    "markupsafe", "msgspec", "numpy", "nvidia-ml-py", "opentelemetry-api", "packaging", "pathspec",
    "pluggy", "pycparser", "pydantic", "pydantic-core", "ruamel-yaml", "sqlalchemy",
    "starlette", "tomlkit", "trove-classifiers", "truststore", "typing-extensions",
    "typing-inspection", "uvicorn",
}  # fmt: skip
"""What a server is made of. Another name belongs here only after somebody has looked who it is."""
LOCKS = ("base.txt", "demo.txt", "dev.txt")
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([0-9][0-9a-z.]*)( ; [^\\]+)? \\$")


def names_of(path: Path) -> dict[str, str]:
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            match = _PINNED.match(line)
            assert match is not None, f"{path.name}: not a name and one version: {line}"
            found[match[1]] = match[2]
    return found


def test_a_server_is_made_of_known_packages(root: Path) -> None:
    assert set(names_of(root / "requirements" / "base.txt")) == KNOWN


@pytest.mark.parametrize("lock", LOCKS)
def test_a_package_is_what_it_was_when_it_was_locked(root: Path, lock: str) -> None:
    text = (root / "requirements" / lock).read_text()
    names = names_of(root / "requirements" / lock)
    blocks = re.split(r"(?m)^(?=[a-z0-9])", text)
    hashed = [block for block in blocks if "--hash=sha256:" in block]
    assert len(hashed) == len(names)
    for word in ("http://", "https://", "git+", "@ file:", "--index", "--find-links", "--trusted"):
        assert word not in text


def test_what_is_asked_for_is_what_is_locked(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[^a-z0-9.-]", one)[0].replace(".", "-") for one in project["dependencies"]}
    assert asked <= KNOWN


def test_the_makefile_installs_by_hash_only(root: Path) -> None:
    assert "--require-hashes" in (root / "Makefile").read_text()
