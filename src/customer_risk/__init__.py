"""Risk decisions about a bank's customers, from tables to an explained, served model.

The functions and classes below are the Python API (docs/guide/python.md). Each is imported when it is first used, so
`import customer_risk` is fast and works without the libraries of the extras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from customer_risk.model.errors import CustomerRiskError
    from customer_risk.model.offboarding.explaining import Explanation, explain
    from customer_risk.model.offboarding.scoring import ScoringResult, score
    from customer_risk.model.scoring.bundle import Bundle, load_bundle
    from customer_risk.model.tables.checking import CheckResult, check
    from customer_risk.model.tables.synthetic import synthesize
    from customer_risk.model.training.classifier import RiskClassifier, features
    from customer_risk.model.training.pipeline import TrainingResult, train

__all__ = [
    "Bundle",
    "CheckResult",
    "CustomerRiskError",
    "Explanation",
    "RiskClassifier",
    "ScoringResult",
    "TrainingResult",
    "check",
    "explain",
    "features",
    "load_bundle",
    "score",
    "synthesize",
    "train",
]

_MODULES = {
    "Bundle": "scoring.bundle",
    "CheckResult": "tables.checking",
    "CustomerRiskError": "errors",
    "Explanation": "offboarding.explaining",
    "RiskClassifier": "training.classifier",
    "ScoringResult": "offboarding.scoring",
    "TrainingResult": "training.pipeline",
    "check": "tables.checking",
    "explain": "offboarding.explaining",
    "features": "training.classifier",
    "load_bundle": "scoring.bundle",
    "score": "offboarding.scoring",
    "synthesize": "tables.synthetic",
    "train": "training.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use. Raises ImportError naming the extra whose libraries are missing."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"customer_risk.model.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == __name__:
            raise
        raise ImportError(
            f"customer_risk.{name} needs {error.name}, which is not installed. Install customer-risk[training].",
            name=error.name,
        ) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
