"""A batch script on disk: whether a file is one, and what travels with its job.

The work folder is the folder that it was submitted in, or that --chdir names, as a snapshot.
Beside it go, in a folder of their own, the script as it was at that moment, its facts, and the
programs that it finds inside (`quarterdeck.batch`), which need nothing of the node but Python.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import quarterdeck
from quarterdeck.basics.errors import Invalid
from quarterdeck.sdk.jobfile import JobFile, read_bytes
from quarterdeck.sdk.sbatch.directives import MAGIC, read_script, read_words
from quarterdeck.sdk.sbatch.options import ALIASES, BY_NAME
from quarterdeck.sdk.sbatch.request import FOLDER, Around, Batch, to_batch
from quarterdeck.sdk.workdir import Snapshot, join, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.sdk.sbatch.directives import Given

CARRIED_BESIDE: Final = ("basics/errors.py", "core/cluster/hostlist.py")
"""Modules of the house that know nothing but the standard library, and are needed inside too."""
_YAML: Final = (".yaml", ".yml")
_MAIN: Final = "from quarterdeck.batch.main import main\n\nmain()\n"


@dataclass(frozen=True, slots=True)
class Script:
    """A script that was read: its job, and its bytes."""

    job: JobFile
    batch: Batch
    content: bytes
    folder: Path
    start: str
    """Where in the folder it begins, `.` for the top."""

    def has_place(self, field: str) -> bool:
        """Whether a line of the script says what this field of the job is."""
        path = tuple(field.split("."))
        return any(path[: len(at)] == at or at[: len(path)] == path for at in self.batch.places)


def may_be_script(path: Path) -> bool:
    """Whether a file of this name may be a batch script."""
    return path.suffix.lower() not in _YAML


def is_script(path: Path) -> bool:
    """Whether the file is a batch script rather than a job file."""
    if not may_be_script(path):
        return False
    content = read_bytes(path)
    return content.startswith(b"#!") or f"\n{MAGIC}".encode() in b"\n" + content


def load_script(
    path: Path, words: Sequence[str], arguments: Sequence[str], ignored: Sequence[str] = ()
) -> Script:
    """Read the script and the options that were typed. `Invalid` names line, option, value."""
    content = read_bytes(path)
    typed, written = read_words(words), read_script(content, str(path))
    names = [_known(name) for name in ignored]
    around = Around(path.name, arguments, os.environ, socket.gethostname())
    batch = to_batch(_without(written, names), _without(typed, names), around)
    folder, start = _place(Path.cwd(), batch.chdir)
    job = JobFile(str(path), batch.request, str(folder), batch.places)
    return Script(job, batch, content, folder, start)


@contextmanager
def take_script(script: Script, *, with_folder: bool = True) -> Iterator[Snapshot]:
    """The snapshot that travels; the files beside it lie on disk as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="qd-submit-") as made:
        top = Path(made)
        _pack(script, top / FOLDER)
        beside = take_snapshot(top)
        yield join(take_snapshot(script.folder), beside) if with_folder else beside


def _pack(script: Script, folder: Path) -> None:
    source = Path(quarterdeck.__file__).parent
    library = folder / "lib"
    package = library / "quarterdeck"
    shutil.copytree(source / "batch", package / "batch", ignore=_no_cache)
    for name in CARRIED_BESIDE:
        place = package / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, place)
        for above in place.relative_to(package).parents:
            (package / above / "__init__.py").touch()
    (library / "__main__.py").write_text(_MAIN, encoding="utf-8")
    place = folder / "script"
    place.write_bytes(script.content)
    place.chmod(0o755)
    facts = json.dumps(script.batch.facts | {"start": script.start}, indent=1)
    (folder / "job.json").write_text(facts, encoding="utf-8")


def _no_cache(_folder: Any, names: list[str]) -> list[str]:  # noqa: ANN401 - shutil's word
    return [name for name in names if not name.endswith(".py")]


def _place(here: Path, chdir: str | None) -> tuple[Path, str]:
    """The folder that travels, and where in it the script begins. A relative path below the folder
    of submission is only where it begins, so that it finds the rest; an absolute one says itself
    what is to travel, from wherever it is submitted."""
    if chdir is None:
        return here, "."
    wanted = Path(os.path.normpath(here / chdir))
    if wanted.is_relative_to(here) and not Path(chdir).is_absolute():
        return here, str(wanted.relative_to(here))
    return wanted, "."


def _known(name: str) -> str:
    name = name.removeprefix("--")
    name = ALIASES.get(name, name)
    if name not in BY_NAME:
        raise Invalid(
            f"--ignore {name[:80]!a}: sbatch has no such option that is known here",
            field="ignore",
            hint="write the long name, for example --ignore nodelist",
        )
    return name


def _without(given: list[Given], ignored: Sequence[str]) -> list[Given]:
    return [one for one in given if one.option.name not in ignored]
