"""The page in a real browser: nothing on its console, and every figure takes room on the screen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import NamedTuple

import pytest

from jaxheads.report.write import report
from tests.report.every_section import SECTIONS, make_full_folder

pytestmark = pytest.mark.chromium

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Writes what the browser made of the page into its title.
PROBE = """<script>
const faults = [];
addEventListener("error", (event) => faults.push(String(event.message || event.target)), true);
addEventListener("load", () => {
  const bottoms = [...document.querySelectorAll(".first > p, .first svg")]
    .map((part) => part.getBoundingClientRect().bottom);
  const open = document.body.innerText.split(/\\s+/).filter(Boolean).length;
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const sizes = {};
  for (const svg of document.querySelectorAll("figure svg")) {
    const box = svg.getBoundingClientRect();
    const ink = [...svg.querySelectorAll("path, use, line, text")]
      .filter((part) => part.getBoundingClientRect().width > 0).length;
    const cut = [...svg.querySelectorAll("g[id*='text_'], text")]
      .map((part) => part.getBoundingClientRect())
      .filter((part) => part.width > 0 && (part.left < box.left - 1 || part.top < box.top - 1 ||
        part.right > box.right + 1 || part.bottom > box.bottom + 1)).length;
    const name = svg.id || `view ${Object.keys(sizes).length}`;
    sizes[name] = [box.width, box.height, ink, box.right, cut];
  }
  const wide = document.documentElement.scrollWidth;
  top.document.title = "PROBE" + JSON.stringify({sizes, faults, wide, bottoms, open});
});
</script>"""


class Seen(NamedTuple):
    sizes: dict[str, list[float]]
    faults: list[str]
    wide: float
    bottoms: list[float]  # of the first answer and its figures
    open: int  # words that are seen before anything is unfolded
    console: list[str]


@pytest.fixture(scope="session")
def browser() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"needs one of {', '.join(NAMES)} (Debian: apt-get install chromium)")
    return found


def look(browser: str, page: Path, folder: Path, width: int = 1280) -> Seen:
    """What the browser made of a page that has the probe in it."""
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
        "--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", page.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    title = re.search(r"<title>PROBE(.*?)</title>", ran.stdout, re.DOTALL)
    assert title, ran.stdout[:500]
    console = [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(**json.loads(unescape(title[1])), console=console)


def probed(html: str, folder: Path) -> Path:
    path = folder / "probed.html"
    path.write_text(html.replace("<head>", f"<head>{PROBE}", 1), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """A report that has the sections of every study but those of `made`."""
    folder = make_full_folder(tmp_path_factory.mktemp("full"))
    report(folder)
    return folder


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("which", ["made", "full"])
def test_every_figure_is_seen_and_nothing_is_complained_of(
    browser, made, full, tmp_path, which, width
):
    folder = made.folder if which == "made" else full
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    seen = look(browser, probed(html, tmp_path), tmp_path, width)
    names = {f"svg-{path.stem}" for path in (folder / "report/figures").glob("*.svg")}
    views = {name for name in seen.sizes if name.startswith("view")}
    assert seen.sizes.keys() - views == names
    assert len(views) == html.count('<g class="rows">')
    for name, (wide, high, ink, right, cut) in seen.sizes.items():
        assert min(wide, high) > 100, name
        assert right <= width, name
        assert ink > 20, name
        assert cut == 0, name
    assert seen.wide <= width
    assert seen.console == seen.faults == []


@pytest.mark.parametrize("which", ["made", "full"])
def test_the_answer_and_its_figures_are_on_the_first_screen(browser, made, full, tmp_path, which):
    folder = made.folder if which == "made" else full
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    seen = look(browser, probed(html, tmp_path), tmp_path)
    assert len(seen.bottoms) >= 2
    assert max(seen.bottoms) <= 800
    assert seen.open < 1500


@pytest.mark.parametrize("which", ["made", "full"])
def test_a_phone_shows_answer_and_figure_in_letters_that_can_be_read(
    browser, made, full, tmp_path, which
):
    """In a frame, since a window is no narrower than 500 pixels."""
    folder = made.folder if which == "made" else full
    html = (folder / "report/index.html").read_text(encoding="utf-8")
    inner = escape(html.replace("<head>", f"<head>{PROBE}", 1))
    path = tmp_path / "phone.html"
    path.write_text(
        "<!DOCTYPE html><html><head><title></title></head><body>"
        f'<iframe width="390" height="800" srcdoc="{inner}"></iframe></body></html>',
        encoding="utf-8",
    )
    seen = look(browser, path, tmp_path)
    assert seen.wide <= 390
    answer, figure = seen.bottoms[:2]
    assert answer < figure <= 800
    high = [high for name, (_, high, *_) in seen.sizes.items() if name.startswith("svg-")]
    assert min(high) > 120
    assert seen.console == seen.faults == []


def test_the_page_of_all_sections_has_them_all(full):
    html = (full / "report/index.html").read_text(encoding="utf-8")
    assert [name for name in SECTIONS if f'<section id="{name}">' not in html] == []
    assert "Further rows" not in html


def test_the_browser_would_have_complained(browser, tmp_path):
    broken = (
        "<!DOCTYPE html><html><head></head><body><figure><svg id='s' style='width:0'></svg>"
        "<svg id='t' width='9' height='20'><text y='9'>cut off</text></svg></figure>"
        "<img src='missing.png'><script>console.error('bad')</script></body></html>"
    )
    seen = look(browser, probed(broken, tmp_path), tmp_path)
    assert seen.sizes["s"][0] == 0
    assert seen.sizes["t"][-1] == 1
    assert seen.faults  # the image
    assert any("bad" in line for line in seen.console)
