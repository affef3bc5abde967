"""Names of GPU models, as inventories and people write them."""

from __future__ import annotations


def is_model(model: str, wish: str) -> bool:
    """Whether a model answers to a name: `A100` also means a longer one, `A100-SXM4-80GB`, because
    people write the short one. `A10` does not mean it: that is another GPU."""
    named, full = wish.casefold(), model.casefold()
    return full.startswith(named) and not full[len(named) : len(named) + 1].isalnum()
