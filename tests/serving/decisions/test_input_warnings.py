"""Warnings about input taken as it was sent."""

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


def test_an_incomplete_history_is_warned_of(reader, request_, now) -> None:
    """A caller who says that the history is cut hears that the answer rests on less."""
    request_["history_complete"] = False
    ((code, pointer, _),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("HISTORY_CUT", "/history_complete")


def test_a_history_left_open_is_taken_as_complete(reader, request_, now) -> None:
    """Without the field, the answer says what it took for granted."""
    del request_["history_complete"]
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer, detail) == ("DEFAULT_TAKEN", "/history_complete", "Left out; taken as true.")


def test_profile_fields_left_out_are_unknown(reader, request_, now) -> None:
    """Fields that are left out are unknown, as null is, and one warning names all of them."""
    given = reader.read(json.dumps(request_).encode(), now=now).person
    del request_["profile"]["locale"], request_["profile"]["is_pep"]
    assert _warnings(reader, request_, now) == [
        ("DEFAULT_TAKEN", "/profile", "2 fields left out; each taken as unknown: is_pep, locale.")
    ]
    read = reader.read(json.dumps(request_).encode(), now=now)
    assert read.person == given._replace(locale=None, is_pep=None)


def test_one_profile_field_left_out_is_pointed_at(reader, request_, now) -> None:
    """A single field has its own pointer."""
    del request_["profile"]["locale"]
    assert _warnings(reader, request_, now) == [("DEFAULT_TAKEN", "/profile/locale", "Left out; taken as unknown.")]


def test_an_empty_request_has_a_warning_for_each_kind_of_default(service) -> None:
    """A customer of whom nothing was sent has two warnings, not thirteen."""
    warnings = service.answer(b'{"customer_id": "c", "profile": {}, "transactions": []}').warnings
    assert [(each.code, each.pointer) for each in warnings] == [
        ("DEFAULT_TAKEN", "/profile"),
        ("DEFAULT_TAKEN", "/history_complete"),
    ]
    assert "date_of_birth" in warnings[0].detail


def test_important_warnings_come_first(service, request_, now) -> None:
    """Warnings about what was left out come last, whatever the order of the request's fields."""
    request_ |= {"profile": {"occupation": "WIZARD"}, "remark": 1}
    del request_["history_complete"], request_["transactions"][1]["currency"]
    request_["transactions"][0]["created_at"] = _time(now + 1000)
    request_["transactions"].append(dict(request_["transactions"][2]))
    codes = [each.code for each in service.answer(json.dumps(request_).encode()).warnings]
    assert codes == [
        "FUTURE_TIME", "REPEATED_ROW", "UNKNOWN_FIELD", "UNKNOWN_CATEGORY",
        "DEFAULT_TAKEN", "DEFAULT_TAKEN", "DEFAULT_TAKEN",
    ]  # fmt: skip


def test_no_kind_of_warning_is_hidden_by_many_of_another() -> None:
    """Beyond the bound the first warning of each code stays listed, and the last one counts the rest."""
    many = [InputWarning("UNKNOWN_CATEGORY", f"/transactions/{row}/type", "") for row in range(80)]
    found = important_first(
        (*many, InputWarning("IMPLAUSIBLE_VALUE", "", ""), InputWarning("DEFAULT_TAKEN", "/profile", ""))
    )
    assert [each.code for each in found] == [
        *["UNKNOWN_CATEGORY"] * 48, "IMPLAUSIBLE_VALUE", "DEFAULT_TAKEN", "MORE_WARNINGS",
    ]  # fmt: skip
    assert [each.pointer for each in found[:48]] == [each.pointer for each in many[:48]]
    assert found[-1].detail.startswith("32 more ")


def test_an_answer_counts_the_unknown_fields_that_it_doesnt_list(service, request_) -> None:
    """The bound on warnings doesn't hide the warning that counts fields."""
    request_ |= {f"unknown-{place}": place for place in range(1500)}
    warnings = service.answer(json.dumps(request_).encode()).warnings
    assert (warnings[0].code, warnings[0].pointer) == ("UNKNOWN_FIELD", "")
    assert warnings[0].detail.startswith("1,400 fields beside 100 others ")


def test_what_transactions_leave_out_is_told_once(reader, request_, now) -> None:
    """At the first of them; the rest are read alike."""
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


def test_columns_left_out_are_told_as_columns(reader, request_, as_columns, now) -> None:
    """With the column's own pointer."""
    request_["transactions"] = as_columns(request_["transactions"])
    del request_["transactions"]["currency"], request_["transactions"]["completed_at"]
    assert [each[:2] for each in _warnings(reader, request_, now)] == [
        ("DEFAULT_TAKEN", "/transactions/completed_at"),
        ("DEFAULT_TAKEN", "/transactions/currency"),
    ]


def test_a_future_time_is_warned_of(reader, request_, now) -> None:
    """Beyond what a clock may be off, the first of the rows is pointed at and their number told."""
    for i in (2, 4):
        request_["transactions"][i]["created_at"] = _time(now + 301)
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("FUTURE_TIME", "/transactions/2/created_at")
    assert detail.startswith("2 transactions ")


def test_a_clock_may_be_a_little_ahead(reader, request_, now) -> None:
    """Five minutes in the future are no warning."""
    request_["transactions"][2]["created_at"] = _time(now + 299)
    assert _warnings(reader, request_, now) == []


def test_a_repeated_row_is_warned_of(reader, request_, now) -> None:
    """A whole row sent twice is pointed at where it stands again."""
    request_["transactions"].append(dict(request_["transactions"][1]))
    ((code, pointer, detail),) = _warnings(reader, request_, now)
    assert (code, pointer) == ("REPEATED_ROW", "/transactions/5")
    assert detail.startswith("1 whole row ")


def test_one_id_in_several_states_is_no_repetition(reader, request_, now) -> None:
    """A transaction stands once for each state that it went through."""
    request_["transactions"].append(request_["transactions"][1] | {"state": "PENDING"})
    assert _warnings(reader, request_, now) == []


def test_in_columns_a_warning_points_into_the_column(reader, request_, as_columns, now) -> None:
    """The caller finds the place in what they sent."""
    request_["transactions"][3]["created_at"] = _time(now + 1000)
    request_["transactions"] = as_columns(request_["transactions"])
    ((_, pointer, _),) = _warnings(reader, request_, now)
    assert pointer == "/transactions/created_at/3"


def test_other_pointers_stay_as_they_are() -> None:
    """Only pointers at rows' fields are turned round."""
    warned = InputWarning("UNKNOWN_CATEGORY", "/profile/occupation", "")
    assert by_column(warned) == warned
