"""Dashboards as JSON for Grafana 11."""

from __future__ import annotations

import json
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, table, timeseries
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from k8s.dashboards.definition import Dashboard, Panel, filled

_UNITS: Final = {"per second": "reqps", "share": "percentunit", "seconds": "s", "bytes": "bytes", "number": "short"}
_SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_SELECTOR: Final = 'namespace="$namespace",pod=~"$release-predictor-.+"'
_EVERY: Final = 'namespace=~"$namespace",pod=~".+-predictor-.+"'
_WIDTH, _HEIGHT = 8, 8


def grafana(shown: Dashboard) -> str:
    """Return the dashboard's JSON, with variables for the data source, the namespace and the release."""
    made = (
        build.Dashboard(shown.title)
        .uid(f"customer-risk-{shown.name}")
        .tags(["customer-risk"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("utc")
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "Namespace", "label_values(customer_risk_ready, namespace)"))
    )
    if any("${selector}" in query.expression for panel in shown.panels for query in panel.queries):
        query = 'label_values(customer_risk_ready{namespace="$namespace"}, pod)'
        made = made.with_variable(_variable("release", "Release", query).regex("/(.+)-predictor-.+/"))
    for place, panel in enumerate(shown.panels, 1):
        made = made.with_panel(_panel(panel).id(place))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _variable(name: str, label: str, query: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _panel(panel: Panel) -> timeseries.Panel | table.Panel:
    made = table.Panel() if panel.table else timeseries.Panel()
    made.title(panel.title).description(panel.look_for).datasource(_SOURCE).span(_WIDTH).height(_HEIGHT)
    made.unit(_UNITS[panel.unit]).min(0)
    for place, query in enumerate(panel.queries):
        text = filled(query, selector=_SELECTOR, every=_EVERY, window="5m")
        target = prometheus.Dataquery().expr(text).ref_id("ABCDEFGH"[place]).datasource(_SOURCE)
        target.legend_format(f"{{{{{query.label}}}}}" if query.label else query.name)
        made.with_target(target.instant().format(PromQueryFormat.TABLE) if panel.table else target.range())
    if panel.limit is not None and isinstance(made, timeseries.Panel):
        steps = [models.Threshold(None, "green"), models.Threshold(panel.limit, "red")]
        made.thresholds(build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
        made.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    return made
