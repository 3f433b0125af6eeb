"""Views of the record's table for common questions."""

from __future__ import annotations

from typing import Final

_VIEWS: Final = {
    "latest": """\
SELECT * FROM `{table}`
WHERE kind = 'decision'
QUALIFY ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY recorded_at DESC, decision_id DESC) = 1""",
    "by_day": """\
SELECT
  DATE(recorded_at) AS day, segment, COUNT(*) AS decisions, COUNT(DISTINCT customer_id) AS customers,
  AVG(probability) AS mean_probability
FROM `{table}`
WHERE kind = 'decision'
GROUP BY day, segment""",
    "mix": """\
SELECT *, decisions / SUM(decisions) OVER (PARTITION BY day, source, model_version) AS share
FROM (
  SELECT DATE(recorded_at) AS day, source, model_name, model_version, segment, action, COUNT(*) AS decisions
  FROM `{table}`
  WHERE kind = 'decision'
  GROUP BY day, source, model_name, model_version, segment, action
)""",
    "latency": """\
SELECT
  day, route, decisions, at[OFFSET(50)] / 1000 AS p50_ms, at[OFFSET(95)] / 1000 AS p95_ms,
  at[OFFSET(99)] / 1000 AS p99_ms, at[OFFSET(100)] / 1000 AS max_ms
FROM (
  SELECT DATE(recorded_at) AS day, route, COUNT(*) AS decisions, APPROX_QUANTILES(took_us, 100) AS at
  FROM `{table}`
  WHERE kind = 'decision' AND took_us >= 0
  GROUP BY day, route
)""",
    "warnings": """\
SELECT
  DATE(recorded_at) AS day, warning.code AS code, warning.pointer AS pointer,
  COUNT(DISTINCT decision_id) AS decisions
FROM `{table}`, UNNEST(warnings) AS warning
WHERE kind = 'decision'
GROUP BY day, code, pointer""",
}


def views(table: str) -> dict[str, str]:
    """Return each view's full name and its query, over a table's full name."""
    return {f"{table}_{name}": query.format(table=table) for name, query in _VIEWS.items()}
