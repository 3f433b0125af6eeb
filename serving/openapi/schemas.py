"""JSON schemas (draft 2020-12) of everything on the wire, made from the types that decode and encode it.

What msgspec's types can't say is added here: which fields go together, the form of times, the meaning of fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import UnsetType

from customer_risk.model.features import vocabulary
from customer_risk.model.features.catalogue import CATALOGUE
from customer_risk.model.features.input_warning import InputWarning
from customer_risk.serving.bulk.jobs.types import JobList, JobPath, JobView
from customer_risk.serving.contract.answer import WireAnswer, WirePattern, WireReason
from customer_risk.serving.contract.batch import MOST_ITEMS, BatchAnswer, BatchItem
from customer_risk.serving.contract.kserve_problem import KserveProblem
from customer_risk.serving.contract.problem import Problem
from customer_risk.serving.contract.request import Columns, Profile, RiskRequest, Transaction
from customer_risk.serving.http.endpoints.admin import ReloadOrder, RulesSwitch, State
from customer_risk.serving.openapi.inference import InferenceRequest, InferenceResponse
from customer_risk.serving.openapi.plain import Schema, plain
from customer_risk.serving.telemetry.decision_counters import Counters

_ENDPOINT_TYPES: Final = (JobView, JobList, JobPath, State, RulesSwitch, ReloadOrder, Counters)
_REF: Final = "#/components/schemas/{name}"
_DATE: Final = (
    r"(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
TIME: Final = rf"^{_DATE}[Tt ]{_CLOCK}(?:[Zz]| UTC|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])$"

_CATEGORIES: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "Profile": {
        "reason_to_use_app": vocabulary.REASONS,
        "occupation": vocabulary.OCCUPATIONS,
        "kyc_state": vocabulary.KYC_STATES,
        "screening_state": vocabulary.SCREENING_STATES,
    },
    "Transaction": {"state": vocabulary.STATES, "type": vocabulary.TYPES},
}
_UNUSED: Final = "accepted, so that a whole row of the table can be sent, but not used"

_OF_A_PROBLEM: Final[Mapping[str, Schema]] = {
    "type": {"description": "a stable URN for the kind of refusal"},
    "title": {"description": "the kind in words"},
    "status": {"description": "the response's status", "minimum": 400, "maximum": 599},
    "detail": {"description": "what was wrong with this request, and what to do"},
    "errors": {"description": "every field that can't be used"},
}

# Descriptions and bounds of fields whose types have none.
SAYS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "RiskRequest": {
        "transactions": {"description": "rows, or the same as columns; [] for none"},
        "features": {"description": "features by name, all of the model's; null where missing"},
        "history_complete": {
            "description": "false if older or other transactions exist that aren't sent; the answer then has a warning"
        },
    },
    "Profile": {name: {"description": _UNUSED} for name in ("gender", "user_id", "session_id")},
    "WireAnswer": {
        "decision_id": {"description": "a UUID of version 7: it sorts by time", "format": "uuid"},
        "customer_id": {"description": "the customer_id of the request"},
        "decided_at": {"description": "time of the decision, in UTC", "format": "date-time"},
        "probability": {
            "description": "the calibrated probability that the customer is a risk; null if rules answered",
            "minimum": 0,
            "maximum": 1,
        },
        "segment": {"description": "what the probability means for the bank"},
        "action": {
            "description": "the proposed action, by the bundle's action rule: off-boarding only for a high segment "
            "with enough patterns; a named person decides on every off-boarding"
        },
        "reasons": {"description": "the strongest first"},
        "patterns": {
            "description": "the patterns found in the transactions; null if no pattern can be seen: the request gave "
            "features, rules answered, or the bundle has no action rule"
        },
        "source": {"description": "`rules` if declared rules answered instead of the model"},
        "warnings": {"description": "input that was accepted but may be a mistake; the answer is valid"},
    },
    "WireReason": {
        "code": {"description": "a stable name"},
        "text": {"description": "a text that the customer may see; empty if an earlier reason has the same text"},
        "direction": {"description": "whether it raises or lowers the risk"},
        "feature": {"description": "the feature's name; scope `explain`"},
        "value": {"description": "its value in `unit`, null where missing; scope `explain`"},
        "unit": {"description": "the value's unit; scope `explain`"},
        "contribution": {"description": "its part of the probability's log-odds; scope `explain`"},
        "share": {"description": "its part of all absolute contributions; scope `explain`", "minimum": 0, "maximum": 1},
        "investigator_text": {"description": "a text for investigators only; scope `explain`"},
    },
    "WirePattern": {
        "code": {"description": "a stable name"},
        "count": {"description": "number of transactions that show the pattern; scope `explain`", "minimum": 1},
        "amount": {
            "description": "EUR: the sum of these transactions, or the money that passed through; scope `explain`",
            "minimum": 0,
        },
        "share": {
            "description": "of the money in, or of crypto purchases; null for other patterns; scope `explain`",
            "minimum": 0,
            "maximum": 1,
        },
        "first_at": {
            "description": "time of the first of these transactions, in UTC; scope `explain`",
            "format": "date-time",
        },
        "last_at": {
            "description": "time of the last of these transactions, in UTC; scope `explain`",
            "format": "date-time",
        },
        "investigator_text": {"description": "a text for investigators only; scope `explain`"},
    },
    "ModelName": {
        "name": {"description": "the model's name, or the rule set's"},
        "version": {"description": "the SHA-256 of the bundle's manifest, or of the rule set"},
    },
    "InputWarning": {
        "code": {"description": "a stable name"},
        "pointer": {"description": "place in the request: a JSON pointer (RFC 6901)"},
        "detail": {"description": "what was done, in a sentence"},
    },
    "Problem": _OF_A_PROBLEM,
    "KserveProblem": {**_OF_A_PROBLEM, "error": {"description": "the text that KServe's and Triton's clients show"}},
    "BadField": {
        "pointer": {"description": "place in the request: a JSON pointer (RFC 6901)"},
        "detail": {"description": "what was expected, and what kind of value was sent"},
    },
    "BatchItem": {
        "status": {"description": "the status that the request would have had alone", "minimum": 200, "maximum": 599},
        "answer": {"description": "present if the status is 200"},
        "problem": {"description": "present if the status isn't 200"},
        "customer_id": {"description": "of a refused customer; absent if it can't be read"},
    },
    "BatchAnswer": {"items": {"description": "in the requests' order"}},
    "JobView": {
        **{name: {"minimum": 0} for name in ("rows", "done", "failed", "rate", "seconds_left")},
        **{name: {"format": "date-time"} for name in ("created_at", "expires_at")},
        "results": {"format": "uri-reference"},
    },
    "JobList": {"jobs": {"description": "the oldest first"}},
    "State": {
        "model": {"description": "the model or rules that answer; null if neither can"},
        "ready": {"description": "whether requests should be sent here"},
        "draining": {"description": "whether the server is shutting down"},
        "rules_forced": {"description": "whether rules are set to answer instead of the model"},
        "switched_by": {"description": "the caller who used a switch last"},
        "switched_why": {"description": "the reason given"},
        "switched_at": {"description": "when, in seconds since 1970"},
        "reload": {"description": "the result of the last load of a bundle"},
        "worker": {"description": "the process that answered: each has its own model in memory"},
        "started": {"description": "when that process started, in seconds since 1970"},
    },
    "ReloadState": {
        "result": {"description": "null if none was loaded"},
        "version": {"description": "the SHA-256 of the bundle's manifest"},
        "refusal": {"description": "why it was refused"},
        "at": {"description": "when, in seconds since 1970"},
    },
    "Counters": {
        "start_id": {"description": "another one for each start of the server", "format": "uuid"},
        "host": {"description": "the host's name; in Kubernetes the pod's name"},
        "pid": {"description": "the process id of the server, the parent of its workers"},
        "started": {"description": "when the server started, in UTC", "format": "date-time"},
        "workers": {"description": "number of workers"},
        "decisions": {"description": "a row for each combination that occurred"},
    },
    "DecisionCount": {
        "action": {"description": "the proposed action"},
        "source": {"description": "what decided"},
        "model": {"description": "the bundle's SHA-256, or the rules' version; `other` beyond 100 models of a worker"},
        "count": {"description": "decisions since the server started", "minimum": 0},
    },
    "RulesSwitch": {"force": {"description": "true: rules answer; false: the model answers again"}},
}


def make_components() -> dict[str, Schema]:
    """Return every schema by name."""
    answer = _like(WireAnswer, reasons=list[WireReason], patterns=list[WirePattern] | None)
    item = _like(BatchItem, answer=answer | UnsetType, problem=Problem | UnsetType, customer_id=str | UnsetType)
    batch = _like(BatchAnswer, items=list[item])  # type: ignore[valid-type]  # a type made a line above
    refused = (Problem, KserveProblem)
    types = (RiskRequest, answer, batch, *refused, InputWarning, InferenceRequest, InferenceResponse, *_ENDPOINT_TYPES)
    _, found = msgspec.json.schema_components(types, schema_hook=_unknown_type, ref_template=_REF)
    components = dict(sorted(found.items()))
    for name, fields in SAYS.items():
        for field, says in fields.items():
            components[name]["properties"][field] = _with(components[name]["properties"][field], says)
    for kind in (RiskRequest, Profile):  # the fast decoder refuses unknown fields, but requests with them are accepted
        del components[kind.__name__]["additionalProperties"]
    _say_times(components)
    _say_categories(components)
    _say_forms(components)
    return {name: plain(schema) for name, schema in components.items()}


def reference(kind: str | type) -> Schema:
    """Return a reference to a schema, by its name or type."""
    return {"$ref": _REF.format(name=kind if isinstance(kind, str) else kind.__name__)}


def _like(kind: type[msgspec.Struct], **others: Any) -> type[msgspec.Struct]:
    """Return a type like `kind`, with `others` for fields that msgspec can't describe (untagged unions)."""
    hints = get_type_hints(kind, include_extras=True)
    fields: list[Any] = [
        (each.name, others.get(each.name, hints[each.name]), *([] if each.required else [each.default]))
        for each in msgspec.structs.fields(kind)
    ]
    fields = [
        (name, hint, msgspec.UNSET) if UnsetType in getattr(hint, "__args__", ()) else (name, hint, *default)
        for name, hint, *default in fields
    ]
    return msgspec.defstruct(kind.__name__, fields, kw_only=True, namespace={"__doc__": kind.__doc__})


def _unknown_type(kind: type) -> Schema:
    raise NotImplementedError(f"{kind} has no schema yet")


def _with(schema: Schema, says: Schema) -> Schema:
    """Return a field's schema with description and bounds; bounds go to the numeric part of a union."""
    bounds: Schema = {name: says[name] for name in ("minimum", "maximum") if name in says}
    words = {name: value for name, value in says.items() if name not in bounds}
    if bounds and "anyOf" in schema:
        parts = [part | bounds if part.get("type") in {"number", "integer"} else part for part in schema["anyOf"]]
        return {**schema, "anyOf": parts, **words}
    return {**schema, **bounds, **words}


def _say_times(components: dict[str, Schema]) -> None:
    for kind in (Transaction, Columns):
        for name in ("created_at", "completed_at"):
            schema = components[kind.__name__]["properties"][name]
            schema = schema.get("items", schema)
            for part in schema.get("anyOf", (schema,)):
                if part["type"] == "string":
                    part["pattern"] = TIME


def _say_categories(components: dict[str, Schema]) -> None:
    for kind, fields in _CATEGORIES.items():
        for field, known in fields.items():
            schema = components[kind]["properties"][field]
            said = f"{schema['description']}; known: {', '.join(known)}. Other values are read as other, with a warning"
            schema |= {"description": said, "examples": list(known)}


def _say_forms(components: dict[str, Schema]) -> None:
    """Add which fields go together (a profile with transactions, or features), and the names of the features.

    Generators of clients ignore `if`, and make one class with all members. Of alternatives under `oneOf` they would
    make a class without members.
    """
    request = components[RiskRequest.__name__]
    transactions = request["properties"]["transactions"]
    rows, columns = transactions.pop("anyOf")
    components["Transactions"] = {"title": "Transactions", "description": "Rows; [] for none.", **rows}
    transactions["oneOf"] = [reference("Transactions"), columns]  # openapi-generator merges alternatives of anyOf
    raw = [{"required": [name]} for name in ("profile", "transactions")]
    request["description"] += " `features` can't be combined with `profile` or `transactions`."
    request["if"] = {"required": ["features"]}
    request["then"] = {"not": {"anyOf": raw}}
    request["else"] = {"required": ["profile", "transactions"]}
    features = request["properties"]["features"]
    components["FeatureValue"] = {"title": "FeatureValue", **features["additionalProperties"]}
    components["Features"] = {
        "title": "Features",
        "description": features["description"],
        "type": "object",
        "properties": {
            each.name: reference("FeatureValue") | {"description": f"{each.formula} ({each.unit})"}
            for each in CATALOGUE
        },
        "additionalProperties": False,
    }
    request["properties"]["features"] = reference("Features") | {"description": features["description"]}
    components["BatchRequest"] = {
        "title": "BatchRequest",
        "description": "Requests, each as /ai/v1/risk takes it and each answered or refused separately.",
        "type": "object",
        "properties": {
            "requests": {"type": "array", "items": reference(RiskRequest), "minItems": 1, "maxItems": MOST_ITEMS}
        },
        "required": ["requests"],
    }
    for name, field, kind in (
        ("PredictRequest", "instances", RiskRequest),
        ("PredictResponse", "predictions", WireAnswer),
    ):
        components[name] = {
            "title": name,
            "description": "Requests, in order." if kind is RiskRequest else "Answers, in the instances' order.",
            "type": "object",
            "properties": {field: {"type": "array", "items": reference(kind)}},
            "required": [field],
        }
