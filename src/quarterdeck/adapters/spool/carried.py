"""The runner as one file that any node can run, where the house itself is not installed.

A zipapp of the standard library's kind (PEP 441) on the site's folder. Its name holds a digest of
what is in it, so what runs keeps its own version, and two servers do not write over each other.
"""

from __future__ import annotations

import hashlib
import io
import marshal
import struct
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import TYPE_CHECKING, Final

import quarterdeck
from quarterdeck.adapters.spool.plain import write_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.adapters.spool.paths import SitePaths

RUNNER: Final = Path(quarterdeck.__file__).parent / "runner"
_MAIN: Final = "import sys\nfrom runner.__main__ import leave, main\nleave(main(sys.argv[1:]))\n"
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from runner.__main__ import leave, main; "
    "del sys.path[0]; leave(main(sys.argv[1:]))"
)
"""What `_MAIN` does, without what Python loads to run a file that is an archive: `runpy`, and with
that a quarter of all that a runner would load."""
_MADE: Final = (1980, 1, 1, 0, 0, 0)


def carry_runner(paths: SitePaths) -> Path:
    """Put it there unless it is; says where."""
    sources = {path.name: path.read_bytes() for path in sorted(RUNNER.glob("*.py"))}
    digest = hashlib.sha256(MAGIC_NUMBER)
    for name, source in sources.items():
        digest.update(b"%s %d\n%s" % (name.encode(), len(source), source))
    target = paths.run / f"runner-{digest.hexdigest()[:16]}.pyz"
    if not target.exists():
        write_plain(target, _pack(sources), mode=0o644, levels=1)
    return target


def start_words(python: str, runner: Path, words: Sequence[str]) -> list[str]:
    """What starts the file that `carry_runner` wrote with these words, quickly: it is done for each
    batch job. `python RUNNER WORDS` does the same."""
    return [python, "-I", "-S", "-c", _START, str(runner), *words]


def _pack(sources: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _MADE), _MAIN)
        for name, source in sources.items():
            archive.writestr(zipfile.ZipInfo(f"runner/{name}", _MADE), source)
            archive.writestr(zipfile.ZipInfo(f"runner/{name}c", _MADE), _compile(name, source))
    return stream.getvalue()


def _compile(name: str, source: bytes) -> bytes:
    """The module in the form that our version of Python starts from, in half the time; any other
    one takes the source. Such a file belongs to its source unchecked: PEP 552."""
    code = compile(source, f"runner/{name}", "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + struct.pack("<L8s", 1, source_hash(source)) + marshal.dumps(code)
