"""Another bank's names."""

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

# How the second bank writes what this project's tables hold: written out here, not derived from the mapping under test.
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
    """The synthetic tables in the second bank's form: its files, columns and values, in no column order of ours."""
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
    """Renamed tables read through the shipped mapping give identical canonical frames, but for what that bank lacks."""
    ours = load_cohort(synthetic, cohort)
    theirs = load_cohort(second_bank, cohort, mapping=load_mapping(SECOND_BANK))
    assert theirs.events.equals(ours.events)
    expected = ours.customers.with_columns(
        pl.lit(None, dtype=ours.customers[name].dtype).alias(name) for name in ABSENT
    )
    assert theirs.customers.equals(expected)
    assert set(ABSENT) <= set(theirs.absent)


def test_the_second_bank_is_refused_without_its_mapping(second_bank: Path) -> None:
    """Its files under our names still have none of our columns."""
    (second_bank / "users_unlabelled.csv").write_bytes((second_bank / "clients_open_book.csv").read_bytes())
    with pytest.raises(ColumnMismatch, match=r"user_id \(customer_id\).*client_no"):
        load_cohort(second_bank, "unlabelled")


def test_what_the_second_bank_brings(second_bank: Path) -> None:
    """Columns that it lacks are not available; those filled in by a constant are."""
    available = available_columns(second_bank, "unlabelled", load_mapping(SECOND_BANK))
    assert not available & set(ABSENT)
    assert {"currency", "amount", "occupation"} <= available


def test_a_bank_of_one_row_a_transaction(bank: Any, load: Any) -> None:
    """Where a bank has no states, a constant says that all it writes is completed."""
    for row in bank.transactions_labelled:
        del row["state"]
    mapping = Mapping.from_dict({"transactions": {"constants": {"state": "COMPLETED"}}})
    cohort = load(mapping=mapping)
    assert cohort.events["state"].unique().to_list() == ["COMPLETED"]
    assert cohort.counts["transactions_in_several_states"] == 0


def test_several_values_of_the_file_can_mean_one(bank: Any, load: Any) -> None:
    """A list of the file's values gives them one meaning."""
    for row, state in zip(bank.users_labelled, ("CLOSED", "FRAUD", "OPEN", "DORMANT"), strict=True):
        row["user_current_state"] = state
    values = {"SUSPENDED": ["CLOSED", "FRAUD"], "ACTIVE": ["OPEN", "DORMANT"]}
    cohort = load(mapping=Mapping.from_dict({"users": {"values": {"label": values}}}))
    assert cohort.customers["suspended"].to_list() == [True, True, False, False]


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    """A bare NO is Norway's code or a bank's word, never a boolean; 010 keeps its zero."""
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
        ("users: {columns: {shoe_size: s}}", r"users\.columns\.shoe_size: there is no such column.*occupation"),
        ("users: {columns: {row: s}}", r"users\.columns\.row: there is no such column"),
        ("users: {absent: [label]}", r"users\.absent\.label: this column can't be absent"),
        ("transactions: {absent: [amount]}", r"transactions\.absent\.amount: this column can't be absent"),
        ("users: {columns: {locale: l}, absent: [locale]}", r"users\.absent\.locale: the column is mapped as well"),
        (
            "users: {columns: {locale: x, gender: x}}",
            r"users\.columns\.locale: the file's 'x' would be both gender",
        ),
        ("transactions: {columns: {type: state}}", r"transactions\.columns\.type: the file's 'state' would be both"),
        (
            "transactions: {values: {state: {DONE: x}}}",
            r"transactions\.values\.state\.DONE: .*no such value.*COMPLETED",
        ),
        ("transactions: {values: {amount: {1: x}}}", r"transactions\.values\.amount: this column has no known set"),
        ("transactions: {values: {direction: {IN: x, OUT: [y, x]}}}", r"values\.direction\.OUT: 'x' means IN already"),
        ("transactions: {constants: {currency: USD}}", r"transactions\.constants\.currency: 'USD' is no value.*EUR"),
        (
            "transactions: {constants: {amount: 1}}",
            r"transactions\.constants\.amount: .*can't be the same in every row",
        ),
        (
            "transactions: {constants: {state: COMPLETED}, columns: {state: s}}",
            r"constants\.state: the column is mapped",
        ),
        ("users: {files: {train: x}}", r"users\.files\.train: there is no such cohort.*labelled, unlabelled"),
        ("users: {values: {label: SUSPENDED}}", r"users\.values"),
        ("{", r"can't be read as YAML"),
    ],
)
def test_impossible_mappings_name_the_field(tmp_path: Path, content: str, message: str) -> None:
    """A mapping that says something unknown, doubled or impossible is refused with the field and what may be there."""
    file = tmp_path / "mapping.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_mapping(file)
    assert "mapping.yaml" in str(caught.value)


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    """A missing mapping file is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml can't be read"):
        load_mapping(tmp_path / "nowhere.yaml")


def test_an_empty_mapping_changes_nothing(tmp_path: Path) -> None:
    """What a mapping doesn't name is as this project names it."""
    file = tmp_path / "mapping.yaml"
    file.write_text("")
    assert load_mapping(file) == Mapping()
