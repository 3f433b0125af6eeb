"""The rules that Python renders, compared with what the chart renders."""

from __future__ import annotations

import pytest

from k8s.alerts import default_thresholds, parts, rules
from tests.chart.helm import Helm, Refused, objects


def _alerts(document):
    return [rule["alert"] for group in document["groups"] for rule in group["rules"] if "alert" in rule]


def _chart(*options):
    helm = Helm()
    values = [option for path in helm.values("production-gke") for option in ("--values", path)]
    return objects(helm.render(*values, *options, only="alerts.yaml"))[0]


def test_the_chart_and_python_render_the_same_rules():
    """The chart renders the rules of `rules`, without the alerts on parts that the release doesn't have."""
    rendered = _chart("--set", "record.outboxSize=2Gi")
    there = set(_alerts(rendered["spec"]))
    absent = {alert for alerts in parts().values() for alert in alerts if alert not in there}
    expected = rules(namespace="risk", name="risk", disabled=absent)
    assert rendered["spec"] == expected
    assert rendered["kind"] == "Rules"


def test_a_disabled_alert_is_left_out():
    """An alert in `alerts.disabled` is left out."""
    rendered = _chart("--set", "alerts.disabled={CustomerRiskNoTraffic}")
    assert "CustomerRiskNoTraffic" not in _alerts(rendered["spec"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ('alerts.disabled=["CustomerRiskTypo"]', "which is not an alert. The alerts are CustomerRiskAvailabilityBurn"),
        ("alerts.thresholds.flaggedMinimum=0.2", "flaggedMinimum (0.2) is not below alerts.thresholds.flaggedMaximum"),
    ],
)
def test_contradicting_values_are_refused(option, message):
    """The chart refuses a disabled name that isn't an alert, and a minimum above its maximum."""
    with pytest.raises(Refused) as refused:
        _chart("--set-json", option)
    assert message in str(refused.value)


def test_pace_divides_every_duration():
    """With a pace of 30, five minutes become ten seconds, and the thresholds stay."""
    rule = rules(pace=30)["groups"][0]["rules"][0]
    assert "[10000ms]" in rule["expr"]
    errors = next(
        each
        for group in rules(pace=30)["groups"]
        for each in group["rules"]
        if each.get("alert") == "CustomerRiskErrors"
    )
    assert errors["for"] == "10000ms"


def test_an_unknown_name_is_refused():
    """A disabled name that isn't an alert, and an unknown threshold, are refused."""
    with pytest.raises(ValueError, match="are not alerts"):
        rules(disabled=["CustomerRiskTypo"])
    with pytest.raises(ValueError, match="are not thresholds"):
        rules(thresholds={"typo": 1})


def test_every_threshold_is_used():
    """Every threshold of the chart changes the rules."""
    assert [name for name in default_thresholds() if rules(thresholds={name: 7.77}) == rules()] == []
