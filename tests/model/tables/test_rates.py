"""The file of exchange rates."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING

import pytest

from customer_risk.model.errors import ConfigError
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.rates import read_rates

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "day,currency,eur_per_unit\n"


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "rates[1].csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "rates1.csv").write_text("a decoy")
    return path


def test_rates_are_read_by_day_and_currency(tmp_path) -> None:
    """Columns may be in any order with others; a byte order mark, Excel's line, blank lines and Ctrl-Z are ignored."""
    lines = [
        "sep=,",
        "",
        "currency,source,day,eur_per_unit",
        "USD,ECB,2024-08-26,0.8953",
        ",,,",
        "GBP,ECB,2024-08-23, 1.18",
    ]
    text = "\ufeff" + "\r\n".join(lines) + "\r\n\x1a"
    path = _file(tmp_path, text)
    rates = read_rates(path, 3)
    assert rates.frame.rows() == [("GBP", date(2024, 8, 23), 1.18), ("USD", date(2024, 8, 26), 0.8953)]
    assert (rates.where, rates.most_days) == (str(path), 3)
    assert rates.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: day, currency, eur_per_unit is missing; the columns are none"),
        ("day,currency,rate\n", "line 1: eur_per_unit is missing; the columns are day,.currency,.rate"),
        ("day,day,currency,eur_per_unit\n", "line 1, day: two columns have this name"),
        (HEADER, "has no rate"),
        (HEADER + "2024-08-26,USD\n", "line 2: 2 cells, but the header has 3"),
        (HEADER + "2024-08-26,USD,0,9\n", "line 2: 4 cells, but the header has 3"),
        (HEADER + "\n26.08.2024,USD,0.9\n", "line 3, day: '26.08.2024' is not a date such as 2024-08-26"),
        (HEADER + "2024-02-30,USD,0.9\n", "line 2, day: '2024-02-30' is not a date"),
        (HEADER + "20240826,USD,0.9\n", "line 2, day: '20240826' is not a date"),
        (HEADER + "2024-W35-1,USD,0.9\n", "line 2, day: '2024-W35-1' is not a date"),
        (HEADER + ",USD,0.9\n", "line 2, day: '' is not a date"),
        (HEADER + "2024-08-26,usd,0.9\n", "line 2, currency: 'usd' is not a code of three capital letters"),
        (HEADER + "2024-08-26,US Dollar,0.9\n", "line 2, currency: 'US Dollar' is not a code"),
        (HEADER + "2024-08-26,EUR,1\n", "line 2, currency: EUR needs no rate"),
        (HEADER + "2024-08-26,USD,0\n", "line 2, eur_per_unit: '0' is not a number above 0"),
        (HEADER + "2024-08-26,USD,-0.9\n", "line 2, eur_per_unit: '-0.9' is not a number above 0"),
        (HEADER + "2024-08-26,USD,nan\n", "line 2, eur_per_unit: 'nan' is not a number above 0"),
        (HEADER + "2024-08-26,USD,inf\n", "line 2, eur_per_unit: 'inf' is not a number above 0"),
        (HEADER + "2024-08-26,USD,1e999\n", "line 2, eur_per_unit: '1e999' is not a number above 0"),
        (HEADER + "2024-08-26,USD,1e-999\n", "line 2, eur_per_unit: '1e-999' is not a number above 0"),
        (HEADER + "2024-08-26,USD,1_0\n", "line 2, eur_per_unit: '1_0' is not a number above 0"),
        (HEADER + "2024-08-26,USD,\u0661\n", "line 2, eur_per_unit: '\u0661' is not a number above 0"),
        (HEADER + f"2024-08-26,USD,{'9' * 500}\n", "line 2, eur_per_unit: '9{40}\\.\\.\\.' is not"),
        (
            HEADER + "2024-08-26,USD,0.9\n2024-08-26,GBP,1.2\n2024-08-26,USD,0.9\n",
            "line 4, currency: USD already has a rate for 2024-08-26",
        ),
        (HEADER + '2024-08-26,"USD,0.9\n', "can't be read as rates: line 2 opens a quote that is never closed"),
        (b"\xff\xfe\x00", "can't be read as rates"),
    ],
)
def test_an_unusable_table_is_refused_by_line_and_column(tmp_path, text, said) -> None:
    """Each error has the file, the line, the column and an example of a line."""
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError, match=rf"(?s)rates\[1\]\.csv.*{said}.*1 USD was worth 0\.8953 EUR"):
        read_rates(path, 7)


def test_rates_are_a_regular_file_of_at_most_16_mib(tmp_path) -> None:
    """A missing file, a folder and a file above 16 MiB are refused."""
    for path in (tmp_path / "rates*.csv", tmp_path):
        with pytest.raises(ConfigError, match="can't be read as rates"):
            read_rates(path, 7)
    path = _file(tmp_path, b"a" * (16 * 1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="more than 16,777,216 bytes"):
        read_rates(path, 7)


def test_a_mapping_names_the_rates_relative_to_itself(tmp_path) -> None:
    """The path of rates is relative to the mapping's folder, or absolute."""
    path = _file(tmp_path, HEADER + "2024-08-26,USD,0.9\n")
    for named in ("rates[1].csv", str(path)):
        (tmp_path / "mapping.yaml").write_text(f"rates: {{file: '{named}', most_days: 3}}")
        rates = load_mapping(tmp_path / "mapping.yaml").exchange_rates()
        assert (rates.where, rates.most_days) == (str(path), 3)
    assert Mapping().exchange_rates() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rates: {}", "missing required field `file`"),
        ("rates: {file: a, days: 3}", "unknown field `days`"),
        ("rates: {file: a, most_days: -1}", "Expected `int` >= 0"),
        ("rates: {file: a, most_days: 99}", "Expected `int` <= 31"),
        ("rates: {file: a, most_days: many}", "Expected `int`"),
    ],
)
def test_unusable_settings_of_rates_are_refused(tmp_path, text, said) -> None:
    """An invalid `rates` is refused with its field."""
    (tmp_path / "mapping.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_mapping(tmp_path / "mapping.yaml")


@pytest.mark.parametrize("given", [{"values": {"currency": {"USD": "840"}}}, {"constants": {"currency": "CHF"}}])
def test_a_mapping_with_rates_may_name_other_currencies(given) -> None:
    """Other currencies may be mapped or constant only if the mapping has rates."""
    Mapping.from_dict({"transactions": given, "rates": {"file": "rates.csv"}})
    with pytest.raises(ConfigError, match=r"Use EUR, or name a table of rates in the mapping \(rates\)"):
        Mapping.from_dict({"transactions": given})


def test_a_constant_currency_is_a_code() -> None:
    """A constant currency is a code of three capital letters."""
    with pytest.raises(ConfigError, match="three capital letters"):
        Mapping.from_dict({"transactions": {"constants": {"currency": "Franken"}}, "rates": {"file": "rates.csv"}})
