"""What serving may import: its install leaves training's libraries out, and its image has no room for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ALLOWED = {
    "customer_risk.model.atomic",
    "customer_risk.model.compilation",
    "customer_risk.model.errors",
    "customer_risk.model.scoring",
    "customer_risk.model.features.kernel.compute",
    "customer_risk.model.features.catalogue",
    "customer_risk.model.features.columns",
    "customer_risk.model.features.input_warning",
    "customer_risk.model.features.encoded",
    "customer_risk.model.features.feature",
    "customer_risk.model.features.vocabulary",
    "customer_risk.model.operator",  # who erases
    "customer_risk.model.registry",  # where an audit finds the very bundle
}
TRAINING = {
    "polars",
    "pyarrow",
    "sklearn",
    "xgboost",
    "scipy",
    "optuna",
    "matplotlib",
    "dataframely",
    "jinja2",
    "rich",
    "shap",
}


def _imports(path: Path) -> set[str]:
    """Name every module that a file imports, whether at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import name` imports a module where there is one of that name, else from the package.
            found |= {
                f"{node.module}.{alias.name}" if _file(f"{node.module}.{alias.name}") else node.module
                for alias in node.names
            }
    return found


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)


def _reached(*names: str) -> dict[str, set[str]]:
    """Follow the project's own imports from some modules: each reached module with what it imports."""
    reached: dict[str, set[str]] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        path = _file(name)
        if path is not None and name not in reached:
            reached[name] = _imports(path)
            pending += [each for each in reached[name] if each.split(".")[0] in {"model", "serving"}]
    return reached


def _modules(package: str) -> list[str]:
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize("module", _modules("serving"))
def test_serving_imports_only_scoring_and_features_from_model(module) -> None:
    """Of `model`, only scoring, the kernel's side of features and the errors are serving's business."""
    path = _file(module) or ROOT / "serving/__init__.py"
    foreign = {
        each
        for each in _imports(path)
        if each.split(".")[0] == "model"
        and not any(each == allowed or each.startswith(f"{allowed}.") for allowed in ALLOWED)
    }
    assert not foreign


def test_nothing_that_serving_reaches_imports_a_training_library() -> None:
    """Followed through every module of ours, the imports never lead to what only training installs."""
    reached = _reached(*_modules("serving"), "customer_risk.model.cli")
    assert "customer_risk.model.scoring.scorer" in reached
    offenders = {
        name: found for name, imports in reached.items() if (found := {i.split(".")[0] for i in imports} & TRAINING)
    }
    assert not offenders


def test_model_knows_nothing_of_serving() -> None:
    """The arrow points one way."""
    offenders = [name for name in _modules("model") if any(i.split(".")[0] == "serving" for i in _imports(_file(name)))]
    assert not offenders
