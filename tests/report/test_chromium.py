"""The page in a real browser: nothing on its console, and every figure takes room on the screen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.chromium

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Writes what the browser made of the page into its title.
PROBE = """<script>
const faults = [];
addEventListener("error", (event) => faults.push(String(event.message || event.target)), true);
addEventListener("load", () => {
  const sizes = {};
  for (const svg of document.querySelectorAll("figure > svg")) {
    const box = svg.getBoundingClientRect();
    const ink = [...svg.querySelectorAll("path, use")]
      .filter((part) => part.getBoundingClientRect().width > 0).length;
    sizes[svg.id] = [box.width, box.height, ink, box.right];
  }
  const wide = document.documentElement.scrollWidth;
  document.title = "PROBE" + JSON.stringify({sizes, faults, wide});
});
</script>"""


class Seen(NamedTuple):
    sizes: dict[str, list[float]]
    faults: list[str]
    wide: float
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


@pytest.mark.parametrize("width", [1280, 500])
def test_every_figure_is_seen_and_nothing_is_complained_of(browser, made, tmp_path, width):
    seen = look(browser, probed(made.html, tmp_path), tmp_path, width)
    names = {f"svg-{path.stem}" for path in (made.folder / "report/figures").glob("*.svg")}
    assert seen.sizes.keys() == names
    for name, (wide, high, ink, right) in seen.sizes.items():
        assert min(wide, high) > 100, name
        assert right <= width, name
        assert ink > 20, name
    assert seen.wide <= width
    assert seen.console == seen.faults == []


def test_the_browser_would_have_complained(browser, tmp_path):
    broken = (
        "<!DOCTYPE html><html><head></head><body><figure><svg id='s' style='width:0'></svg>"
        "</figure><img src='missing.png'><script>console.error('bad')</script></body></html>"
    )
    seen = look(browser, probed(broken, tmp_path), tmp_path)
    assert seen.sizes["s"][0] == 0
    assert seen.faults  # the image
    assert any("bad" in line for line in seen.console)
