"""Replaying decisions."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from customer_risk.serving.audit.bundles import Bundles
from customer_risk.serving.audit.records import Records
from customer_risk.serving.audit.replay import Replayer
from customer_risk.serving.decisions.fallback.ruleset import load_rules
from customer_risk.serving.record.outbox.record import ERASED, document, from_document, values_of
from customer_risk.serving.record.sinks.ndjson import Lines
from customer_risk.serving.record.sinks.parquet import Parquet

replace = msgspec.structs.replace


@pytest.fixture
def by_model(records):
    """A decision of the model on transactions, with reasons."""
    return next(each for each in records if each[0].source == "model" and each[0].encoded and each[0].reasons)


@pytest.fixture
def by_features(records):
    """A decision of the model on given features."""
    return next(each for each in records if each[0].source == "model" and not each[0].encoded and each[0].reasons)


@pytest.fixture
def by_rules(records):
    """A decision by rules on transactions."""
    return next(each for each in records if each[0].source == "rules" and each[0].encoded)


def fields(replayed):
    """Return the names of the fields that differ."""
    return [each.field for each in replayed.differences]


@pytest.mark.compiled
def test_thousands_of_decisions_replay_to_the_bit(record_decisions, tmp_path, registry) -> None:
    """Decisions of both bundles, by row, in columns, with features given and by rules, replay to the bit."""
    record_decisions(tmp_path, 3_000)
    outcomes, kinds = Counter(), Counter()
    replayer = Replayer(Bundles(registry).find, [load_rules()])
    for record, names in Records((), tmp_path).since():
        replayed = replayer.replay(record, names)
        outcomes[replayed.outcome, replayed.standard] += 1
        kinds[record.source, record.model_version, bool(record.encoded)] += 1
    assert outcomes == {("same", "bit for bit"): 3_000}
    assert len(kinds) == 6
    assert min(kinds.values()) > 120


def test_a_stored_record_replays(records, replayer) -> None:
    """A record that is read back from its document replays."""
    stored = [from_document(msgspec.json.decode(msgspec.json.encode(document(*each)))) for each in records]
    assert {replayer.replay(*each).outcome for each in stored} == {"same"}


def with_feature(change):
    """Return a function that changes a record's first feature that isn't missing."""

    def alter(record):
        values = values_of(record)
        place = int(np.flatnonzero(np.isfinite(values))[0])
        values[place] = change(values[place])
        return {"features": values.tobytes()}

    return alter


def with_reason(**changes):
    """Return a function that changes a record's first reason; a value may be a function of the old one."""

    def alter(record):
        first = record.reasons[0]
        new = {name: value(getattr(first, name)) if callable(value) else value for name, value in changes.items()}
        return {"reasons": (replace(first, **new), *record.reasons[1:])}

    return alter


def next_up(value):
    """Return the next larger number."""
    return float(np.nextafter(value, np.inf))


ALTERATIONS = {
    "last bit of the probability": (lambda record: {"probability": next_up(record.probability)}, ["probability"]),
    "last bit of a contribution": (with_reason(contribution=next_up), ["reasons[0].contribution"]),
    "last bit of a feature": (with_feature(next_up), ["features."]),
    "a feature that is missing": (with_feature(lambda _: np.nan), ["features."]),
    "swapped reasons": (
        lambda record: {"reasons": (*record.reasons[1::-1], *record.reasons[2:])},
        ["reasons[0]", "reasons[1]"],
    ),
    "a missing reason": (lambda record: {"reasons": record.reasons[:-1]}, ["reasons[last]"]),
    "another text": (with_reason(text="Nothing."), ["reasons[0].text"]),
    "segment": (lambda _: {"segment": "other"}, ["segment"]),
    "action": (lambda _: {"action": "other"}, ["action"]),
    "transactions": (lambda record: {"encoded": record.encoded[:-1]}, ["encoded"]),
}


@pytest.mark.parametrize(("alter", "found"), ALTERATIONS.values(), ids=list(ALTERATIONS))
def test_an_altered_decision_is_found(by_model, replayer, alter, found) -> None:
    """Each field of a decision is compared, to the last bit."""
    record, names = by_model
    replayed = replayer.replay(replace(record, **alter(record)), names)
    assert replayed.outcome == "differs"
    place = int(np.flatnonzero(np.isfinite(values_of(record)))[0])
    named = {"features.": f"features.{names[place]}", "reasons[last]": f"reasons[{len(record.reasons) - 1}]"}
    assert fields(replayed) == [named.get(each, each) for each in found]


def test_a_difference_has_both_values(by_model, replayer) -> None:
    """A difference has the recorded and the computed value."""
    record, names = by_model
    (found,) = replayer.replay(replace(record, probability=0.5), names).differences
    assert (found.recorded, found.computed) == (0.5, record.probability)


@pytest.mark.parametrize("name", ["segment", "action"])
def test_another_outcome_than_that_of_the_rules_is_found(by_rules, replayer, name) -> None:
    """A segment or an action that doesn't follow from the rules is found."""
    record, names = by_rules
    assert fields(replayer.replay(replace(record, **{name: "other"}), names)) == [name]


def test_nans_with_other_bits_are_equal(by_model, replayer) -> None:
    """NaNs with different bits count as equal."""
    record, names = by_model
    values = values_of(record)
    assert np.isnan(values).any()
    values[np.isnan(values)] = -np.nan
    assert replayer.replay(replace(record, features=values.tobytes()), names).outcome == "same"


def test_other_names_are_found(by_features, replayer) -> None:
    """Swapped names of features are found."""
    record, names = by_features
    assert fields(replayer.replay(record, (names[1], names[0], *names[2:]))) == ["names", "names"]


def on_another(each, bundle, second_bundle):
    """Replay on another CPU family."""
    return Replayer(Bundles(None, (bundle, second_bundle)).find, [load_rules()], family="other").replay(*each)


def test_another_cpu_may_differ_in_the_last_bits(by_model, bundle, second_bundle) -> None:
    """On another family, numbers within 1e-9 and any texts are equal."""
    record, names = by_model
    reason = replace(
        record.reasons[0], contribution=record.reasons[0].contribution * (1 + 1e-12), investigator_text="0.4 not 0.5"
    )
    altered = replace(record, probability=record.probability + 1e-12, reasons=(reason, *record.reasons[1:]))
    replayed = on_another((altered, names), bundle, second_bundle)
    assert (replayed.outcome, replayed.standard) == ("same", "within 1e-9")


def test_another_cpu_may_not_differ_in_more(by_model, bundle, second_bundle) -> None:
    """On another family, a difference above 1e-9 and a different order of reasons are found."""
    record, names = by_model
    altered = replace(record, probability=record.probability + 2e-9, reasons=tuple(reversed(record.reasons)))
    replayed = on_another((altered, names), bundle, second_bundle)
    assert replayed.outcome == "differs"
    assert fields(replayed)[0] == "probability"
    assert len(replayed.differences) > 1


def test_another_cpus_features_may_not_differ_in_more(by_model, bundle, second_bundle) -> None:
    """On another family, a feature that differs by more than 1e-9 is found."""
    record, names = by_model
    values = values_of(record)
    place = int(np.flatnonzero(np.isfinite(values))[0])
    values[place] += 1e-3
    replayed = on_another((replace(record, features=values.tobytes()), names), bundle, second_bundle)
    assert fields(replayed) == [f"features.{names[place]}"]


def test_a_decision_without_its_bundle_is_not_replayed(by_model, replayer) -> None:
    """Without its bundle a decision isn't replayed, and the version is named."""
    replayed = replayer.replay(replace(by_model[0], model_version="f" * 64), by_model[1])
    assert (replayed.outcome, replayed.standard) == ("not at hand", None)
    assert "f" * 64 in replayed.why


def test_a_decision_without_its_rules_is_not_replayed(by_rules, replayer) -> None:
    """Without its rules a decision isn't replayed."""
    replayed = replayer.replay(replace(by_rules[0], model_version="f" * 64), by_rules[1])
    assert replayed.outcome == "not at hand"
    assert "rules" in replayed.why


def test_rules_with_unknown_features_are_not_replayed(by_rules, replayer) -> None:
    """Rules with other features than this install computes aren't replayed."""
    record, names = by_rules
    replayed = replayer.replay(record, names[1:])
    assert replayed.outcome == "not at hand"


def test_an_erased_decision_has_the_outcome_erased(by_model, replayer) -> None:
    """An erased decision has the outcome `erased`."""
    erased = replace(by_model[0], customer_id=ERASED, features=b"", encoded=b"", reasons=(), probability=None, names="")
    assert replayer.replay(erased, ()).outcome == "erased"


def test_a_customer_named_erased_is_not_erased(by_model, replayer) -> None:
    """A customer named `erased` doesn't count as erased."""
    assert replayer.replay(replace(by_model[0], customer_id=ERASED), by_model[1]).outcome == "same"


def test_a_refusal_has_the_outcome_refusal(samples, replayer) -> None:
    """A refusal has the outcome `refusal`."""
    assert replayer.replay(samples.refusal(1), ()).outcome == "refusal"


@pytest.fixture
def rule_replayer(rule_bundle):
    """A replayer with the bundle that has an action rule, and the package's fallback rules."""
    return Replayer(lambda version: rule_bundle if version == rule_bundle.version else "", [load_rules()])


@pytest.fixture
def proposed(rule_records):
    """A decision that proposes off-boarding, with two patterns."""
    return next(each for each in rule_records if len(each[0].patterns) == 2)


def test_decisions_with_patterns_replay_to_the_bit(rule_records, rule_replayer) -> None:
    """Patterns are found again in the recorded transactions, and the bundle's rule gives the same action."""
    replayed = [rule_replayer.replay(*each) for each in rule_records]
    assert [(each.outcome, each.differences) for each in replayed] == [("same", ())] * len(rule_records)
    by_model = [record for record, _ in rule_records if record.source == "model"]
    assert {(bool(record.patterns), record.action) for record in by_model if record.segment == "high"} == {
        (True, "propose_off_boarding"),
        (False, "review"),
    }
    assert {record.patterns for record in by_model if not record.encoded} == {()}
    assert {(record.action_rule, record.wordings) for record, _ in rule_records} == {(2, 2), (1, 2)}


@pytest.mark.parametrize("form", [Lines(), Parquet()], ids=lambda form: type(form).__name__)
def test_stored_patterns_replay(rule_records, rule_replayer, form) -> None:
    """A record with patterns is unchanged after it is written to a segment of either form and read back."""
    stored = [from_document(each) for each in form.decode(form.encode([document(*each) for each in rule_records]))]
    assert any(record.patterns for record, _ in stored)
    assert {rule_replayer.replay(*each).outcome for each in stored} == {"same"}


def pattern_with(**changes):
    """Return a function that alters a record's first pattern."""
    return lambda record: {"patterns": (replace(record.patterns[0], **changes), *record.patterns[1:])}


@pytest.mark.parametrize(
    ("alter", "found"),
    [
        (pattern_with(count=99), ["patterns[0].count"]),
        (pattern_with(amount=0.5), ["patterns[0].amount"]),
        (pattern_with(share=0.123), ["patterns[0].share"]),
        (pattern_with(first_at="2020-01-01T00:00:00Z"), ["patterns[0].first_at"]),
        (pattern_with(last_at="2030-01-01T00:00:00Z"), ["patterns[0].last_at"]),
        (pattern_with(investigator_text="Nothing."), ["patterns[0].investigator_text"]),
        (pattern_with(code="NIGHT_BURST"), ["patterns[0]"]),
        (lambda record: {"patterns": record.patterns[:1]}, ["patterns[1]"]),
        (lambda _: {"patterns": ()}, ["patterns[0]", "patterns[1]"]),
        (lambda record: {"patterns": record.patterns[::-1]}, ["patterns[0]", "patterns[1]"]),
        (lambda _: {"action": "review"}, ["action"]),
        (lambda _: {"action_rule": 1}, ["action_rule"]),
        (lambda _: {"wordings": 1}, ["wordings"]),
        (lambda _: {"action_rule": 3, "wordings": 3}, ["action_rule", "wordings"]),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else "altered",
)
def test_an_altered_decision_with_patterns_is_found(proposed, rule_replayer, alter, found) -> None:
    """Each field of a pattern, the patterns' number and order, the action and both versions are compared."""
    record, names = proposed
    assert fields(rule_replayer.replay(replace(record, **alter(record)), names)) == found


@pytest.mark.parametrize("source", ["features", "rules"])
def test_patterns_added_to_a_decision_are_found(rule_records, rule_replayer, proposed, source) -> None:
    """A pattern that was added to a decision on features or by rules differs."""
    record, names = next(
        each
        for each in rule_records
        if (each[0].source == "rules" if source == "rules" else each[0].source == "model" and not each[0].encoded)
    )
    altered = replace(record, patterns=proposed[0].patterns[:1])
    assert fields(rule_replayer.replay(altered, names)) == ["patterns[0]"]


def test_another_cpus_patterns_may_differ_in_the_last_bits(proposed, rule_bundle) -> None:
    """On another family, figures of patterns may differ by 1e-9 and texts aren't compared; counts must be equal."""
    replayer = Replayer(lambda _: rule_bundle, family="other")
    record, names = proposed
    near = pattern_with(amount=record.patterns[0].amount * (1 + 1e-12), investigator_text="0.4 not 0.5")
    assert replayer.replay(replace(record, **near(record)), names).outcome == "same"
    far = pattern_with(amount=record.patterns[0].amount + 1e-3, count=record.patterns[0].count + 1)
    assert sorted(fields(replayer.replay(replace(record, **far(record)), names))) == [
        "patterns[0].amount",
        "patterns[0].count",
    ]


@pytest.mark.parametrize("wordings", [0, 3])
def test_unknown_wordings_are_not_replayed(rule_records, rule_replayer, wordings) -> None:
    """A decision by rules in the wordings of another release can't be replayed here."""
    record, names = next(each for each in rule_records if each[0].source == "rules")
    replayed = rule_replayer.replay(replace(record, wordings=wordings), names)
    assert (replayed.outcome, replayed.why) == (
        "not at hand",
        f"this install doesn't have version {wordings} of the wordings",
    )
