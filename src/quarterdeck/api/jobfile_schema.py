"""The JSON Schema of the job file, for editors: the request's model and the core's rules.

Numbers and patterns come from where they are enforced, so they are written once. The schema is a
little wider than the rules where a rule is no pattern (an array that names an index twice), never
narrower: what is accepted validates. In YAML a bare `0.1` is a number to an editor, and the reader
keeps its text, so where text is kept the schema takes numbers and flags too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quarterdeck.api.translate import RETRIED
from quarterdeck.core.jobs.image import IMAGE, IMAGE_CHARS_MAX
from quarterdeck.core.jobs.roles import MAIN
from quarterdeck.core.jobs.spec import ENV_NAME, NAME, ROLE_NAME, STOP_SIGNALS
from quarterdeck.core.limits import LIMITS
from quarterdeck.wire.v1.jobs import JobRequest

if TYPE_CHECKING:
    import re

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SIZE: Final = r"^\s*[0-9]{1,18}(\.[0-9]{1,9})?\s*([kKmMgGtT][iI]?)?[bB]\s*$"
_CLOCK: Final = r"([0-9]{1,6}-)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
_SPAN: Final = rf"^\s*(([0-9]{{1,12}}(\.[0-9]{{1,9}})?\s*[dhms]\s*)+|{_CLOCK})\s*$"
_ARRAY: Final = r"^\s*[0-9][0-9,:\s-]*(%[0-9]{1,9})?\s*$"
_GPU: Final = (
    r"^\s*([0-9]{1,9}|"
    r"([A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}(\|[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}){0,7}"
    r"|share-[1-9][0-9]?%)(:[0-9]{1,9})?)\s*$"
)
_NODES: Final = r"^\s*[0-9]{1,6}\.\.[0-9]{1,6}\s*$"
_SCALAR: Final = ["string", "number", "boolean"]


def job_file_schema() -> dict[str, Any]:
    """The schema, with the keys in the order of the documentation."""
    drawn = JobRequest.model_json_schema()
    shapes = drawn["$defs"]
    keys = {
        key: _inlined(shape, shapes)
        for key, shape in drawn["properties"].items()
        if key != "snapshot"
    }
    keys["workdir"] = {
        "description": "A folder that travels with the job, relative to this file; `none`, or left "
        "out, for a job without one.",
        "examples": [".", "none"],
        "type": "string",
        "minLength": 1,
    }
    _make_exact(keys)
    for part in ("resources", "topology", "retry", "checkpoint"):
        keys[part]["properties"] = {
            key: _with_default_last(shape) for key, shape in keys[part]["properties"].items()
        }
    return {
        "$schema": _DIALECT,
        "title": "Quarterdeck job file",
        "description": "One job. A file may hold several, between lines of `---`.",
        "type": "object",
        "additionalProperties": False,
        "required": ["run"],
        "properties": {key: _with_default_last(shape) for key, shape in keys.items()},
    }


def _make_exact(keys: dict[str, dict[str, Any]]) -> None:
    """Add what the core refuses."""
    retry, checkpoint = (keys[part]["properties"] for part in ("retry", "checkpoint"))
    _make_group_exact(keys)
    keys["nodes"]["anyOf"] = [
        {"type": "integer", "minimum": 1, "maximum": LIMITS.nodes_max},
        {"type": "string", "pattern": _NODES},
    ]
    role = keys["roles"]["additionalProperties"]
    _make_group_exact(role["properties"])
    role["properties"]["nodes"] |= {"minimum": 1, "maximum": LIMITS.nodes_max}
    keys["roles"] |= {
        "propertyNames": {"pattern": _whole(ROLE_NAME), "not": {"const": MAIN}},
        "maxProperties": LIMITS.roles_max,
        "examples": [{"loader": {"run": "python serve.py", "resources": {"cpu": 16}}}],
    }
    name = {"pattern": _whole(NAME), "maxLength": LIMITS.name_chars_max}
    keys["name"] |= name
    keys["team"] |= name
    keys["env"] |= {
        "propertyNames": {"pattern": f"^(?!QD_){_bare(ENV_NAME)}$"},
        "additionalProperties": {"type": [*_SCALAR, "null"]},
        "maxProperties": LIMITS.env_variables_max,
        "examples": [{"LR": "0.1"}],
    }
    keys["tags"] |= {
        "propertyNames": {"pattern": _whole(NAME), "maxLength": LIMITS.tag_chars_max},
        "additionalProperties": {"type": [*_SCALAR, "null"], "maxLength": LIMITS.tag_chars_max},
        "maxProperties": LIMITS.tags_max,
        "examples": [{"project": "ocr"}],
    }
    keys["needs"] |= {"uniqueItems": True, "maxItems": LIMITS.needs_max, "examples": [["prepare"]]}
    keys["array"] |= {"type": ["string", "integer"], "pattern": _ARRAY, "minimum": 0}
    keys["image"] |= {"pattern": _whole(IMAGE), "maxLength": IMAGE_CHARS_MAX}
    keys["time_limit"] |= {"pattern": _SPAN}
    keys["min_runtime"] |= {"pattern": _SPAN}
    retry["limit"] |= {"minimum": 0, "maximum": LIMITS.retries_max}
    retry["on"]["items"] = {"type": "string", "enum": [reason.value for reason in RETRIED]}
    retry["backoff"] |= {"pattern": _SPAN, "examples": ["5s"]}
    checkpoint["signal"] |= {"enum": [*STOP_SIGNALS]}
    checkpoint["grace"] |= {"pattern": _SPAN}
    checkpoint["path"] |= {"minLength": 1, "maxLength": LIMITS.path_bytes_max}


def _make_group_exact(keys: dict[str, dict[str, Any]]) -> None:
    """What a job's own command and a role have in common."""
    resources = keys["resources"]["properties"]
    keys["run"]["anyOf"] = [
        {"type": _SCALAR, "minLength": 1},
        {
            "type": "array",
            "items": {"type": _SCALAR},
            "minItems": 1,
            "maxItems": LIMITS.command_arguments_max,
        },
    ]
    keys["run"]["examples"] = ["python train.py --epochs 20", ["python", "train.py"]]
    keys["ranks_per_node"] |= {"minimum": 1, "maximum": LIMITS.ranks_per_node_max}
    resources["gpu"]["anyOf"] = [
        {"type": "integer", "minimum": 0, "maximum": LIMITS.gpus_per_node_max},
        {"type": "string", "pattern": _GPU},
    ]
    resources["gpu"]["examples"] = [8, "A100:8", "A100|H100:4", "mig-1g.10gb:3"]
    resources["cpu"] |= {"minimum": 1, "maximum": LIMITS.cpus_per_node_max}
    resources["memory"] |= {"pattern": _SIZE}


def _inlined(shape: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    """The shape without references, titles made of names, and null: a key has a value."""
    if "$ref" in shape:
        described = shape.get("description")
        shape = shapes[shape["$ref"].rpartition("/")[2]] | (
            {"description": described} if described else {}
        )
    kept = {key: value for key, value in shape.items() if key != "title"}
    if kept.get("default", ...) is None:
        del kept["default"]
    choices = [choice for choice in kept.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        kept |= choices[0]
    if "properties" in kept:
        kept["properties"] = {
            key: _inlined(inner, shapes) for key, inner in kept["properties"].items()
        }
    if isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = _inlined(kept["additionalProperties"], shapes)
    return kept


def _with_default_last(shape: dict[str, Any]) -> dict[str, Any]:
    """What it means first, then its form, then what it is when left out."""
    order = ("description", "type", "anyOf")
    ends = ("examples", "default")
    first = {key: shape[key] for key in order if key in shape}
    middle = {key: value for key, value in shape.items() if key not in (*order, *ends)}
    return first | middle | {key: shape[key] for key in ends if key in shape}


def _bare(pattern: re.Pattern[str]) -> str:
    return f"(?:{pattern.pattern})"


def _whole(pattern: re.Pattern[str]) -> str:
    """The pattern for a dialect that looks for it anywhere."""
    return f"^{_bare(pattern)}$"
