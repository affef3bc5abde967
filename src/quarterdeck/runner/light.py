"""What the standard library has too, without the time that loading it takes: `contextlib` brings
`collections` and `functools`, and `signal` brings `enum`. On a cluster a runner starts anew for
each job, and one whose command is short lives about as long as its imports take."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import TracebackType
else:
    import _signal as signal  # All of it but the names of what it returns.

__all__ = ["signal", "suppress"]


class suppress:  # noqa: N801 - as it is known
    """As `contextlib.suppress`."""

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return kind is not None and issubclass(kind, self._kinds)
