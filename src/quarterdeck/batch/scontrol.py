"""A stand-in for scontrol(1): `show hostnames` and `show hostlist`, which scripts use."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hostlist import compress_hostlist, expand_hostlist

HINT = "scontrol: error: this is a stand-in of Quarterdeck's; it knows show hostnames and hostlist"


def main() -> NoReturn:
    """Answer and exit."""
    words = [word for word in sys.argv[1:] if word not in ("-o", "--oneliner")]
    verb = words[1].lower() if len(words) > 1 and "show".startswith(words[0].lower()) else ""
    listed = words[2] if len(words) > 2 else os.environ.get("SLURM_JOB_NODELIST", "")
    try:
        if verb in ("hostname", "hostnames"):
            print("\n".join(expand_hostlist(listed)))
        elif verb in ("hostlist", "hostlistsorted"):
            names = expand_hostlist(listed)
            print(compress_hostlist(sorted(names) if verb == "hostlistsorted" else names))
        else:
            print(HINT, file=sys.stderr)
            sys.exit(1)
    except Invalid as error:
        print("scontrol: error: %s" % error.message, file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
