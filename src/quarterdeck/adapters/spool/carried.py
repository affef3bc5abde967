"""The runner as a folder that any node can run, where the house itself is not installed.

It lies in the site's folder, with what our version of Python makes of each module; another one
makes its own beside that, once. A zip would be one file, but Python reads each module of one twice.
Its name holds a digest of what is in it, so what runs keeps its own version, and two servers do not
write over each other.
"""

from __future__ import annotations

import errno
import hashlib
import marshal
import os
import secrets
import struct
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from typing import TYPE_CHECKING, Final

import quarterdeck
from quarterdeck.adapters.spool.plain import open_folder, remove_tree, write_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.adapters.spool.paths import SitePaths

RUNNER: Final = Path(quarterdeck.__file__).parent / "runner"
_MAIN: Final = "import sys\nfrom runner.__main__ import leave, main\nleave(main(sys.argv[1:]))\n"
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from runner.__main__ import leave, main; "
    "del sys.path[0]; leave(main(sys.argv[1:]))"
)
"""What `_MAIN` does, without what Python loads to run a folder: `runpy`, and with that a quarter of
all that a runner would load."""


def carry_runner(paths: SitePaths) -> Path:
    """Put it there unless it is; says where."""
    sources = {path.name: path.read_bytes() for path in sorted(RUNNER.glob("*.py"))}
    digest = hashlib.sha256(MAGIC_NUMBER)
    for name, source in sources.items():
        digest.update(b"%s %d\n%s" % (name.encode(), len(source), source))
    target = paths.run / f"runner-{digest.hexdigest()[:16]}"
    if target.is_symlink() or not target.is_dir():
        _put(target, _lay_out(sources))
    return target


def start_words(python: str, runner: Path, words: Sequence[str]) -> list[str]:
    """What starts the runner that `carry_runner` put there with these words, quickly: it is done
    for each batch job. `python RUNNER WORDS` does the same."""
    return [python, "-I", "-S", "-c", _START, str(runner), *words]


def _lay_out(sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, by their place in the folder."""
    files = {"__main__.py": _MAIN.encode()}
    for name, source in sources.items():
        files[f"runner/{name}"] = source
        files[cache_from_source(f"runner/{name}", optimization="")] = _compile(name, source)
    return files


def _compile(name: str, source: bytes) -> bytes:
    """The module in the form that our version of Python starts from, in a quarter of the time.
    Such a file belongs to its source unchecked: PEP 552."""
    code = compile(source, f"runner/{name}", "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + struct.pack("<L8s", 1, source_hash(source)) + marshal.dumps(code)


def _put(target: Path, files: Mapping[str, bytes]) -> None:
    """All of it or nothing, unless another server was quicker."""
    new = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    with open_folder(target.parent, levels=1) as above:
        try:
            for folder in sorted({Path(name).parent for name in files}):
                _make_folder(new / folder, levels=1 + len(folder.parts))
            for name, content in files.items():
                write_plain(new / name, content, mode=0o644, levels=1 + len(Path(name).parts))
            with suppress(OSError):  # A link that somebody has planted; a folder stays.
                os.unlink(target.name, dir_fd=above)
            os.rename(new.name, target.name, src_dir_fd=above, dst_dir_fd=above)
        except OSError as error:
            remove_tree(new.name, above)
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def _make_folder(folder: Path, levels: int) -> None:
    with open_folder(folder.parent, levels) as above:
        os.mkdir(folder.name, dir_fd=above)
    with open_folder(folder, levels + 1) as handle:
        os.fchmod(handle, 0o755)  # Whatever is usual here.
