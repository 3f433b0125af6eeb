"""Amounts in other currencies, and their conversion."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from customer_risk.model.cli.tables import check
from customer_risk.model.errors import ConfigError, RuleFailure
from customer_risk.model.features.frame import feature_table
from customer_risk.model.offboarding.scoring import score as score_tables
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.reading import read_cohort

HEADER = "day,currency,eur_per_unit\n"
# Powers of two, with which converting an amount and back changes no bit.
RATES = {"USD": (0.5, 0.25), "GBP": (2.0, 4.0)}


def _mapping(folder: Path, lines: str, **settings: int) -> Path:
    (folder / "rates.csv").write_text(HEADER + lines)
    given = "".join(f", {name}: {value}" for name, value in settings.items())
    path = folder / "mapping.yaml"
    path.write_text(f"rates: {{file: rates.csv{given}}}")
    return path


def _converted(bank, folder: Path, lines: str, **settings: int):
    return read_cohort(bank.write(), "labelled", load_mapping(_mapping(folder, lines, **settings)))


@pytest.fixture(scope="module")
def rewritten(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The synthetic tables with two thirds of the amounts in USD and GBP: their folder, and the mapping."""
    folder = tmp_path_factory.mktemp("rewritten")
    days: set[date] = set()
    for path in sorted(synthetic.glob("*.csv")):
        frame = pl.read_csv(path, infer_schema=False)
        if path.stem.startswith("transactions"):
            day = pl.col("created_at").str.slice(0, 10).str.to_date()
            # All states of a transaction are in one currency.
            frame = frame.with_columns(
                currency=pl.col("id").hash(7).mod(3).replace_strict({0: "EUR", 1: "USD", 2: "GBP"}),
                even=day.dt.ordinal_day().mod(2),
                amount=pl.col("amount").cast(pl.Float64),
            )
            days |= set(frame.select(day).to_series())
            rate = pl.lit(1.0)
            for currency, rates in RATES.items():
                for even, value in enumerate(rates):
                    is_it = (pl.col("currency") == currency) & (pl.col("even") == even)
                    rate = pl.when(is_it).then(value).otherwise(rate)
            frame = frame.with_columns(amount=pl.col("amount") / rate).drop("even")
        (folder / "tables").mkdir(exist_ok=True)
        frame.write_csv(folder / "tables" / path.name)
    lines = "".join(
        f"{day},{currency},{rates[day.timetuple().tm_yday % 2]}\n"
        for day in sorted(days)
        for currency, rates in RATES.items()
    )
    return folder / "tables", _mapping(folder, lines, most_days=0)


@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_converted_tables_give_the_same_features(synthetic, rewritten, cohort) -> None:
    """Tables partly in other currencies give the same features as tables in EUR."""
    tables, mapping = rewritten
    wanted = load_cohort(synthetic, cohort)
    found = load_cohort(tables, cohort, mapping=load_mapping(mapping))
    assert found.counts["events_in_other_currencies"] == found.counts["converted_events"] > 1000
    assert set(pl.DataFrame(found.events)["currency"]) == {"EUR"}
    values = [feature_table(each.customers, each.events).values for each in (wanted, found)]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9, atol=0)


def test_an_amount_is_converted_by_the_rate_of_its_creation_day(bank, tmp_path) -> None:
    """A row is converted by the rate of the day of its creation in UTC, and recorded with both amounts."""
    bank.transactions_labelled = [
        bank.event("a", "1", currency="USD", amount="100", created_at="2024-08-26T23:30:00-01:00"),
        bank.event("b", "2", currency="GBP", amount="10"),
        bank.event("c", "3"),
    ]
    lines = "2024-08-26,USD,0.5\n2024-08-27,USD,0.9\n2024-08-26,GBP,1.2\n2024-08-27,GBP,1.3\n"
    tables = _converted(bank, tmp_path, lines)
    frame = tables.transactions.frame
    assert frame["amount"].to_list() == [100 * 0.9, 10 * 1.2, 12.5]
    assert frame["currency"].to_list() == ["EUR"] * 3
    assert tables.conversion.currencies == {"GBP": 1, "USD": 1}
    assert tables.conversion.conversions.rows() == [
        (1, "1", "a", "USD", 100.0, 0.9, date(2024, 8, 27), 90.0),
        (2, "2", "b", "GBP", 10.0, 1.2, date(2024, 8, 26), 12.0),
    ]


@pytest.mark.parametrize(
    ("day", "most_days", "rate"),
    [
        ("2024-08-23", 7, 0.5),  # its own, a Friday
        ("2024-08-25", 7, 0.5),  # a Sunday: the Friday's
        ("2024-08-25", 2, 0.5),
        ("2024-08-25", 1, None),
        ("2024-08-30", 7, 0.5),
        ("2024-08-31", 7, None),
        ("2024-08-22", 7, None),  # never a later day's
        ("2024-08-24", 0, None),
        ("2024-08-23", 0, 0.5),
    ],
)
def test_a_day_without_a_rate_has_the_latest_earlier_one(bank, tmp_path, day, most_days, rate) -> None:
    """A day without a rate has the latest earlier one, if it is at most `most_days` days old."""
    bank.transactions_labelled = [bank.event("a", "1", currency="USD", amount="100", created_at=f"{day} 10:00:00 UTC")]
    tables = _converted(bank, tmp_path, "2024-08-23,USD,0.5\n2024-08-10,USD,0.1\n", most_days=most_days)
    row = tables.transactions.frame.row(0, named=True)
    assert (row["amount"], row["currency"]) == ((50.0, "EUR") if rate else (100.0, "USD"))
    assert tables.conversion.lacking.rows() == ([] if rate else [("USD", day, 1)])


def test_rows_without_a_rate_are_refused_by_currency_and_day(bank, tmp_path) -> None:
    """The message counts rows by currency, and names the days without a rate."""
    bank.transactions_labelled += [bank.event("a", str(at), currency="USD") for at in range(3)]
    bank.transactions_labelled += [bank.event("b", "x", currency="CHF")]
    mapping = load_mapping(_mapping(tmp_path, "2024-08-26,USD,0.5\n"))
    with pytest.raises(RuleFailure) as caught:
        load_cohort(bank.write(), "labelled", mapping=mapping, config=_lenient(tmp_path))
    assert "transactions_labelled.csv: 4 rows are not in EUR: 3 USD, 1 CHF. 3 are converted by" in str(caught.value)
    assert "1 has no rate for their day or the 7 days before it: CHF on 2024-08-26 (row 8)." in str(caught.value)


def _lenient(folder: Path):
    from customer_risk.model.config import load_config

    (folder / "config.yaml").write_text("checks: {max_failing_share: 0.115, label_rate: [0.0, 1.0]}")
    return load_config(folder / "config.yaml")


def test_without_rates_the_message_names_the_setting(bank) -> None:
    """The message counts rows by currency, and names the setting."""
    bank.transactions_labelled += [bank.event("a", str(at), currency="USD") for at in range(1500)]
    bank.transactions_labelled += [bank.event("a", f"g{at}", currency="GBP") for at in range(256)]
    bank.transactions_labelled += [bank.event("a", f"c{at}", currency=f"X{at}" * 30) for at in range(5)]
    with pytest.raises(RuleFailure) as caught:
        load_cohort(bank.write(), "labelled", config=None)
    message = str(caught.value)
    assert "1,761 rows are not in EUR: 1,500 USD, 256 GBP, 1 X0X0" in message
    assert "..., 2 in 2 others. Convert them first, or name a table of rates by day in the mapping" in message
    assert "(rates: {file: rates.csv})" in message


@pytest.mark.parametrize(("written", "code"), [("Eur ", "EUR"), ("\u20ac", "EUR"), ("usd", "USD")])
def test_the_message_about_a_spelling_of_a_currency_has_the_setting(bank, written, code) -> None:
    """The message about a value that isn't a code of three capital letters has a setting that maps it."""
    for row in bank.transactions_labelled:
        row["currency"] = written
    with pytest.raises(RuleFailure) as caught:
        load_cohort(bank.write(), "labelled")
    setting = re.search(r"if it means (\w+), set in the mapping: (transactions: .*?\}\}\})\.", str(caught.value))
    assert setting[1] == code
    if code == "EUR" and written == written.strip():
        mapping = Mapping.from_dict(yaml.safe_load(setting[2]))
        assert set(read_cohort(bank.folder, "labelled", mapping).transactions.frame["currency"]) == {"EUR"}


def test_a_failing_row_names_its_currency_and_day(bank, tmp_path, lenient) -> None:
    """A row without a rate is dropped, and listed with its currency, amount and time."""
    bank.transactions_labelled.append(bank.event("a", "1", currency="USD", amount="7"))
    mapping = load_mapping(_mapping(tmp_path, "2023-08-26,USD,0.5\n"))
    cohort = load_cohort(bank.write(), "labelled", mapping=mapping, config=lenient)
    (row,) = cohort.failing.filter(pl.col("rule") == "currency_is_eur").rows(named=True)
    assert row["value"] == "currency=USD, amount=7.0, created_at=2024-08-26 10:33:50.629801+00:00"
    assert (cohort.counts["events_in_other_currencies"], cohort.counts["converted_events"]) == (1, 0)
    assert cohort.counts["kept_events"] == 4


def test_an_unreadable_amount_or_time_fails_only_its_rule(bank, tmp_path, lenient) -> None:
    """Rows in other currencies with an unreadable amount or time fail that rule only, and aren't converted."""
    bank.transactions_labelled += [
        bank.event("a", "1", currency="USD", amount="much"),
        bank.event("a", "2", currency="USD", created_at="yesterday"),
        bank.event("a", "3", currency="USD", amount="-1"),
    ]
    mapping = load_mapping(_mapping(tmp_path, "2024-08-26,USD,0.5\n"))
    cohort = load_cohort(bank.write(), "labelled", mapping=mapping, config=lenient)
    failed = {key: count for key, count in cohort.counts.items() if key.startswith("failed_")}
    assert failed == {"failed_amount_readable": 1, "failed_created_at_readable": 1, "failed_amount_usable": 1}


def test_faulty_rates_are_refused_by_every_command(bank, tmp_path) -> None:
    """Rates that can't be used are refused before the tables are read."""
    mapping = load_mapping(_mapping(tmp_path, "2024-08-26,USD,-1\n"))
    with pytest.raises(ConfigError, match=r"rates\.csv, line 2, eur_per_unit"):
        read_cohort(bank.write(), "labelled", mapping)


def test_check_counts_rows_by_currency(rewritten) -> None:
    """`check` counts currencies, without rates as a failure and with them as converted."""
    tables, mapping = rewritten
    without = CliRunner().invoke(check, [str(tables)])
    assert without.exit_code == 1
    assert " rows are not in EUR: " in without.output
    assert "Convert them first, or name a table of rates" in without.output
    done = CliRunner().invoke(check, [str(tables), "--mapping", str(mapping)])
    assert done.exit_code == 0, done.output
    assert f"are converted by {mapping.with_name('rates.csv')}." in done.output


def test_scoring_records_its_conversions(synthetic, rewritten, bundle, tmp_path) -> None:
    """A scoring run has the scores of the tables in EUR, each conversion, and the sha256 of the rates."""
    tables, mapping = rewritten
    made_at = datetime(2026, 1, 5, tzinfo=UTC)
    plain = score_tables(bundle, synthetic, tmp_path / "plain", made_at=made_at).run
    run = score_tables(bundle, tables, tmp_path / "out", made_at=made_at, mapping=mapping).run
    assert run.scores == plain.scores
    assert "rates.csv" in run.tables
    with (tmp_path / "out" / "conversions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == run.traps["converted_events"]
    for row in rows[:100]:
        assert float(row["amount_eur"]) == float(row["amount"]) * float(row["eur_per_unit"])
    assert "conversions.csv" in json.loads((tmp_path / "out" / "run.json").read_text())["files"]
    assert not (tmp_path / "plain" / "conversions.csv").exists()
