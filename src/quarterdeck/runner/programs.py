"""Programs of the node that enclose commands: how they are asked, and waited for.

They are started with an environment of our own. Nothing that a job or an image says reaches them
there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from .processes import MARK
from .refusals import NotEnclosed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ASK_S_MAX = 60.0
PULL_S_MAX = 1800.0
_KEPT = (
    *("HOME", "LANG", "TMPDIR", "DBUS_SESSION_BUS_ADDRESS"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"),
    *("REGISTRY_AUTH_FILE", "http_proxy", "https_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
_KEPT_SETTINGS = "ENROOT_"


def outside(mark: str = "") -> dict[str, str]:
    """The environment of what runs outside of a container, or starts one."""
    found = {
        name: text
        for name, text in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_SETTINGS)
    }
    found["PATH"] = PATH
    if mark:
        found[MARK] = mark
    return found


def last_line(text: str) -> str:
    """What a program said last, which is why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


def ask(
    *command: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """What a program answers, whatever its code."""
    try:
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment or outside(),
            cwd="/",
            timeout=ASK_S_MAX,
        )
    except subprocess.TimeoutExpired:
        name = os.path.basename(command[0])
        told = "%s does not answer within %d s on this node" % (name, ASK_S_MAX)
        raise NotEnclosed(told) from None


def own_command(*words: str) -> list[str]:
    """What runs a command of this runner."""
    return [sys.executable, "-I", "-S", os.path.dirname(os.path.abspath(__file__)), *words]


class Pull:
    """An image that is being fetched by a program, which says its name on standard output. What it
    says beside that goes into `log`."""

    def __init__(
        self, command: list[str], reference: str, mark: str, log: str, seconds_max: float
    ) -> None:
        self.seconds = 0.0
        self._reference = reference
        self._since = time.monotonic()
        self._seconds_max = seconds_max
        self._log = log
        with open(log, "wb") as errors, open(log + ".name", "wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=outside(mark),
                cwd="/",
                start_new_session=True,
            )

    @property
    def name(self) -> str:
        """What the program calls the image."""
        with open(self._log + ".name", errors="replace") as stream:
            return last_line(stream.read())

    def is_over(self) -> bool:
        """Whether it has ended, or took too long."""
        self.seconds = time.monotonic() - self._since
        return self._process.poll() is not None or self.seconds > self._seconds_max

    def cancel(self) -> None:
        """End it, and what it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def check(self) -> None:
        """`NotEnclosed` unless the image is here now."""
        if self._process.poll() is None:
            self.cancel()
            raise NotEnclosed(
                "the image %s was not here after %d s: fetch it on this node beforehand, or ask "
                "for a smaller one" % (self._reference, self._seconds_max)
            )
        if self._process.returncode:
            with open(self._log, errors="replace") as stream:
                told = last_line(stream.read())
            raise NotEnclosed("the image %s cannot be fetched: %s" % (self._reference, told))
