"""The mapping of another bank's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from customer_risk.model.errors import ColumnMismatch, ConfigError
from customer_risk.model.tables.cleaning import load_cohort
from customer_risk.model.tables.mapping import Mapping, load_mapping
from customer_risk.model.tables.reading import available_columns

SECOND_BANK = Path(__file__).parents[3] / "docs" / "examples" / "second-bank" / "mapping.yaml"

# The second bank's names, written here independently of the mapping under test.
FILES = {
    "users_labelled": "clients_closed_book",
    "users_unlabelled": "clients_open_book",
    "transactions_labelled": "postings_closed_book",
    "transactions_unlabelled": "postings_open_book",
}
CLIENT = {
    "user_id": "client_no",
    "user_current_state": "account_status",
    "country_of_residence": "residence",
    "has_biometrics": "biometric_login",
    "phone_number_country_code": "dial_code",
    "reason_to_use_app": "purpose",
    "occupation": "job_group",
    "kyc_state": "identity_check",
    "gender": "sex",
    "date_of_birth": "born",
    "document_issuing_country": "id_country",
    "screening_state": "sanctions_check",
    "is_pep": "exposed_person",
}
POSTING = {
    "id": "posting_id",
    "user_id": "client_no",
    "state": "status",
    "type": "product",
    "amount": "eur",
    "direction": "side",
    "completed_at": "booked",
    "created_at": "entered",
}
VALUES = {
    "account_status": {"SUSPENDED": "EXITED_RISK", "ACTIVE": "OPEN"},
    "biometric_login": {"TRUE": "Y", "FALSE": "N"},
    "exposed_person": {"TRUE": "Y", "FALSE": "N"},
    "purpose": {
        "DAILY_PAYMENT_SERVICES": "everyday",
        "CRYPTO_SERVICES": "crypto",
        "NON_CUSTODIAL_CRYPTO_WALLET": "own wallet",
        "INTERNATIONAL_TRANSFERS": "abroad",
        "TRAVEL_ACCOUNT": "travel",
    },
    "identity_check": {"COMPLETED": "ok", "PENDING": "open", "FAILED": "refused"},
    "sanctions_check": {"COMPLETED": "clear", "TO_SOFT_REVIEW": "look", "TO_HARD_REVIEW": "stop"},
    "status": {
        "PENDING": "RESERVED",
        "COMPLETED": "SETTLED",
        "CANCELLED": "WITHDRAWN",
        "FAILED": "ERROR",
        "DECLINED": "REFUSED",
        "REVERSED": "CHARGED BACK",
    },
    "product": {
        "CARDS": "card",
        "BANK_TRANSFER": "sepa",
        "CARD_TOP_UP": "card funding",
        "CRYPTO_ON_RAMP": "crypto buy",
        "CRYPTO_OFF_RAMP": "crypto sell",
        "PROCESSING_FEE": "fee",
        "PAYMENTS": "wallet",
        "USER_REWARD": "bonus",
        "MANUAL": "back office",
    },
    "side": {"IN": "C", "OUT": "D"},
}
ABSENT = ("locale", "is_adverse_media_minor")


@pytest.fixture(scope="module")
def second_bank(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic tables with the second bank's files, columns and values, and another order of columns."""
    folder = tmp_path_factory.mktemp("second_bank")
    for ours, theirs in FILES.items():
        frame = pl.read_csv(synthetic / f"{ours}.csv", infer_schema=False)
        names = CLIENT if ours.startswith("users") else POSTING
        there = [name for name in names if name in frame.columns]
        renamed = frame.select(reversed(there)).rename({name: names[name] for name in there})
        changed = renamed.with_columns(
            pl.col(name).replace(values) for name, values in VALUES.items() if name in renamed.columns
        )
        changed.with_columns(branch=pl.lit("Northern")).write_csv(folder / f"{theirs}.csv")
    return folder


@pytest.mark.parametrize("cohort", ["labelled", "unlabelled"])
def test_the_second_bank_loads_the_same_cohort(synthetic: Path, second_bank: Path, cohort: Any) -> None:
    """Tables read with the example mapping equal the originals, except for columns that the bank lacks."""
    ours = load_cohort(synthetic, cohort)
    theirs = load_cohort(second_bank, cohort, mapping=load_mapping(SECOND_BANK))
    assert theirs.events.equals(ours.events)
    expected = ours.customers.with_columns(
        pl.lit(None, dtype=ours.customers[name].dtype).alias(name) for name in ABSENT
    )
    assert theirs.customers.equals(expected)
    assert set(ABSENT) <= set(theirs.absent)


def test_the_second_bank_is_refused_without_its_mapping(second_bank: Path) -> None:
    """Without the mapping, the bank's columns are unknown."""
    (second_bank / "users_unlabelled.csv").write_bytes((second_bank / "clients_open_book.csv").read_bytes())
    with pytest.raises(ColumnMismatch, match=r"user_id \(customer_id\).*client_no"):
        load_cohort(second_bank, "unlabelled")


def test_columns_that_the_second_bank_lacks_are_not_available(second_bank: Path) -> None:
    """Columns that the bank lacks aren't available; constant ones are."""
    available = available_columns(second_bank, "unlabelled", load_mapping(SECOND_BANK))
    assert not available & set(ABSENT)
    assert {"currency", "amount", "occupation"} <= available


def test_a_bank_with_one_row_per_transaction_is_read(bank: Any, load: Any) -> None:
    """A constant replaces the state if a bank has one row per transaction."""
    for row in bank.transactions_labelled:
        del row["state"]
    mapping = Mapping.from_dict({"transactions": {"constants": {"state": "COMPLETED"}}})
    cohort = load(mapping=mapping)
    assert cohort.events["state"].unique().to_list() == ["COMPLETED"]
    assert cohort.counts["transactions_in_several_states"] == 0


def test_several_values_can_be_mapped_to_one(bank: Any, load: Any) -> None:
    """Several of the file's values can be mapped to one."""
    for row, state in zip(bank.users_labelled, ("CLOSED", "FRAUD", "OPEN", "DORMANT"), strict=True):
        row["user_current_state"] = state
    values = {"SUSPENDED": ["CLOSED", "FRAUD"], "ACTIVE": ["OPEN", "DORMANT"]}
    cohort = load(mapping=Mapping.from_dict({"users": {"values": {"label": values}}}))
    assert cohort.customers["suspended"].to_list() == [True, True, False, False]


def test_yaml_scalars_stay_text(tmp_path: Path) -> None:
    """NO stays a text instead of a boolean, and 010 keeps its zero."""
    file = tmp_path / "m.yaml"
    file.write_text("users: {values: {is_pep: {true: YES, false: NO}, kyc_state: {FAILED: 010}}}")
    mapping = load_mapping(file)
    assert mapping.replacements("users", "is_pep") == {"YES": "true", "NO": "false"}
    assert mapping.replacements("users", "kyc_state") == {"010": "FAILED"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("customers: {}", r"unknown field `customers`"),
        ("users: {colums: {}}", r"unknown field `colums`.*users"),
        ("users: [1]", r"users"),
        ("users: {columns: {shoe_size: s}}", r"users\.columns\.shoe_size: the column is not known.*occupation"),
        ("users: {columns: {row: s}}", r"users\.columns\.row: the column is not known"),
        ("users: {absent: [label]}", r"users\.absent\.label: the column is required"),
        ("transactions: {absent: [amount]}", r"transactions\.absent\.amount: the column is required"),
        ("users: {columns: {locale: l}, absent: [locale]}", r"users\.absent\.locale: the column is also under columns"),
        (
            "users: {columns: {locale: x, gender: x}}",
            r"users\.columns\.locale: the file's column 'x' is mapped to both gender",
        ),
        (
            "transactions: {columns: {type: state}}",
            r"transactions\.columns\.type: the file's column 'state' is mapped to both",
        ),
        (
            "transactions: {values: {state: {DONE: x}}}",
            r"transactions\.values\.state\.DONE: the value is not known.*COMPLETED",
        ),
        (
            "transactions: {values: {amount: {1: x}}}",
            r"transactions\.values\.amount: values of this column can't be mapped",
        ),
        (
            "transactions: {values: {direction: {IN: x, OUT: [y, x]}}}",
            r"values\.direction\.OUT: 'x' is already mapped to IN",
        ),
        (
            "transactions: {constants: {currency: USD}}",
            r"transactions\.constants\.currency: 'USD' is not a known value.*EUR",
        ),
        ("transactions: {constants: {amount: 1}}", r"transactions\.constants\.amount: the column can't be constant"),
        (
            "transactions: {constants: {state: COMPLETED}, columns: {state: s}}",
            r"constants\.state: the column is also under",
        ),
        ("users: {files: {train: x}}", r"users\.files\.train: the cohort is not known.*labelled or unlabelled"),
        ("users: {values: {label: SUSPENDED}}", r"users\.values"),
        ("{", r"can't be read as YAML"),
    ],
)
def test_an_invalid_mapping_is_refused_with_its_field(tmp_path: Path, content: str, message: str) -> None:
    """An unknown, repeated or invalid entry is refused with the field and valid values."""
    file = tmp_path / "mapping.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_mapping(file)
    assert "mapping.yaml" in str(caught.value)


def test_a_missing_mapping_is_refused(tmp_path: Path) -> None:
    """A missing mapping file is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml can't be read"):
        load_mapping(tmp_path / "nowhere.yaml")


def test_an_empty_mapping_changes_nothing(tmp_path: Path) -> None:
    """An empty mapping is the default mapping."""
    file = tmp_path / "mapping.yaml"
    file.write_text("")
    assert load_mapping(file) == Mapping()
