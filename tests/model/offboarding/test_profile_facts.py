"""A customer's profile for an analyst."""

from __future__ import annotations

import polars as pl

from customer_risk.model.offboarding.profile_facts import LABELS, profile_facts


def test_profile_has_values_flags_and_missing_values():
    """A missing value and an absent column are "not given", a flag is yes or no."""
    customers = pl.DataFrame(
        {
            "customer_id": ["c"],
            "country_of_residence": ["FR"],
            "occupation": [None],
            "kyc_state": [""],
            "is_pep": [False],
        },
        schema_overrides={"occupation": pl.String},
    )
    told = {fact.name: fact.value for fact in profile_facts(customers)["c"]}
    assert told["Country of residence"] == "FR"
    assert told["Occupation"] == told["KYC state"] == told["Minor adverse media"] == "not given"
    assert told["Politically exposed person"] == "no"
    assert list(told) == list(LABELS.values())


def test_no_decision_rests_on_gender_or_age():
    """The profile that an analyst sees has neither gender nor date of birth."""
    assert not {"gender", "date_of_birth"} & set(LABELS)
