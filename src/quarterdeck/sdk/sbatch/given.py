"""What a script and a command line ask for together: the command line wins, as with sbatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.sdk.sbatch.directives import Given, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable


class Wishes:
    """The options that count, each once, and what is to be said about them."""

    def __init__(self, script: Iterable[Given], line: Iterable[Given]) -> None:
        self._found: dict[str, Given] = {}
        self.warnings: list[str] = []
        for given in script:
            self._found[given.option.name] = given
        typed = list(line)
        groups = {given.option.group for given in typed} - {""}
        for name in [one for one, of in self._found.items() if of.option.group in groups]:
            del self._found[name]
        for given in typed:
            self._found[given.option.name] = given
        self._judge()

    def _judge(self) -> None:
        """Say what changes nothing, and refuse what cannot be had."""
        for given in self._found.values():
            if given.option.warning:
                self.warn(given, given.option.warning)
            elif given.option.refusal:
                hint = f"{given.option.refusal}; or submit with --ignore {given.option.name}"
                raise wrong(given, "that cannot be had here", hint)

    def find(self, name: str) -> Given | None:
        """The option of this name, where it was given."""
        return self._found.get(name)

    def find_one(self, *names: str) -> Given | None:
        """That of these which was given; `Invalid` for two of them."""
        found = [self._found[name] for name in names if name in self._found]
        if len(found) > 1:
            told = f"it does not go with --{found[0].option.name}"
            raise wrong(found[1], told, "leave out one of the two")
        return found[0] if found else None

    def warn(self, given: Given, text: str) -> None:
        """Keep a sentence about an option, with its place."""
        where = f"{given.name}:{given.line}: " if given.line else ""
        self.warnings.append(f"{where}{given}: {text}")

    def lines(self) -> dict[str, int]:
        """Where each stands in the script; those of the command line are left out."""
        return {name: given.line for name, given in self._found.items() if given.line}
