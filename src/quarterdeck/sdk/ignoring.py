"""What of a work folder stays behind: `.gitignore` and `.qdignore`, as git reads them.

In each folder `.qdignore` is read after `.gitignore`, so it can bring back what git leaves out. A
file nearer to the path decides before one further up, and nothing below a folder that is left out
is looked at. When the work folder lies inside a git repository, the `.gitignore` files above it
count as well. `.git` is always left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_bytes

if TYPE_CHECKING:
    from pathlib import Path

IGNORE_FILES: Final = (".gitignore", ".qdignore")
IGNORE_BYTES_MAX: Final = 2**20
ALWAYS_OUT: Final = ".git"


@dataclass(frozen=True, slots=True)
class Rules:
    """The ignore files that count in one folder, nearest first. `prefix` is where each lies, as
    `a/b/` relative to the topmost of them."""

    layers: tuple[tuple[str, GitIgnoreSpec], ...]
    here: str

    def leaves_out(self, name: str, *, is_folder: bool) -> bool:
        """Whether this entry of the folder stays behind."""
        if name == ALWAYS_OUT:
            return True
        path = self.here + name + ("/" if is_folder else "")
        for prefix, spec in self.layers:
            verdict = spec.check_file(path[len(prefix) :]).include
            if verdict is not None:
                return verdict
        return False

    def enter(self, folder: Path, name: str) -> Rules:
        """The rules of a folder inside this one."""
        return _with_files(Rules(self.layers, f"{self.here}{name}/"), folder, IGNORE_FILES)


def rules_of(root: Path) -> Rules:
    """The rules of the work folder itself."""
    above = Rules((), "")
    for folder in _folders_above(root):
        above = Rules(above.layers, f"{above.here}{folder.name}/")
        above = _with_files(above, folder, (".gitignore",))
    own = Rules(above.layers, f"{above.here}{root.name}/")
    if above.leaves_out(root.name, is_folder=True):
        # It was chosen all the same, so what is said about the folder itself does not count.
        own = Rules((), own.here)
    return _with_files(own, root, IGNORE_FILES)


def _folders_above(root: Path) -> list[Path]:
    """From the top of the git repository down to the parent of `root`; none outside of one."""
    if (root / ALWAYS_OUT).exists():
        return []
    above = []
    for folder in root.parents:
        above.append(folder)
        if (folder / ALWAYS_OUT).exists():
            return above[::-1]
    return []


def _with_files(rules: Rules, folder: Path, names: tuple[str, ...]) -> Rules:
    lines = [line for name in names for line in _read_lines(folder / name)]
    if not lines:
        return rules
    return Rules(((rules.here, GitIgnoreSpec.from_lines(lines)), *rules.layers), rules.here)


def _read_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(IGNORE_BYTES_MAX + 1)
    except (FileNotFoundError, IsADirectoryError):
        return []
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", field="workdir") from error
    if len(content) > IGNORE_BYTES_MAX:
        raise Invalid(
            f"{path} is larger than {format_bytes(IGNORE_BYTES_MAX)}",
            field="workdir",
            hint="name folders instead of single files",
        )
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    try:
        GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise Invalid(
            f"{path} has a pattern that cannot be understood: {error}",
            field="workdir",
            hint="patterns are those of git",
        ) from error
    return lines
