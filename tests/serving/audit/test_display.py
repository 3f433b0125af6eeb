"""The output of the audit commands."""

from __future__ import annotations

import msgspec
import pytest

from customer_risk.serving.audit.comparison import Difference
from customer_risk.serving.audit.display import print_replays, record_lines
from customer_risk.serving.audit.records import StoredRecord
from customer_risk.serving.audit.replay import Replayed


def test_a_long_list_of_differences_is_cut(capsys) -> None:
    """Fifty differences are shown; the other differences and all records are counted."""
    differing = [
        Replayed(f"id-{i}", "differs", "bit for bit", (Difference("segment", "low", "high"),)) for i in range(70)
    ]
    assert print_replays(differing) == {"differs": 70}
    printed = capsys.readouterr().out
    assert printed.count("id-") == 50
    assert "and 20 more" in printed


def test_a_long_value_is_cut(capsys) -> None:
    """A long value is cut to the width of its column."""
    print_replays([Replayed("id", "differs", "bit for bit", (Difference("text", "a" * 100, 0.1 + 0.2),))])
    printed = capsys.readouterr().out
    assert "a" * 57 + "..." in printed
    assert "0.30000000000000004" in printed


def test_outcomes_are_counted_by_standard(capsys) -> None:
    """Outcomes are counted for each standard."""
    replays = [Replayed("a", "same", "bit for bit"), Replayed("b", "same", "within 1e-9"), Replayed("c", "erased")]
    assert print_replays(replays) == {"same": 2, "erased": 1}
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[1:]] == [
        ["erased", "1"],
        ["same", "bit", "for", "bit", "1"],
        ["same", "within", "1e-9", "1"],
    ]


def shown(record, names) -> list[str]:
    """Return the lines that show a record."""
    return list(record_lines(StoredRecord(record, names), transactions=False))


def of(rule_records, choose):
    """Return the first decision for which `choose` is true."""
    return next(each for each in rule_records if choose(each[0]))


def test_patterns_and_versions_are_shown(rule_records) -> None:
    """Each pattern is shown with its figures, times and sentence, and the action rule in words."""
    record, names = of(rule_records, lambda each: each.patterns and each.segment == "high")
    lines = shown(record, names)
    rule = "version 2: off-boarding is proposed for High with enough transaction patterns"
    assert f"{'action rule':14}{rule}" in lines
    assert f"{'wordings':14}version 2" in lines
    table = lines[lines.index("patterns") + 1 :][: 1 + len(record.patterns)]
    assert table[0].split() == ["code", "transactions", "EUR", "share", "first", "at", "last", "at", "investigator"]
    for line, pattern in zip(table[1:], record.patterns, strict=True):
        assert line.split()[:3] == [pattern.code, str(pattern.count), f"{pattern.amount:,.2f}"]
        assert pattern.first_at in line
        assert pattern.last_at in line
        assert line.endswith(pattern.investigator_text)


@pytest.mark.parametrize(
    ("choose", "changes", "line"),
    [
        (
            lambda each: each.encoded and each.source == "model",
            {"patterns": ()},
            "patterns      no pattern was found in the transactions",
        ),
        (
            lambda each: not each.encoded and each.source == "model",
            {},
            (
                "patterns      not looked for: features were given instead of transactions, "
                "or the transactions were erased"
            ),
        ),
        (
            lambda each: each.source == "model",
            {"action_rule": 1, "patterns": ()},
            "action rule   version 1: the segment alone decides the action",
        ),
        (
            lambda each: each.source == "model",
            {"action_rule": 9},
            "action rule   version 9: this install doesn't know this version",
        ),
        (
            lambda each: each.source == "rules",
            {},
            "action rule   the fallback rules decide the action, without patterns",
        ),
    ],
    ids=["no pattern", "features", "earlier rule", "later rule", "rules"],
)
def test_the_reason_for_no_patterns_is_shown(rule_records, choose, changes, line) -> None:
    """The text says whether patterns were looked for, and by which rule."""
    record, names = of(rule_records, choose)
    assert line in shown(msgspec.structs.replace(record, **changes), names)


def test_a_refusal_has_no_rule_and_no_wordings(samples) -> None:
    """A refusal is shown without versions."""
    lines = shown(samples.refusal(5), ())
    assert not any(each.startswith(("action rule", "wordings", "patterns")) for each in lines)
