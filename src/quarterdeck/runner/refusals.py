"""Why ranks cannot be started as they were asked for. Apart from what raises it, so that a runner
that needs none of that does not load it."""

from __future__ import annotations


class LauncherRefused(OSError):
    """The launcher is not there, or said why not."""


class NotEnclosed(Exception):
    """The ranks cannot be given the image or the file system of their own that was asked for; the
    text says what to do."""
