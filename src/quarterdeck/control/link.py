"""The embedded site's way to its control plane: the same exchange that a remote site makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from quarterdeck.control.dispatch import dispatch
from quarterdeck.control.reconcile import reconcile

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.ports.site import Desired, Report


class PlaneLink:
    """A `ControlLink` to the control plane of this process."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def exchange(self, report: Report) -> Desired:
        """Take in the report, then say what should be."""
        reconcile(self._plane, report)
        return dispatch(self._plane, report.site, report.cursor)

    def open_blob(self, digest: str) -> BinaryIO:
        """Bytes from the control plane's blobs."""
        return self._plane.blobs.open(digest)
