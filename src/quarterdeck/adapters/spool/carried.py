"""The runner as one file that any node can run, where the house itself is not installed.

A zipapp of the standard library's kind (PEP 441) on the site's folder. Its name holds a digest of
what is in it, so what runs keeps its own version, and two servers do not write over each other.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import quarterdeck
from quarterdeck.adapters.spool.plain import write_plain

if TYPE_CHECKING:
    from quarterdeck.adapters.spool.paths import SitePaths

RUNNER: Final = Path(quarterdeck.__file__).parent / "runner"
_MAIN: Final = "import sys\nfrom runner.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
_MADE: Final = (1980, 1, 1, 0, 0, 0)


def carry_runner(paths: SitePaths) -> Path:
    """Put it there unless it is; says where."""
    content = _pack()
    digest = hashlib.sha256(content).hexdigest()[:16]
    target = paths.run / f"runner-{digest}.pyz"
    if not target.exists():
        write_plain(target, content, mode=0o644, levels=1)
    return target


def _pack() -> bytes:
    """The same bytes for the same sources."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _MADE), _MAIN)
        for source in sorted(RUNNER.glob("*.py")):
            name = zipfile.ZipInfo(f"runner/{source.name}", _MADE)
            archive.writestr(name, source.read_text(encoding="utf-8"))
    return stream.getvalue()
