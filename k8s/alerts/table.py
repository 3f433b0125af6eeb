"""The table of all alerts for the documentation."""

from __future__ import annotations

from k8s.alerts import UNPROVEN, parts, rules


def table() -> str:
    """Return a Markdown table: each alert with its severity, its delay, the part that it needs, and its description."""
    needs = {alert: part for part, alerts in parts().items() for alert in alerts}
    rows = ["| Alert | Severity | For | Only with | Meaning |", "|---|---|---|---|---|"]
    for group in rules()["groups"]:
        for rule in group["rules"]:
            if alert := rule.get("alert"):
                meaning = rule["annotations"]["description"] + (f" ({UNPROVEN})" if "kube_" in rule["expr"] else "")
                shown = (f"`{alert}`", rule["labels"]["severity"], rule.get("for", ""), needs.get(alert, ""), meaning)
                rows.append(f"| {' | '.join(shown)} |")
    return "\n".join(rows)
