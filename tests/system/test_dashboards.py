"""Every query of every dashboard, in a real Prometheus that scraped a real server, its shipper and its sink."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from k8s.alerts import CHART
from k8s.dashboards.cloud_monitoring import cloud_monitoring
from k8s.dashboards.definition import DASHBOARDS, of_release
from k8s.dashboards.grafana import grafana
from k8s.dashboards.pictures import ask as ask_range
from k8s.dashboards.pictures import draw
from k8s.local_monitoring.programs import free_port
from tests.monitoring.prometheus import prometheus, query
from tests.system.asking import PATIENCE, ask

pytestmark = pytest.mark.system

_ROOT = Path(__file__).parents[2]
_QUERIES = [
    pytest.param(query, id=f"{shown.name}-{panel.title}-{place}")
    for shown in DASHBOARDS
    for panel in shown.panels
    for place, query in enumerate(panel.queries)
]


@pytest.fixture(scope="module")
def scraped(start, command, bundle, tmp_path_factory, sound_request):
    """A Prometheus, and a function that sends requests of several kinds to the server that it scrapes."""
    folder = tmp_path_factory.mktemp("dashboards")
    shipper = free_port()
    sink = {"type": "folder", "path": str(folder / "record")}
    record = {"enabled": True, "folder": str(folder / "outbox"), "ship": {"metrics_port": shipper, "sinks": [sink]}}
    (folder / "serving.yaml").write_text(json.dumps({"server": {"workers": 2}, "record": record}))
    server = start(command, bundle, "--config", str(folder / "serving.yaml"))
    server.wait_for("/v2/health/ready")
    strange = sound_request | {"profile": sound_request["profile"] | {"occupation": "ASTRONAUTS"}}
    url = f"http://127.0.0.1:{server.port}/ai/v1/risk"

    def load() -> None:
        for body in (sound_request, strange, {"customer_id": 7}):
            ask("POST", url, json=body)

    with prometheus(folder / "prometheus", [f"127.0.0.1:{server.port}", f"127.0.0.1:{shipper}"]) as address:
        yield address, load


@pytest.mark.parametrize("asked", _QUERIES)
def test_each_query_returns_data(scraped, asked) -> None:
    """Each query returns at least one series with a number, and the label that names its series."""
    address, load = scraped
    expression = of_release(asked, "local", "customer-risk", window="30s")
    deadline = time.monotonic() + PATIENCE
    while True:
        load()
        found = [each for each in query(address, expression) if each["value"][1] != "NaN"]
        if found:
            break
        assert time.monotonic() < deadline, expression
        time.sleep(0.5)
    assert all(not asked.label or each["metric"].get(asked.label) for each in found)


def test_the_texts_for_grafana_and_cloud_monitoring_are_those_queries() -> None:
    """Both texts have each query of the definition, Grafana's with its variables in place of the labels."""
    for shown in DASHBOARDS:
        defined = [of_release(each, "n", "r") for panel in shown.panels for each in panel.queries]
        tiles = json.loads(cloud_monitoring(shown, "n", "r"))["mosaicLayout"]["tiles"]
        sets = [each for tile in tiles for each in tile["widget"]["xyChart"]["dataSets"]]
        assert [each["timeSeriesQuery"]["prometheusQuery"] for each in sets] == defined
        targets = [each["expr"] for panel in json.loads(grafana(shown))["panels"] for each in panel["targets"]]
        filled = [
            text.replace('=~"$namespace"', '="n"').replace("$namespace", "n").replace("$release", "r")
            for text in targets
        ]
        assert filled == defined


@pytest.mark.parametrize("shown", DASHBOARDS, ids=lambda each: each.name)
def test_a_dashboard_of_grafana_is_consistent(shown) -> None:
    """Panel ids are unique, no two panels overlap, and every variable that a query uses is defined."""
    text = (CHART / f"files/dashboards/{shown.name}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len(shown.panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    defined = {each["name"] for each in document["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps([panels, document["templating"]])))
    assert used == defined
    assert all(panel["description"].endswith(".") for panel in panels)


def test_a_picture_is_drawn_from_the_same_definition(scraped, tmp_path) -> None:
    """The picture of a dashboard is a PNG with its panels."""
    address, load = scraped
    load()
    now = time.time()
    for shown in DASHBOARDS:
        found = {
            panel.title: [
                series
                for each in panel.queries
                for series in ask_range(
                    address,
                    of_release(each, "local", "customer-risk", window="30s"),
                    each.label,
                    each.name,
                    span=(now - 60, now),
                )
            ]
            for panel in shown.panels
        }
        draw(shown, found, tmp_path / "picture.png", span=(now - 60, now))
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_guide_shows_each_picture() -> None:
    """docs/guide/dashboards.md shows a picture of each dashboard."""
    page = (_ROOT / "docs/guide/dashboards.md").read_text(encoding="utf-8")
    for shown in DASHBOARDS:
        assert f"(../images/dashboards/{shown.name}.png)" in page
        assert (_ROOT / f"docs/images/dashboards/{shown.name}.png").read_bytes().startswith(b"\x89PNG")
