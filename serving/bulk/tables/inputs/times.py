"""The SQL expression that writes timestamps of DuckDB as times of a request."""

from __future__ import annotations

from typing import Any

from customer_risk.serving.contract.sql import identifier


def with_zones(kind: Any, value: str, depth: int = 0) -> str:
    """Return the expression of a value in which each timestamp is a text in UTC; `kind` is the DuckDB type of `value`.

    A timestamp without a zone is UTC. Texts stay as they are: the request's parser reads them. The digits of
    nanoseconds stay too: a cast to microseconds would cut them towards 1970.
    """
    if "TIMESTAMP" not in str(kind):
        return value
    if kind.id.startswith("timestamp"):
        return rf"regexp_replace(replace(CAST({value} AS VARCHAR), ' ', 'T'), '(\+00)?$', 'Z')"
    if kind.id == "list":
        item = f"item{depth}"
        return f"list_transform({value}, lambda {item}: {with_zones(kind.children[0][1], item, depth + 1)})"
    if kind.id == "struct":
        named = [(identifier(name), child) for name, child in kind.children]
        fields = ", ".join(f"{name} := {with_zones(child, f'{value}.{name}', depth)}" for name, child in named)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({fields}) END"
    return value
