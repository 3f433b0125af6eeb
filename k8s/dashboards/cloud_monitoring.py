"""Dashboards as JSON for Google's Cloud Monitoring, for one release."""

from __future__ import annotations

import json
from typing import Any, Final

from k8s.dashboards.definition import Dashboard, Panel, of_release

_WIDTH, _HEIGHT, _COLUMNS = 16, 14, 48
_UNITS: Final = {"per second": "1/s", "share": "10^2.%", "seconds": "s", "bytes": "By", "number": "1"}


def cloud_monitoring(shown: Dashboard, namespace: str, release: str) -> str:
    """Return the dashboard's JSON for `gcloud monitoring dashboards create --config-from-file`."""
    tiles = []
    for place, panel in enumerate(shown.panels):
        row, column = divmod(place, _COLUMNS // _WIDTH)
        position = {"xPos": column * _WIDTH, "yPos": row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
        tiles.append(position | {"widget": {"title": panel.title, "xyChart": _chart(panel, namespace, release)}})
    document = {
        "displayName": f"{shown.title} ({namespace}/{release})",
        "mosaicLayout": {"columns": _COLUMNS, "tiles": tiles},
    }
    return json.dumps(document, indent=1) + "\n"


def _chart(panel: Panel, namespace: str, release: str) -> dict[str, Any]:
    sets = []
    for query in panel.queries:
        asked = {"prometheusQuery": of_release(query, namespace, release), "unitOverride": _UNITS[panel.unit]}
        legend = f"${{metric.labels.{query.label}}}" if query.label else query.name
        sets.append({"plotType": "LINE", "targetAxis": "Y1", "legendTemplate": legend, "timeSeriesQuery": asked})
    limits = [] if panel.limit is None else [{"value": panel.limit, "targetAxis": "Y1"}]
    return {"dataSets": sets, "thresholds": limits, "yAxis": {"scale": "LINEAR"}}
