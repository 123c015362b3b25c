"""Files that pages load: ours and those of others, how they are kept, and how much they weigh."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from mailroom.console.assets import FOLDER
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser

ROOT = Path(__file__).parents[3]
MOST_BYTES = 150_000


@pytest.mark.parametrize("folder", ["mailroom/console/static/vendor", "tests/support/vendor"])
def test_files_of_others_are_those_of_their_packages(folder: str) -> None:
    described = tomllib.loads((ROOT / folder / "VENDORED.toml").read_text())["package"]
    sums = {file: digest for package in described for file, digest in package["files"].items()}
    licences = {package["licence_file"] for package in described}
    there = {path.name for path in (ROOT / folder).iterdir()}
    assert there == {*sums, *licences, "VENDORED.toml"}
    assert {name: hashlib.sha256((ROOT / folder / name).read_bytes()).hexdigest() for name in sums} == sums
    assert all(package["version"] and package["licence"] for package in described)


def loaded(page: str) -> list[str]:
    """The paths, without the prefix, of what a browser loads with the page."""
    return [
        path.removeprefix(PREFIX) for path in dict.fromkeys(re.findall(r'(?:src|href)="([^"]*/static/[^"]*)"', page))
    ]


def test_the_first_load_weighs_less_than_150_kb(browser: Browser) -> None:
    page = browser.get("/", **{"Accept-Encoding": "gzip"})
    files = [browser.get(path, **{"Accept-Encoding": "gzip"}) for path in loaded(gunzipped(page.data))]
    assert len(files) >= 5
    assert all(each.headers["Content-Encoding"] == "gzip" for each in files)
    assert len(page.data) + sum(len(each.data) for each in files) < MOST_BYTES


def gunzipped(data: bytes) -> str:
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def test_a_file_is_kept_for_good_under_its_digest_only(browser: Browser) -> None:
    [style] = [path for path in loaded(browser.get("/").text) if path.endswith("console.css")]
    answer = browser.get(style)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.data == (FOLDER / "console.css").read_bytes()
    # A page of another version, while functions are replaced.
    other = browser.get(re.sub(r"/static/[0-9a-f]+/", "/static/0123/", style))
    assert (other.status_code, other.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name", ["nothing.css", "../app.py", "..%2fapp.py", "vendor/VENDORED.toml", "vendor/htmx.LICENSE", ""]
)
def test_nothing_else_is_served(stranger: Browser, name: str) -> None:
    assert stranger.get(f"/static/0/{name}").status_code == 404


def test_no_page_holds_a_script_or_a_style_of_its_own() -> None:
    for file in sorted((ROOT / "mailroom/console/templates").rglob("*.html")):
        text = file.read_text()
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", text), file.name


def test_htmx_may_neither_evaluate_nor_add_styles(stranger: Browser, api: FakeApi) -> None:
    page = stranger.get("/sign-in").text
    assert '"includeIndicatorStyles":false,"allowEval":false' in page
