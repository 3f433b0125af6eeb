"""Patterns are compared with an independent oracle, and one customer with many."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from customer_risk.model.features.encoded import Encoded
from customer_risk.model.features.frame import encode_frame, encode_with_ids
from customer_risk.model.features.kernel.compute import DEFAULTS, Settings
from customer_risk.model.patterns.definitions import PATTERNS
from customer_risk.model.patterns.finder import Finder, greatest_amounts, rfc3339
from tests.oracles import polars_patterns

ROOT = Path(__file__).parents[3]
DAY = 86_400_000_000
LOOSE = {
    "PASS_THROUGH": {"hours": 300.5, "share": 0.3, "amount": 100.0},
    "CRYPTO_FED_AT_ONCE": {"hours": 1.0, "share": 0.1, "amount": 1.0},
    "FAILED_TOP_UPS": {"count": 2.0, "hours": 0.5},
    "VELOCITY_BURST": {"count": 3.0, "hours": 0.25},
    "NIGHT_BURST": {"count": 2.0, "until_hour": 12.0},
    "JUST_BELOW_ROUND": {"count": 2.0, "hours": 1000.0, "margin": 0.5},
    "LARGE_AMOUNT": {"amount": 1000.0, "quantile": 0.5, "usual": 0.0},
}
SHORT = Settings(lookback_us=3 * DAY, max_transactions=20, excluded_types=("MANUAL", "OTHER"))


def rows_of(encoded: Encoded, customer: int, chance: np.random.Generator) -> Encoded:
    """Return one customer's data, with the rows in another order."""
    rows = chance.permutation(np.arange(encoded.offsets[customer], encoded.offsets[customer + 1]))
    columns = {
        field.name: getattr(encoded, field.name)[rows]
        for field in dataclasses.fields(Encoded)
        if field.name not in {"offsets", "profile"}
    }
    return Encoded(offsets=np.array([0, len(rows)]), profile=encoded.profile[customer : customer + 1], **columns)


@pytest.mark.compiled
@pytest.mark.parametrize("settings", [DEFAULTS, SHORT], ids=["default look-back", "short look-back"])
@pytest.mark.parametrize("limits", ["default", "loose"])
def test_thousands_of_customers_show_what_the_oracle_finds(limits, settings, made_up, thresholds) -> None:
    """Patterns, evidence, counts, sums, shares and times of 2,000 made-up customers are the oracle's."""
    patterns = thresholds if limits == "default" else LOOSE
    people, events = made_up(seed=17, customers=2_000)
    moves = polars_patterns.transactions(
        people,
        events,
        lookback_days=settings.lookback_us / DAY,
        most=settings.max_transactions,
        excluded=settings.excluded_types,
    )
    expected = polars_patterns.find(moves, patterns)
    encoded, ids = encode_with_ids(people, events)
    findings = Finder(patterns, settings).find(encoded)
    names = people["customer_id"].to_list()
    numbers = {each: number for number, each in enumerate(ids)}
    found = {
        (names[at], findings.codes[of]): (at, of) for at, of in np.argwhere(findings.figures[:, :, 0] > 0).tolist()
    }
    assert found.keys() == expected.keys()
    assert {code for _, code in found} >= set(patterns) - ({"VELOCITY_BURST"} if settings is SHORT else set())
    shown = {(at, of): [] for at, of in found.values()}
    for at, of, number in findings.evidence.tolist():
        shown[at, of].append(number)
    for key, (at, of) in found.items():
        one = expected[key]
        count, amount, share = findings.figures[at, of].tolist()
        assert count == one["count"]
        assert amount == pytest.approx(one["amount"], rel=1e-9)
        assert math.isnan(share) if one["share"] is None else share == pytest.approx(one["share"], rel=1e-9)
        first, last = findings.times[at, of].tolist()
        assert (first, last) == tuple(round(one[name].timestamp() * 1e6) for name in ("first", "last"))
        if one["share"] is None:  # of equal sums at one time, either may be the one that was matched
            assert sorted(shown[at, of]) == sorted(numbers[each] for each in one["ids"])


@pytest.mark.parametrize("seed", range(5))
def test_one_customer_and_many_agree_to_the_bit(seed, made_up, thresholds) -> None:
    """A customer searched alone, with the rows in another order, has the same bits as among many."""
    encoded = encode_frame(*made_up(seed))
    chance = np.random.default_rng(seed)
    for patterns in (thresholds, LOOSE):
        finder = Finder(patterns, DEFAULTS)
        many = finder.find(encoded)
        for customer in range(len(encoded.offsets) - 1):
            alone = rows_of(encoded, customer, chance)
            again = finder.find(alone)
            assert again.figures.tobytes() == many.figures[customer].tobytes()
            assert again.times.tobytes() == many.times[customer].tobytes()
            mine = many.evidence[many.evidence[:, 0] == customer]
            assert again.evidence[:, 1:].tolist() == mine[:, 1:].tolist()
            assert finder.find_one(alone) == finder.found(many.figures[customer], many.times[customer])


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_no_bit(threads, made_up) -> None:
    """Figures, times and evidence are the same with any number of threads."""
    encoded = encode_frame(*made_up(3))
    finder = Finder(LOOSE, DEFAULTS)
    one, many = finder.find(encoded), finder.find(encoded, threads=threads)
    assert len(one.evidence) > 0
    for name in ("figures", "times", "evidence"):
        assert getattr(one, name).tobytes() == getattr(many, name).tobytes()


def test_evidence_of_equal_transactions_does_not_depend_on_their_order() -> None:
    """Of transactions that differ only in their ids, those with the lowest numbers are matched."""
    ids = np.array([5, 3, 9, 1])
    encoded = Encoded(
        offsets=np.array([0, 4]),
        ids=ids,
        created=np.array([DAY, DAY, DAY, DAY + 1]),
        completed=np.zeros(4, np.int64),
        amount=np.array([500.0, 500.0, 500.0, 500.0]),
        state=np.ones(4, np.int8),
        type=np.ones(4, np.int8),
        direction=np.array([0, 0, 0, 1], np.int8),
        profile=np.zeros((1, 13), np.int32),
    )
    finder = Finder({"PASS_THROUGH": {"hours": 1.0, "share": 0.1, "amount": 1.0}}, DEFAULTS)
    chance = np.random.default_rng(0)
    found = {tuple(finder.find(rows_of(encoded, 0, chance)).evidence[:, 2].tolist()) for _ in range(20)}
    assert found == {(3, 1)}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.code)
def test_the_evidence_alone_shows_the_pattern(pattern, made_up, thresholds) -> None:
    """The transactions that show a pattern, and they alone, show it again."""
    people, events = made_up(seed=23, customers=300)
    finder = Finder({pattern.code: thresholds[pattern.code]}, DEFAULTS)
    encoded, ids = encode_with_ids(people, events)
    findings = finder.find(encoded)
    shown = pl.DataFrame(
        {"customer_id": [people["customer_id"][at] for at in findings.evidence[:, 0].tolist()]}
        | {"id": ids[findings.evidence[:, 2].tolist()]}
    )
    assert shown.height > 0
    kept = events.join(shown, on=["customer_id", "id"], how="semi")
    again = finder.find(encode_frame(people, kept))
    assert again.figures[:, 0, 0].tolist() == findings.figures[:, 0, 0].tolist()


@pytest.mark.compiled
def test_without_compilation_the_bits_are_the_same(made_up, tmp_path) -> None:
    """The search run as Python gives the same bits as the compiled search."""
    people, events = made_up(seed=5, customers=12)
    people.write_parquet(tmp_path / "people.parquet")
    events.write_parquet(tmp_path / "events.parquet")
    program = (
        "import sys, hashlib, polars as pl; from pathlib import Path;"
        "from tests.model.patterns.test_finder import LOOSE;"
        "from customer_risk.model.features.frame import encode_frame;"
        "from customer_risk.model.features.kernel.compute import DEFAULTS;"
        "from customer_risk.model.patterns.finder import Finder;"
        "people, events = (pl.read_parquet(Path(sys.argv[1]) / f'{n}.parquet') for n in ('people', 'events'));"
        "found = Finder(LOOSE, DEFAULTS).find(encode_frame(people, events));"
        "assert len(found.evidence);"
        "print(*(hashlib.sha256(getattr(found, n).tobytes()).hexdigest() for n in ('figures', 'times', 'evidence')))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", program, str(tmp_path)],
            env=os.environ | {"NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for disabled in ("0", "1")
    }
    assert len(printed) == 1


def test_a_found_pattern_has_its_figures_times_and_sentence(thresholds) -> None:
    """A pattern of one customer has the count, the sum, the share, times in UTC and the sentence."""
    hour = 3_600_000_000
    encoded = Encoded(
        offsets=np.array([0, 2]),
        ids=np.array([0, 1]),
        created=np.array([1_724_668_430_629_801, 1_724_668_430_629_801 + hour]),
        completed=np.zeros(2, np.int64),
        amount=np.array([1_000.0, 900.0]),
        state=np.ones(2, np.int8),
        type=np.ones(2, np.int8),
        direction=np.array([0, 1], np.int8),
        profile=np.zeros((1, 13), np.int32),
    )
    (found,) = Finder(thresholds, DEFAULTS).find_one(encoded)
    assert (found.code, found.count, found.amount, found.share) == ("PASS_THROUGH", 2, 900.0, 0.9)
    assert (found.first_at, found.last_at) == ("2024-08-26T10:33:50.629801Z", "2024-08-26T11:33:50.629801Z")
    assert found.investigator_text == (
        "EUR 900.00 that came in left again within 24 hours by transfer, payment or crypto purchase: "
        "90% of all money in."
    )


@pytest.mark.parametrize("count", [0, 3])
def test_customers_without_transactions_have_no_pattern(count, made_up, thresholds) -> None:
    """Without customers, or without transactions, no pattern is found and no error is raised."""
    people, events = made_up(0, customers=count)
    findings = Finder(thresholds, DEFAULTS).find(encode_frame(people, events.clear()))
    assert findings.figures.shape == (count, len(thresholds), 3)
    assert not findings.figures.any()
    assert len(findings.evidence) == 0


def test_a_finder_without_patterns_finds_no_pattern(made_up) -> None:
    """Without declared patterns, no pattern is found."""
    encoded = encode_frame(*made_up(0, customers=1))
    assert Finder({}, DEFAULTS).find_one(encoded) == ()


def test_greatest_amounts_are_of_moved_money(made_up) -> None:
    """Each customer's greatest moved amount is the oracle's; 0 if no money moved."""
    people, events = made_up(29, customers=200)
    moves = polars_patterns.transactions(people, events).filter(polars_patterns.MOVED)
    expected = dict(moves.group_by("customer_id").agg(pl.col("amount").max()).iter_rows())
    greatest = greatest_amounts(encode_frame(people, events), DEFAULTS, threads=2)
    assert greatest.tolist() == [expected.get(customer, 0.0) for customer in people["customer_id"].to_list()]
    assert 0.0 in greatest.tolist()


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_written_to_the_microsecond(microseconds, text) -> None:
    """Any time that a request may hold is written exactly, in UTC."""
    assert rfc3339(microseconds) == text
