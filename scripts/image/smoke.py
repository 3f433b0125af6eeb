# ruff: noqa: INP001  a folder of commands
"""Imports every module that serving can import, also inside functions. If one is missing, the image's build fails.

The image's own Python runs it (scripts/image/compile), and the image keeps the bytecode that it writes. It also checks
that libraries used only by training are absent.
"""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.util import find_spec
from pathlib import Path

FORBIDDEN = ("xgboost", "scipy", "pyarrow", "sklearn", "polars", "pip")
PACKAGES = (
    "customer_risk.serving",
    "customer_risk.model.cli",
    "customer_risk.model.registry",
    "customer_risk.model.scoring",
)


def modules(package: str) -> list[tuple[str, Path]]:
    """Return a package's modules with their files."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"{package} is not installed")
    root = Path(spec.origin).parent
    above = root.parents[package.count(".")]
    found = [path for path in sorted(root.rglob("*.py")) if path.name != "__main__.py"]
    return [(".".join(path.relative_to(above).with_suffix("").parts).removesuffix(".__init__"), path) for path in found]


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, also within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def main() -> None:
    """Import all modules, and check that no forbidden library is installed."""
    importlib.import_module("customer_risk.serving.app")  # first: it keeps KServe from reading the command line
    names: set[str] = set()
    for package in PACKAGES:
        for name, path in modules(package):
            names |= {name} | imported(path)
    for name in sorted(names):
        importlib.import_module(name)
    if there := [name for name in FORBIDDEN if find_spec(name)]:
        sys.exit(f"the image has libraries that only training needs: {', '.join(there)}")
    print(f"{len(names)} modules imported")  # noqa: T201  for the build's log


if __name__ == "__main__":
    main()
