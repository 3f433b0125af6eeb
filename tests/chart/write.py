"""Renders every example again into helm/customer-risk/examples/CASE/rendered; `scripts/chart/render` runs it."""

from __future__ import annotations

import shutil

from tests.chart.helm import EXAMPLES, Helm, cases


def main() -> None:
    """Write the rendered examples, and remove all other files."""
    helm = Helm()
    for case in cases():
        folder = EXAMPLES / case / "rendered"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in helm.example(case).items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
