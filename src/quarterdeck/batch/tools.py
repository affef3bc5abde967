"""The folder of commands that comes first on the script's PATH: `srun` and `scontrol`.

They run with the Python that runs us, whatever the script's own is by then. A login shell, as
`#!/bin/bash -l` is one, sets PATH anew; so bash is also told to put the folder in front of it
after that (BASH_ENV, bash(1)). What was to be read there before still is.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Mapping

TOOLS = ("srun", "scontrol")
TEXT = """\
#!/bin/sh
exec {python} -I -B -c {code} "$@"
"""
CODE = (
    "import sys; sys.path.insert(0, {library!r}); from quarterdeck.batch.{name} import main; main()"
)


BASH = """\
case "$PATH" in
{tools}:*) ;;
*) PATH={tools}:$PATH ;;
esac
"""
BEFORE = """\
if [ -r {before} ]; then . {before}; fi
"""


def make_tools(folder: str, around: Mapping[str, str]) -> dict[str, str]:
    """Write them; the variables by which they are found."""
    tools = os.path.join(folder, "bin")
    os.makedirs(tools, exist_ok=True)
    for name in TOOLS:
        code = CODE.format(library=os.path.join(folder, "lib"), name=name)
        path = os.path.join(tools, name)
        with open(path, "w") as stream:
            stream.write(TEXT.format(python=shlex.quote(sys.executable), code=shlex.quote(code)))
        os.chmod(path, 0o700)
    before = around.get("BASH_ENV")
    path = os.path.join(folder, "bash-env")
    with open(path, "w") as stream:
        if before:
            stream.write(BEFORE.format(before=shlex.quote(before)))
        stream.write(BASH.format(tools=shlex.quote(tools)))
    return {"PATH": tools + os.pathsep + around.get("PATH", os.defpath), "BASH_ENV": path}
