"""docs/reference/settings.md: what a server can be told, and every environment variable."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from docs.draw.markdown import code, head, table
from docs.draw.variables import GIVEN, READ
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.api.limits import DoorLimits
from quarterdeck.basics.quantities import format_bytes, format_span
from quarterdeck.core.retention.rules import Retention
from quarterdeck.wiring import home
from quarterdeck.wiring.keep import KEEP_S_MIN, KINDS, SIZED
from quarterdeck.wiring.settings import Settings
from quarterdeck.wiring.up import command as up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterdeck.core.retention.rules import Rule

ABOUT = """\
A server is told everything when it starts: by options of `qd up`, or by variables, which the
options go before. There is no file of settings. Everything that a server knows lies in its home."""
KEEP = """\
`--keep KIND=SPAN`, `--keep KIND=SPAN,SIZE` or `--keep KIND=forever`; [retention](../retention.md)
says what each kind is.
"""
LIMITS = """\
`--limit NAME=NUMBER`; [limits](../security/limits.md) says what each is for, and what one sees
when it is met.
"""
BESIDE = """\
Beside these: `CUDA_VISIBLE_DEVICES`, and `MASTER_ADDR`, `MASTER_PORT`, `WORLD_SIZE`, `RANK`,
`LOCAL_RANK` and `LOCAL_WORLD_SIZE` as PyTorch wants them. No other variable of the server that
begins with `QD_` reaches a job.
"""
OPTION_OF_FIELD = {
    "home": "--home",
    "host": "--host",
    "port": "--port",
    "pretend": "--pretend",
    "has_local": "--no-local",
    "site": "--site",
    "store": "--store",
    "tls_cert": "--tls-cert",
    "tls_key": "--tls-key",
    "behind_proxy": "--behind-proxy",
    "allowed_hosts": "--allow-host",
    "webhooks_to_private_addresses": "--webhooks-to-private-addresses",
    "retention": "--keep",
    "disk_reserve_bytes": "--disk-reserve",
    "ballast_bytes": "--ballast",
    "limits": "--limit",
    "launcher": "--launcher",
    "jobs_folder": "--jobs-folder",
}
"""How each field of `Settings` is set; a field that nobody can set is a mistake."""
_MANY = {"--keep": "QD_KEEP_KIND", "--limit": "QD_LIMIT_NAME"}


def draw_settings(_root: Path) -> str:
    """The whole page."""
    missing = {field.name for field in fields(Settings)} ^ OPTION_OF_FIELD.keys()
    assert not missing, f"settings without an option, or the other way round: {sorted(missing)}"
    read = [(name, meaning) for name, meaning in READ.items() if meaning]
    return "\n".join(
        (
            head("Settings", ABOUT),
            "## Options of `qd up`\n",
            table(("option", "variable", "default", "meaning"), _options()),
            f"Shapes for `--pretend`: {', '.join(map(code, load_catalogue()))}.\n",
            "## What is kept, and for how long\n",
            KEEP,
            table(("kind", "default", "may have a size", "at least"), _kinds()),
            "## Limits of the API\n",
            LIMITS,
            table(("name", "default", "meaning"), _limits()),
            "## Variables that are read\n",
            table(("variable", "meaning"), ((code(_shown(name)), told) for name, told in read)),
            "## Variables that a job is given\n",
            BESIDE,
            table(("variable", "meaning"), ((code(name), told) for name, told in GIVEN.items())),
            "## Files of the home\n",
            f"```text\n{_files_of_home()}\n```\n",
        )
    )


def _options() -> Iterator[tuple[str, str, str, str]]:
    by_name = {name: option for option in up.params for name in option.opts}
    for name in OPTION_OF_FIELD.values():
        option = by_name[name]
        assert isinstance(option, click.Option)
        variable = str(option.envvar or {"--home": "QD_HOME", "--store": "QD_STORE"}.get(name, ""))
        default = option.to_info_dict()["default"]
        plain = not option.is_flag and not option.multiple and default is not None
        kind = option.metavar or option.type.name.upper().removesuffix(" RANGE")
        takes = "" if option.is_flag else f" {kind}"
        yield (
            code(name + takes),
            code(_MANY.get(name, variable)),
            code(str(default)) if plain and not callable(default) else "",
            option.help or "",
        )


def _limits() -> Iterator[tuple[str, str, str]]:
    for one in fields(DoorLimits):
        name = one.name.replace("_", "-")
        yield code(name), f"{one.default:g}", one.metadata["about"]


def _kinds() -> Iterator[tuple[str, str, str, str]]:
    defaults = Retention()
    for kind in KINDS:
        least_s = KEEP_S_MIN.get(kind)
        yield (
            code(kind),
            _rule(getattr(defaults, kind.replace("-", "_"))),
            "yes" if kind in SIZED else "no",
            format_span(least_s) if least_s else "",
        )


def _rule(rule: Rule) -> str:
    span = "forever" if rule.keep_s is None else format_span(rule.keep_s)
    return span if rule.bytes_max is None else f"{span}, {format_bytes(rule.bytes_max)}"


def _shown(name: str) -> str:
    return f"{name}…" if name.endswith("_") else name


def _files_of_home() -> str:
    """The table in the module's own docstring."""
    return inspect.cleandoc(home.__doc__ or "").partition("\n\n")[2]
