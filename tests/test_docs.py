"""The documentation's site builds, and a broken link fails the build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", out / "doctrees", docs, out / "site"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_site_builds_without_warnings_and_shows_each_page(tmp_path: Path) -> None:
    """Each page of docs/ becomes a page of the site, and the home page is README.md."""
    built = _build(ROOT / "docs", tmp_path)
    assert built.returncode == 0, built.stderr
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 40
    assert not [page for page in pages if not (tmp_path / "site" / page).exists()]
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Where to look next" in home
    assert 'href="guide/api.html"' in home
    assert 'href="https://github.com/deblock/customer-risk/blob/main/CHANGELOG.md"' in home
    assert not re.findall(r'<(?:script|link)[^>]+(?:src|href)="https?://', home)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The build of a small repository with sound and broken links, and with a page that no menu names."""
    folder = tmp_path_factory.mktemp("site")
    docs = folder / "repository" / "docs"
    (docs / "guide").mkdir(parents=True)
    (docs.parent / "model").mkdir()
    (docs.parent / "model" / "code.py").touch()
    (folder / "outside.txt").touch()
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    home = "```{include} ../README.md\n:relative-docs: docs/\n```\n\n```{toctree}\n:glob:\n\nguide/*\n```\n"
    (docs / "index.md").write_text(home)
    (docs.parent / "README.md").write_text("# Home\n\n[sound](docs/guide/page.md) [sound](model/code.py)\n")
    (docs / "guide" / "other.md").write_text("# Other\n\n## A section\n")
    sound = "[a](other.md#a-section) [b](../../model/code.py) [c](../../model) [d](../../README.md#home)"
    (docs / "guide" / "page.md").write_text(f"# Page\n\n{sound}\n")
    (docs / "lost.md").write_text("# Lost\n")
    for page, link in BROKEN:
        with (docs / page).open("a") as file:
            file.write(f"\n[broken]({link})\n")
    return _build(docs, folder)


BROKEN = [
    ("guide/page.md", "gone-page.md"),
    ("guide/page.md", "other.md#gone-section"),
    ("guide/page.md", "#gone-local-section"),
    ("guide/page.md", "../../model/gone_code.py"),
    ("guide/page.md", "../../gone-folder"),
    ("guide/page.md", "../../GONE.md"),
    ("guide/page.md", "../../../outside.txt"),
    ("../README.md", "docs/guide/gone-from-home.md"),
    ("../README.md", "model/gone_from_home.py"),
]


@pytest.mark.parametrize(("page", "link"), BROKEN)
def test_a_broken_link_fails_the_build_with_its_target(site, page: str, link: str) -> None:
    """A link to a missing page, heading, file or folder, or to a file outside the repository, is an error."""
    assert site.returncode != 0
    target = re.search(r"[\w-]+(?:\.(?:py|txt))?(?=(?:\.md)?$)", link)[0]
    assert [line for line in site.stderr.splitlines() if Path(page).name in line and target in line]


def test_links_to_files_outside_the_pages_lead_to_the_repository(site) -> None:
    """Links to code, folders and README.md become addresses of the repository."""
    page = (Path(site.args[-1]) / "guide" / "page.html").read_text()
    for path in ("blob/main/model/code.py", "tree/main/model", "blob/main/README.md#home"):
        assert f'href="https://github.com/deblock/customer-risk/{path}"' in page


def test_a_page_that_no_menu_names_fails_the_build(site) -> None:
    """A reader finds each page from the menu."""
    assert re.search(r"lost\.md: WARNING: document isn't included in any toctree", site.stderr)
    assert site.stderr.count("WARNING") == len(BROKEN) + 1
