"""What a job can import of Quarterdeck, whichever Python it runs: the module `quarterdeck.job`.

A folder at the end of the job's PYTHONPATH holds a package `quarterdeck` with that one module. It
is made so that an installed Quarterdeck of the same Python is still found behind it
(`pkgutil.extend_path`), and nothing else of the server's Python leaks into the job.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import quarterdeck
from quarterdeck.adapters.spool.plain import write_plain

if TYPE_CHECKING:
    from quarterdeck.adapters.spool.paths import SitePaths

_INIT: Final = '''"""Quarterdeck, as far as it is there inside a job."""

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
__version__ = {version!r}
'''


def make_inside(paths: SitePaths) -> Path:
    """Make the folder as this version has it; what runs keeps what it has imported."""
    folder = paths.run / "inside"
    package = folder / "quarterdeck"
    for place in (folder, package):
        # Whoever could write here would run code as the owner of every job.
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
    module = Path(quarterdeck.__file__).with_name("job.py").read_text(encoding="utf-8")
    for name, text in (
        ("__init__.py", _INIT.format(version=quarterdeck.__version__)),
        ("job.py", module),
    ):
        write_plain(package / name, text.encode(), mode=0o644, levels=3)
    return folder
