"""The pages in a real browser: no error, no request, and a replay that plays, pauses, scrubs and steps."""

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interplay.report import page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: install it to test the pages")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless browser for all tests of this file."""
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """`visit(path)` opens a page; afterwards it must have written no error and asked for nothing but itself."""
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))

    def visit(path: Path) -> Any:
        tab.goto(path.as_uri())
        return tab

    yield visit
    assert said == []
    assert len(asked) == 1
    assert asked[0].startswith("file://")
    tab.close()


def frame_of(player: Any) -> int:
    """The number of the frame that a player shows."""
    return int(player.locator(".counter").inner_text().split()[1])


def watch(player: Any) -> None:
    """Play, see it advance, pause, see it stand still, scrub, step and rewind."""
    expect = sync_api.expect
    assert frame_of(player) == 1
    before = player.locator(".stage").inner_html()
    player.locator(".rate").select_option("4")
    player.locator(".play").click()
    expect(player.locator(".play")).to_have_text("Pause")
    expect(player.locator(".counter")).not_to_have_text("frame 1 / 25")
    player.locator(".play").click()
    expect(player.locator(".play")).to_have_text("Play")
    stopped = frame_of(player)
    player.page.wait_for_timeout(200)
    assert frame_of(player) == stopped > 1
    assert player.locator(".stage").inner_html() != before
    player.locator(".scrub").fill("19")
    expect(player.locator(".counter")).to_have_text("frame 20 / 25")
    assert player.locator(".stage svg circle").count() == 6


def test_run_page_plays_its_replay(run, visit):
    tab = visit(page.run_page(run))
    player = tab.locator(".player")
    watch(player)
    player.focus()
    tab.keyboard.press("ArrowRight")
    sync_api.expect(player.locator(".counter")).to_have_text("frame 21 / 25")
    tab.keyboard.press("Home")
    tab.keyboard.press("Space")
    sync_api.expect(player.locator(".counter")).to_have_text("frame 25 / 25")
    sync_api.expect(player.locator(".play")).to_have_text("Play")
    assert "return so far" in player.locator(".rewards").inner_text()


def test_run_page_shows_values_and_hides_seeds(run, visit):
    tab = visit(page.run_page(run))
    chart = tab.locator(".hero .chart")
    chart.locator(".canvas").hover(position={"x": 300, "y": 60})
    assert "environment steps" in chart.locator(".tip").inner_text()
    assert chart.locator(".seed").first.is_visible()
    tab.locator("[data-seeds]").click()
    assert not chart.locator(".seed").first.is_visible()
    chart.focus()
    tab.keyboard.press("ArrowLeft")
    assert chart.locator(".tip").is_visible()


def test_comparison_page_plays_side_by_side(pair, visit):
    tab = visit(page.comparison_page(pair, pair[0].parent / "compare.html"))
    players = tab.locator(".player")
    assert players.count() == 2
    watch(players.nth(0))
    assert frame_of(players.nth(1)) == 1
    players.nth(0).locator(".choose").select_option(label="mappo · seed-0")
    assert frame_of(players.nth(0)) == 1
    tab.locator(".all").click()
    for place in (0, 1):
        sync_api.expect(players.nth(place).locator(".counter")).not_to_have_text("frame 1 / 25")
    tab.locator(".all").click()
    for place in (0, 1):
        sync_api.expect(players.nth(place).locator(".play")).to_have_text("Play")
    tab.locator(".key", has_text="ippo").first.click()
    assert tab.locator("g.off").count() == 1


@pytest.mark.parametrize("width", [360, 800])
def test_pages_fit_a_narrow_screen(pair, visit, width):
    tab = visit(page.comparison_page(pair, pair[0].parent / "compare.html"))
    tab.set_viewport_size({"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_frame_that_is_a_picture_is_seen(run, visit):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new("RGB", (40, 30), (200, 30, 60)).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    frame = f'<svg viewBox="0 0 40 30"><image width="40" height="30" href="data:image/png;base64,{data}"/></svg>'
    (run / "replays" / "seed-0.json").write_text(json.dumps({"frames": [frame] * 2, "rewards": []}))
    stage = visit(page.run_page(run)).locator(".stage svg")
    seen = image.open(io.BytesIO(stage.screenshot())).convert("RGB")
    assert seen.getpixel((seen.width // 2, seen.height // 2)) == (200, 30, 60)


def test_hostile_frames_do_nothing(run, visit):
    file = run / "replays" / "seed-0.json"
    inside = '<script>console.log(2)</script><circle r=\\"1\\"/>'
    bad = f'<svg xmlns=\\"http://www.w3.org/2000/svg\\" onload=\\"console.log(1)\\">{inside}</svg>'
    file.write_text(f'{{"frames": ["{bad}"], "rewards": []}}')
    tab = visit(page.run_page(run))
    assert tab.locator(".stage svg circle").count() == 1
    assert tab.locator(".stage script").count() == 0
