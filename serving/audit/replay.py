"""Replays decisions: computes them again from the recorded input, with the same bundle or rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from customer_risk.model.features.catalogue import NAMES
from customer_risk.model.features.kernel import compute as kernel
from customer_risk.model.features.wordings import WORDINGS
from customer_risk.model.scoring.action_rule import BY_SEGMENT
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.serving.audit.comparison import (
    Difference,
    Standard,
    compare_numbers,
    compare_patterns,
    compare_reasons,
    compare_values,
)
from customer_risk.serving.decisions.versions import Versions, versions_of
from customer_risk.serving.record.outbox.record import ERASED, hash_names, unpack, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from customer_risk.model.features.encoded import Encoded
    from customer_risk.model.scoring.bundle import Bundle
    from customer_risk.model.scoring.scorer import Verdict
    from customer_risk.serving.contract.answer import Ruling
    from customer_risk.serving.decisions.fallback.ruleset import RuleSet
    from customer_risk.serving.record.outbox.record import Record

Outcome = Literal["same", "differs", "not at hand", "erased", "refusal"]
Find = Callable[[str], "Bundle | str"]
_DAMAGED: Final = "encoded"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of a replay.

    outcome       same, differs; not at hand: the bundle or the rules are missing, as `why` says; erased, refusal:
                  there is nothing to compute
    standard      the standard of the comparison; None if nothing was computed
    differences   between the record and the replay
    """

    record_id: str
    outcome: Outcome
    standard: Standard | None = None
    differences: tuple[Difference, ...] = ()
    why: str = ""


class Replayer:
    """Replays records; `find` returns the bundle of a version, or why it is missing; `rules` are the known rules.

    A decision of the same CPU `family` must be equal bit for bit. On another family, numbers may differ by 1e-9,
    absolutely or relatively, and so may texts with such numbers. The segment, the action and the order of reasons and
    patterns must be equal.
    """

    def __init__(self, find: Find, rules: Iterable[RuleSet] = (), *, family: str | None = None) -> None:
        self._find = find
        self._found: dict[str, _Bundled | str] = {}
        self._rules: Mapping[str, RuleSet] = {each.version: each for each in rules}
        self._family = cpu_family() if family is None else family

    def replay(self, record: Record, names: tuple[str, ...]) -> Replayed:
        """Compute a decision again and compare; `names` are those of its features. Warnings aren't compared.

        The bundle has the action rule and the wordings. Fallback rules use the wordings that the record names.
        """
        if record.kind == "refusal":
            return Replayed(record.record_id, "refusal")
        if is_erased(record):
            return Replayed(record.record_id, "erased")
        decided_by = self._by(record, names)
        if isinstance(decided_by, str):
            return Replayed(record.record_id, "not at hand", why=decided_by)
        standard: Standard = "bit for bit" if record.cpu == self._family else "within 1e-9"
        found = tuple(_differences(record, names, decided_by, standard))
        return Replayed(record.record_id, "differs" if found else "same", standard, found)

    def _by(self, record: Record, names: tuple[str, ...]) -> _Bundled | _Ruled | str:
        if record.source == "rules":
            rules = self._rules.get(record.model_version)
            if rules is None:
                return f"the rules of version {record.model_version} are missing"
            if record.encoded and names != NAMES:
                return "this install computes other features than the rules were given"
            if record.wordings not in WORDINGS:
                return f"this install doesn't have version {record.wordings} of the wordings"
            return _Ruled(rules, names, record.wordings)
        version = record.model_version
        if version not in self._found:
            found = self._find(version)
            self._found[version] = found if isinstance(found, str) else _Bundled(found)
        return self._found[version]


def is_erased(record: Record) -> bool:
    """Return whether a decision's data were erased."""
    return record.kind == "decision" and record.customer_id == ERASED and not record.features


class _Bundled:
    """Decides as `customer_risk.serving.decisions.engine` does."""

    def __init__(self, bundle: Bundle) -> None:
        self.names = bundle.manifest.features
        self.versions = versions_of(bundle.manifest)
        self._scorer = bundle.scorer
        self._compute = bundle.model_features().compute
        self._finder = bundle.finder()

    def values(self, encoded: Encoded) -> NDArray[np.float64]:
        return self._compute(encoded)

    def judge(self, values: NDArray[np.float64], encoded: Encoded | None) -> Verdict:
        if encoded is None or self._finder is None:
            return self._scorer.judge(values)
        return self._scorer.judge(values, self._finder.find_one(encoded))


class _Ruled:
    """Decides as `customer_risk.serving.decisions.fallback.fallback` does."""

    def __init__(self, rules: RuleSet, names: tuple[str, ...], wordings: int) -> None:
        self.names = names
        self.versions = Versions(BY_SEGMENT, wordings)
        self._rules = rules

    @staticmethod
    def values(encoded: Encoded) -> NDArray[np.float64]:
        computed: NDArray[np.float64] = kernel.compute(encoded)[0]
        return computed

    def judge(self, values: NDArray[np.float64], encoded: Encoded | None) -> Ruling:  # noqa: ARG002  rules don't use patterns
        return self._rules.judge(dict(zip(self.names, values.tolist(), strict=True)), self.versions.wordings)


def _differences(
    record: Record, names: tuple[str, ...], by: _Bundled | _Ruled, standard: Standard
) -> Iterator[Difference]:
    if record.names != hash_names(names):
        yield Difference("names", record.names, hash_names(names))
    if names != by.names:
        yield Difference("names", ", ".join(names), ", ".join(by.names))
        return
    for field, version, its in zip(Versions._fields, (record.action_rule, record.wordings), by.versions, strict=True):
        yield from compare_numbers(field, version, its, standard)
    recorded = values_of(record)
    try:
        encoded = unpack(record.encoded) if record.encoded else None
        values = recorded if encoded is None else by.values(encoded)
    except ValueError as error:
        yield Difference(_DAMAGED, f"{len(record.encoded)} bytes", str(error))
        return
    yield from compare_values(names, recorded, values, standard)
    decision: Verdict | Ruling = by.judge(values, encoded)
    yield from compare_numbers("probability", record.probability, decision.probability, standard)
    yield from compare_numbers("segment", record.segment, decision.segment, standard)
    yield from compare_numbers("action", record.action, decision.action, standard)
    yield from compare_reasons(record.reasons, decision.reasons, standard)
    yield from compare_patterns(record.patterns, decision.patterns or (), standard)
