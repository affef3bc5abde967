"""What files of the house share: their plain values with places, and words for what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quarterdeck.sdk.yamltree import Place, shown, shown_key

if TYPE_CHECKING:
    from collections.abc import Mapping

Keys = tuple[str | int, ...]
_TOLD: Final = {
    "string_type": ("is not a text", "put it in quotes"),
    "int_type": ("is not a whole number", "write digits without quotes, for example 100"),
    "bool_type": ("is neither true nor false", "write true or false, without quotes"),
    "list_type": ("is not a list", "write a list, for example [a, b]"),
    "dict_type": ("is not a mapping", "write keys and values, for example {key: value}"),
    "model_type": ("is not a mapping", "write keys and values, for example {key: value}"),
    "literal_error": ("is not a choice", "use one of {expected}"),
}


def told_of(complaint: Any, otherwise: str) -> tuple[str, str]:  # noqa: ANN401 - pydantic's
    """What a model's complaint means for who wrote the file, and what to do."""
    told, hint = _TOLD.get(complaint["type"], (f"is wrong: {complaint['msg']}", otherwise))
    hint = hint.replace("{expected}", str(complaint.get("ctx", {}).get("expected", "")))
    return f"is {shown(complaint['input'])}, which {told}", hint


def nearest(places: Mapping[Keys, Place], keys: Keys) -> Place:
    """Where it is, or what is nearest above it."""
    while keys and keys not in places:
        keys = keys[:-1]
    return places.get(keys, Place(1, 1))


def dotted(keys: Keys) -> str:
    """A key with those above it, for example `users.ada.limits`."""
    return ".".join(shown_key(part) if isinstance(part, str) else str(part) for part in keys)
