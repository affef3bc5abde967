"""prctl(2), of which Python knows nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _load() -> tuple[Callable[..., int], Callable[[], int]]:
    """The function, and what says why it failed. By what `ctypes` is made of, as `ctypes` itself
    makes much that nobody needs here: it takes a tenth of the time in which a short command is
    run. Where that is not as it was, by `ctypes`."""
    try:
        import _ctypes

        class Number(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
            _type_ = "i"

        class Function(_ctypes.CFuncPtr):
            _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
            _restype_ = Number

        found = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        return Function(found), _ctypes.get_errno
    except (ImportError, AttributeError, TypeError):
        import ctypes

        return ctypes.CDLL(None, use_errno=True).prctl, ctypes.get_errno


_prctl, _get_errno = _load()


def become_subreaper() -> None:
    """Orphans among our descendants become our children instead of init's."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(_get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent() -> None:
    """SIGKILL this process when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
