"""Warnings about input that was accepted unchanged."""

from __future__ import annotations

import datetime as dt
import json

from customer_risk.model.features.input_warning import InputWarning
from customer_risk.serving.decisions.input_warnings import by_column, important_first


def _warnings(reader, request_, now) -> list[tuple[str, str, str]]:
    read = reader.read(json.dumps(request_).encode(), now=now)
    return [(each.code, each.pointer, each.detail) for each in read.as_sent(read.warnings)]


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def test_an_incomplete_history_gets_a_warning(reader, request_, now) -> None:
    """An incomplete history gets a warning."""
    request_["history_complete"] = False
    ((code, pointer, _),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("HISTORY_CUT", "/history_complete")


def test_an_absent_history_complete_gets_a_warning(reader, request_, now) -> None:
    """An absent field gets a warning with its default."""
    del request_["history_complete"]
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer, detail) == ("DEFAULT_TAKEN", "/history_complete", "Left out; scored as true.")


def test_profile_fields_left_out_are_unknown(reader, request_, now) -> None:
    """Fields that are left out are unknown, like null, and one warning names all of them."""
    given = reader.read(json.dumps(request_).encode(), now=now).person
    del request_["profile"]["locale"], request_["profile"]["is_pep"]
    assert _warnings(reader, request_, now) == [
        ("DEFAULT_TAKEN", "/profile", "2 fields left out; each scored as unknown: is_pep, locale.")
    ]
    read = reader.read(json.dumps(request_).encode(), now=now)
    assert read.person == given._replace(locale=None, is_pep=None)


def test_the_warning_about_one_absent_field_points_at_it(reader, request_, now) -> None:
    """The warning about a single absent field points at the field."""
    del request_["profile"]["locale"]
    assert _warnings(reader, request_, now) == [("DEFAULT_TAKEN", "/profile/locale", "Left out; scored as unknown.")]


def test_an_empty_request_has_a_warning_for_each_kind_of_default(service) -> None:
    """An empty profile gets one warning, not one for each field."""
    warnings = service.answer(b'{"customer_id": "c", "profile": {}, "transactions": []}').warnings
    assert [(each.code, each.pointer) for each in warnings] == [
        ("DEFAULT_TAKEN", "/profile"),
        ("DEFAULT_TAKEN", "/history_complete"),
    ]
    assert "date_of_birth" in warnings[0].detail


def test_important_warnings_come_first(service, request_, now) -> None:
    """Warnings about defaults come last."""
    request_ |= {"profile": {"occupation": "WIZARD"}, "remark": 1}
    del request_["history_complete"], request_["transactions"][1]["currency"]
    request_["transactions"][0]["created_at"] = _time(now + 1000)
    request_["transactions"].append(dict(request_["transactions"][2]))
    codes = [each.code for each in service.answer(json.dumps(request_).encode()).warnings]
    assert codes == [
        "FUTURE_TIME", "REPEATED_ROW", "UNKNOWN_FIELD", "UNKNOWN_CATEGORY",
        "DEFAULT_TAKEN", "DEFAULT_TAKEN", "DEFAULT_TAKEN",
    ]  # fmt: skip


def test_every_code_of_warnings_is_listed() -> None:
    """Beyond the bound, the first warning of each code is listed, and the last one counts the others."""
    many = [InputWarning("UNKNOWN_CATEGORY", f"/transactions/{row}/type", "") for row in range(80)]
    found = important_first(
        (*many, InputWarning("IMPLAUSIBLE_VALUE", "", ""), InputWarning("DEFAULT_TAKEN", "/profile", ""))
    )
    assert [each.code for each in found] == [
        *["UNKNOWN_CATEGORY"] * 48, "IMPLAUSIBLE_VALUE", "DEFAULT_TAKEN", "MORE_WARNINGS",
    ]  # fmt: skip
    assert [each.pointer for each in found[:48]] == [each.pointer for each in many[:48]]
    assert found[-1].detail.startswith("32 more ")


def test_unlisted_unknown_fields_are_counted(service, request_) -> None:
    """The bound on warnings doesn't hide the warning that counts fields."""
    request_ |= {f"unknown-{place}": place for place in range(1500)}
    warnings = service.answer(json.dumps(request_).encode()).warnings
    assert (warnings[0].code, warnings[0].pointer) == ("UNKNOWN_FIELD", "")
    assert warnings[0].detail.startswith("1,500 unknown fields")


def test_absent_transaction_fields_get_one_warning(reader, request_, now) -> None:
    """Absent fields of transactions have one warning, at the first transaction without the field."""
    for row in request_["transactions"][1:]:
        del row["currency"], row["completed_at"]
    assert [each[:2] for each in _warnings(reader, request_, now)] == [
        ("DEFAULT_TAKEN", "/transactions/1/completed_at"),
        ("DEFAULT_TAKEN", "/transactions/1/currency"),
    ]
    left = reader.read(json.dumps(request_).encode(), now=now).history.completed.tolist()
    for row in request_["transactions"][1:]:
        row["completed_at"] = None
    assert reader.read(json.dumps(request_).encode(), now=now).history.completed.tolist() == left


def test_a_warning_about_an_absent_column_points_at_it(reader, request_, as_columns, now) -> None:
    """The warning about an absent column points at the column."""
    request_["transactions"] = as_columns(request_["transactions"])
    del request_["transactions"]["currency"], request_["transactions"]["completed_at"]
    assert [each[:2] for each in _warnings(reader, request_, now)] == [
        ("DEFAULT_TAKEN", "/transactions/completed_at"),
        ("DEFAULT_TAKEN", "/transactions/currency"),
    ]


def test_a_future_time_gets_a_warning(reader, request_, now) -> None:
    """Times after the allowed clock skew get a warning at the first row, with the number of rows."""
    for i in (2, 4):
        request_["transactions"][i]["created_at"] = _time(now + 301)
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("FUTURE_TIME", "/transactions/2/created_at")
    assert detail.startswith("2 transactions ")


def test_a_clock_may_be_a_little_ahead(reader, request_, now) -> None:
    """A time five minutes in the future gets no warning."""
    request_["transactions"][2]["created_at"] = _time(now + 299)
    assert _warnings(reader, request_, now) == []


def test_a_repeated_row_gets_a_warning(reader, request_, now) -> None:
    """A repeated row gets a warning at its second position."""
    request_["transactions"].append(dict(request_["transactions"][1]))
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("REPEATED_ROW", "/transactions/5")
    assert detail.startswith("1 repeated row")


def test_one_id_in_several_states_is_no_repetition(reader, request_, now) -> None:
    """A transaction with several states isn't a repeated row."""
    request_["transactions"].append(request_["transactions"][1] | {"state": "PENDING"})
    assert _warnings(reader, request_, now) == []


def test_warnings_about_columns_point_into_the_column(reader, request_, as_columns, now) -> None:
    """Pointers are by column if the transactions were sent as columns."""
    request_["transactions"][3]["created_at"] = _time(now + 1000)
    request_["transactions"] = as_columns(request_["transactions"])
    ((_, pointer, _),) = _warnings(reader, request_, now)
    assert pointer == "/transactions/created_at/3"


def test_other_pointers_are_unchanged() -> None:
    """Only pointers at fields of rows are converted."""
    warned = InputWarning("UNKNOWN_CATEGORY", "/profile/occupation", "")
    assert by_column(warned) == warned
