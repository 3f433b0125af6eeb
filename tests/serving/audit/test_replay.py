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
    """What differs, by name."""
    return [each.field for each in replayed.differences]


@pytest.mark.compiled
def test_ten_thousand_decisions_come_out_the_same(record_decisions, tmp_path, registry) -> None:
    """Decisions of both bundles, by row, in columns, with features given and by rules, replay to the bit."""
    record_decisions(tmp_path, 10_000)
    outcomes, kinds = Counter(), Counter()
    replayer = Replayer(Bundles(registry).find, [load_rules()])
    for record, names in Records((), tmp_path).since():
        replayed = replayer.replay(record, names)
        outcomes[replayed.outcome, replayed.standard] += 1
        kinds[record.source, record.model_version, bool(record.encoded)] += 1
    assert outcomes == {("same", "bit for bit"): 10_000}
    assert len(kinds) == 6
    assert min(kinds.values()) > 400


def test_every_way_in_replays(records, replayer) -> None:
    """By row, in columns, with features given and by rules, the decision comes out the same."""
    assert {replayer.replay(*each).outcome for each in records} == {"same"}


def test_what_a_sink_stored_replays(records, replayer) -> None:
    """A record that went through its document and back comes out the same."""
    stored = [from_document(msgspec.json.decode(msgspec.json.encode(document(*each)))) for each in records]
    assert {replayer.replay(*each).outcome for each in stored} == {"same"}


def test_the_last_bit_of_a_probability_is_found(by_model, replayer) -> None:
    """One unit in the last place differs."""
    record, names = by_model
    altered = replace(record, probability=float(np.nextafter(record.probability, 1)))
    replayed = replayer.replay(altered, names)
    assert (replayed.outcome, fields(replayed)) == ("differs", ["probability"])
    assert replayed.differences[0].computed == record.probability


def test_the_last_bit_of_a_contribution_is_found(by_features, replayer) -> None:
    """One unit in the last place differs."""
    record, names = by_features
    first, *rest = record.reasons
    first = replace(first, contribution=float(np.nextafter(first.contribution, 9)))
    assert fields(replayer.replay(replace(record, reasons=(first, *rest)), names)) == ["reasons[0].contribution"]


def test_the_last_bit_of_a_feature_is_found(by_model, replayer) -> None:
    """One unit in the last place differs, of a feature that transactions lead to."""
    record, names = by_model
    values = values_of(record)
    place = int(np.flatnonzero(np.isfinite(values))[0])
    values[place] = np.nextafter(values[place], np.inf)
    replayed = replayer.replay(replace(record, features=values.tobytes()), names)
    assert fields(replayed) == [f"features.{names[place]}"]


def test_a_feature_that_went_missing_is_found(by_model, replayer) -> None:
    """A missing value is another than the one that transactions lead to."""
    record, names = by_model
    values = values_of(record)
    place = int(np.flatnonzero(np.isfinite(values))[0])
    values[place] = np.nan
    (found,) = replayer.replay(replace(record, features=values.tobytes()), names).differences
    assert found.recorded is None


def test_missing_is_missing_whatever_its_bits(by_model, replayer) -> None:
    """NaN has many bit patterns and one meaning."""
    record, names = by_model
    values = values_of(record)
    assert np.isnan(values).any()
    values[np.isnan(values)] = -np.nan
    assert replayer.replay(replace(record, features=values.tobytes()), names).outcome == "same"


def test_swapped_reasons_are_found(by_model, replayer) -> None:
    """The order of reasons is part of a decision."""
    record, names = by_model
    first, second, *rest = record.reasons
    replayed = replayer.replay(replace(record, reasons=(second, first, *rest)), names)
    assert fields(replayed) == ["reasons[0]", "reasons[1]"]


def test_a_lost_reason_is_found(by_model, replayer) -> None:
    """A reason that was left out of the record differs."""
    record, names = by_model
    assert fields(replayer.replay(replace(record, reasons=record.reasons[:-1]), names)) == [
        f"reasons[{len(record.reasons) - 1}]"
    ]


def test_another_wording_is_found(by_model, replayer) -> None:
    """The words that a reason had are part of the record."""
    record, names = by_model
    altered = (replace(record.reasons[0], text="Nothing."), *record.reasons[1:])
    assert fields(replayer.replay(replace(record, reasons=altered), names)) == ["reasons[0].text"]


@pytest.mark.parametrize("name", ["segment", "action"])
def test_another_outcome_is_found(by_rules, replayer, name) -> None:
    """A segment or action that the rules don't lead to differs."""
    record, names = by_rules
    assert fields(replayer.replay(replace(record, **{name: "other"}), names)) == [name]


def test_altered_transactions_are_found(by_model, replayer) -> None:
    """What the features were computed from can't be exchanged."""
    record, names = by_model
    replayed = replayer.replay(replace(record, encoded=record.encoded[:-1]), names)
    assert (replayed.outcome, fields(replayed)) == ("differs", ["encoded"])


def test_other_names_are_found(by_features, replayer) -> None:
    """Features under each other's names are no longer what the model takes."""
    record, names = by_features
    assert fields(replayer.replay(record, (names[1], names[0], *names[2:]))) == ["names", "names"]


def on_another(each, bundle, second_bundle):
    """Replay as another family's CPU would."""
    return Replayer(Bundles(None, (bundle, second_bundle)).find, [load_rules()], family="other").replay(*each)


def test_another_cpu_may_differ_in_the_last_bits(by_model, bundle, second_bundle) -> None:
    """A decision of another family holds within 1e-9, and its words, which hold numbers, aren't compared."""
    record, names = by_model
    reason = replace(
        record.reasons[0], contribution=record.reasons[0].contribution * (1 + 1e-12), investigator_text="0.4 not 0.5"
    )
    altered = replace(record, probability=record.probability + 1e-12, reasons=(reason, *record.reasons[1:]))
    replayed = on_another((altered, names), bundle, second_bundle)
    assert (replayed.outcome, replayed.standard) == ("same", "within 1e-9")


def test_another_cpu_may_not_differ_in_more(by_model, bundle, second_bundle) -> None:
    """A billionth is too much for it too, and so is another order of reasons."""
    record, names = by_model
    altered = replace(record, probability=record.probability + 2e-9, reasons=tuple(reversed(record.reasons)))
    replayed = on_another((altered, names), bundle, second_bundle)
    assert replayed.outcome == "differs"
    assert fields(replayed)[0] == "probability"
    assert len(replayed.differences) > 1


def test_another_cpus_features_may_not_differ_in_more(by_model, bundle, second_bundle) -> None:
    """Nor may a feature that transactions lead to."""
    record, names = by_model
    values = values_of(record)
    place = int(np.flatnonzero(np.isfinite(values))[0])
    values[place] += 1e-3
    replayed = on_another((replace(record, features=values.tobytes()), names), bundle, second_bundle)
    assert fields(replayed) == [f"features.{names[place]}"]


def test_an_unknown_bundle_is_said(by_model, replayer) -> None:
    """Without its bundle a decision can't be replayed, and the version is named."""
    replayed = replayer.replay(replace(by_model[0], model_version="f" * 64), by_model[1])
    assert (replayed.outcome, replayed.standard) == ("not at hand", None)
    assert "f" * 64 in replayed.why


def test_unknown_rules_are_said(by_rules, replayer) -> None:
    """Without its rules a decision can't be replayed."""
    replayed = replayer.replay(replace(by_rules[0], model_version="f" * 64), by_rules[1])
    assert replayed.outcome == "not at hand"
    assert "rules" in replayed.why


def test_rules_of_another_catalogue_are_said(by_rules, replayer) -> None:
    """Rules that were given other features than this install computes can't be replayed here."""
    record, names = by_rules
    replayed = replayer.replay(record, names[1:])
    assert replayed.outcome == "not at hand"


def test_an_erased_decision_is_said(by_model, replayer) -> None:
    """Where a person's data were erased there is nothing to compute."""
    erased = replace(by_model[0], customer_id=ERASED, features=b"", encoded=b"", reasons=(), probability=None, names="")
    assert replayer.replay(erased, ()).outcome == "erased"


def test_a_customer_called_erased_is_none(by_model, replayer) -> None:
    """A customer's name alone doesn't hide a decision from replay."""
    assert replayer.replay(replace(by_model[0], customer_id=ERASED), by_model[1]).outcome == "same"


def test_a_refusal_is_said(samples, replayer) -> None:
    """A refused request was never decided."""
    assert replayer.replay(samples.refusal(1), ()).outcome == "refusal"


@pytest.fixture
def rule_replayer(rule_bundle):
    """A replayer with the bundle that has an action rule, and the package's fallback rules."""
    return Replayer(lambda version: rule_bundle if version == rule_bundle.version else "", [load_rules()])


@pytest.fixture
def proposed(rule_records):
    """A decision that proposes off-boarding, with two patterns."""
    return next(each for each in rule_records if len(each[0].patterns) == 2)


def test_decisions_with_patterns_come_out_the_same(rule_records, rule_replayer) -> None:
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
def test_patterns_that_a_sink_stored_replay(rule_records, rule_replayer, form) -> None:
    """A record with patterns that went through a segment of either form comes out the same."""
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
def test_patterns_where_no_patterns_can_be_seen_are_found(rule_records, rule_replayer, proposed, source) -> None:
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
def test_wordings_that_this_install_lacks_are_said(rule_records, rule_replayer, wordings) -> None:
    """A decision by rules in the wordings of another release can't be replayed here."""
    record, names = next(each for each in rule_records if each[0].source == "rules")
    replayed = rule_replayer.replay(replace(record, wordings=wordings), names)
    assert (replayed.outcome, replayed.why) == (
        "not at hand",
        f"this install doesn't have version {wordings} of the wordings",
    )
