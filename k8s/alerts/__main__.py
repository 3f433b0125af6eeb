"""Prints the alerts as a Prometheus rule file, or as a table: `python -m k8s.alerts --help`."""

from __future__ import annotations

import argparse
import sys

import yaml

from k8s.alerts import rules
from k8s.alerts.table import table


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m k8s.alerts")
    parser.add_argument("--namespace", default="local")
    parser.add_argument("--name", default="customer-risk", help="name of the release")
    parser.add_argument("--pace", type=float, default=1.0, help="number by which every duration is divided")
    parser.add_argument("--table", action="store_true", help="print a table of the alerts instead")
    asked = parser.parse_args()
    if asked.table:
        sys.stdout.write(table() + "\n")
    else:
        document = rules(namespace=asked.namespace, name=asked.name, pace=asked.pace)
        sys.stdout.write(yaml.safe_dump(document, sort_keys=False))


if __name__ == "__main__":
    main()
