"""The page in Chromium, as visitors use it."""

import contextlib
import importlib.util
import io
import re
import shlex
import shutil
import urllib.parse

import numpy as np
import pages
import pytest
import small_translators
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LACKING = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,  # starts a process for each kind of page, and a browser
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.skipif(bool(LACKING), reason=f"needs {' and '.join(LACKING)}"),
]
WAIT = 60_000  # milliseconds, of a busy machine

# How far the page reaches to the right, beyond what is in sight too: Gradio cuts it off there.
TAKEN = """Math.max(document.documentElement.scrollWidth,
    ...[...document.querySelectorAll(".block")].map(part => part.getBoundingClientRect().right))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Kind of page -> `pages.Page`, all started at once; the documented commands are among them."""
    folder = tmp_path_factory.mktemp("site")
    pages.networks(folder)
    started, lines = pages.Pages(folder), pages.documented()
    found = {}
    try:
        for line in lines:
            line, port = line.replace("FILE", "FILE.keras"), pages.free_port()
            flags = shlex.split(line)
            if any(flag.startswith("--space=") for flag in flags):
                line = line.replace("--run=dcgan-mnist", "--generator=painter.keras")
                found["writer"] = started.start(line)
                continue
            kind = next(flag.split("=")[0][2:] for flag in flags[2:])
            found[kind] = started.start(f"{line} --port={port}")
        port = found["taken"] = pages.free_port()
        with contextlib.closing(pages.socket.socket()) as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            line = f"python app.py --run=cyclegan-two_kinds --port={port}"
            found["translation"] = started.start(line)
            assert found["writer"].process.wait(300) == 0, found["writer"].printed
            port = pages.free_port()
            space = folder / "my" / "space"
            moved = folder / "elsewhere"
            space.rename(moved)
            found["space"] = started.start(f"python app.py --port={port}", moved, pages.UNNEEDED)
            found["folder"], found["pages"] = moved, started
            _ = found["translation"].address
        yield found
    finally:
        started.end()


@pytest.fixture(scope="module")
def browser():
    from playwright import sync_api

    sync_api.expect.set_options(timeout=WAIT)
    with sync_api.sync_playwright() as playwright:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
        with contextlib.closing(playwright.chromium.launch(**options)) as browser:
            yield browser


@pytest.fixture
def visit(site, browser):
    """A function that opens a kind of page for a new visitor.

    Afterwards no page may scroll sideways, and no request may have left the machine.
    """
    asked, contexts = set(), []

    def opened(kind, width=1280):
        context = browser.new_context(viewport={"width": width, "height": 844})
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.add(request.url))
        page.goto(site[kind].address)
        page.locator(".how").first.wait_for()
        return page

    yield opened
    for context in contexts:
        for width in (390, 1280):
            context.pages[0].set_viewport_size({"width": width, "height": 844})
            taken = context.pages[0].evaluate(TAKEN)
            assert taken <= width, f"{taken} pixels at {width}"
        context.close()
    hosts = {urllib.parse.urlsplit(url) for url in asked}
    assert {url.hostname for url in hosts if url.scheme.startswith(("http", "ws"))} == {"127.0.0.1"}


def picture(page, label):
    """The array of the picture under a label."""
    image = page.get_by_test_id("block-label").filter(has_text=label).locator("..").locator("img")
    image.first.wait_for()
    return read(page, image.first.get_attribute("src"))


def read(page, address):
    answer = page.request.get(address)
    assert answer.ok, address
    return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"))


def changed(page, label, before):
    """The array under a label, once it is another one."""
    for _ in range(WAIT // 100):
        now = picture(page, label)
        if now.shape != before.shape or (now != before).any():
            return now
        page.wait_for_timeout(100)
    pytest.fail(f"{label} has not changed")


def says(page, text, which=0):
    """Waits until a command on the page in sight has a text, and returns the command."""
    from playwright.sync_api import expect

    box = page.locator(".how textarea:visible").nth(which)
    expect(box).to_have_value(re.compile(text))
    return box.input_value()


def slide(page, label, presses, key="ArrowRight"):
    page.get_by_label(f"range slider for {label}").focus()
    for _ in range(presses):
        page.keyboard.press(key)


def upload(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def upload_to_paint(page, path):
    page.locator("canvas:visible").first.wait_for()
    upload(page, path)
    page.get_by_label("Brush Size").wait_for()


def stroke(page, across=0.2):
    """Paints a line through the middle of a canvas."""
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - across * 100, middle[1])
    page.mouse.down()
    page.mouse.move(middle[0] + across * 100, middle[1], steps=5)
    page.mouse.up()


def record_progress(page):
    """Begins to note the texts of progress that the page shows; they come and go."""
    page.evaluate(
        """() => {
            window.shown = [];
            new MutationObserver(() => {
                const text = document.querySelector(".progress-level, .progress-text");
                if (text) window.shown.push(text.innerText);
            }).observe(document.body, {childList: true, subtree: true, characterData: true});
        }"""
    )


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The path of a visitor's picture, and the picture."""
    image = small_translators.picture(3, (160, 240))
    return small_translators.save(image, tmp_path_factory.mktemp("mine") / "mine.png"), image


def test_a_slider_changes_the_sample_by_keyboard_and_a_button_brings_it_back(visit):
    page = visit("run")
    before = picture(page, "Sample")
    # Nothing but the keyboard: Tab reaches every control.
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
        if focused == "range slider for Direction 1":
            break
    assert focused == "range slider for Direction 1"
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert "--seeds=0 --format=png --class=cat --move=1:2" in says(page, "--move=1:2$", 1)
    assert changed(page, "Sample", before).shape == before.shape
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Back to the sample":
            break
    page.keyboard.press("Enter")
    says(page, "--class=cat$", 1)
    np.testing.assert_array_equal(picture(page, "Sample"), before)


def test_a_sample_of_the_grid_is_chosen_and_classes_take_turns(visit):
    page = visit("run")
    before = picture(page, "Sample")
    says(page, "--seeds=0-17$")
    page.get_by_label("Thumbnail 5 of 18").click()
    assert "--seeds=4 --format=png --class=dog" in says(page, "--seeds=4", 1)
    chosen = changed(page, "Sample", before)
    page.get_by_label("Classes").click()
    page.get_by_role("option", name="dog").click()
    says(page, "--seeds=0-15 --class=dog$")
    page.get_by_role("button", name="Next samples").click()
    says(page, "--seeds=16-31 --class=dog$")
    shown = page.locator(".many img").first
    assert read(page, shown.get_attribute("src")).shape == chosen.shape


def test_a_walk_is_a_film_that_can_be_downloaded(visit):
    page = visit("run", 390)
    page.get_by_role("tab", name="Walk").click()
    through = page.locator("textarea:visible").first
    through.fill("1,2")
    page.get_by_role("button", name="Draw the walk").click()
    assert "--seeds=1,2 --walk --class=cat" in says(page, "--walk")
    with page.expect_download() as download:
        page.locator("[aria-label=Download]:visible").click()
    with Image.open(download.value.path()) as film:
        assert film.format == "GIF" and film.n_frames == 24
    through.fill("no seeds")
    page.get_by_role("button", name="Draw the walk").click()
    page.get_by_text("Received").first.wait_for()


def test_a_picture_is_translated_in_both_directions_and_downloaded_in_full(visit, mine):
    path, image = mine
    page = visit("translation")
    upload(page, path)
    result = picture(page, "Result")
    assert result.shape == (32, 32, 3)
    page.get_by_label("Bring the picture to 32x32").uncheck()
    result = changed(page, "Result", result)
    assert np.abs(result.astype(int) - (255 - image)).max() <= 1
    page.get_by_label("b_to_a").check()
    says(page, "--direction=b_to_a")
    assert np.ptp(changed(page, "Result", result)) < np.ptp(image)
    with page.expect_download() as download:
        page.get_by_text("Download in full size").click()
    assert small_translators.read(download.value.path()).shape == image.shape


def test_a_drawing_is_translated(visit):
    page = visit("translation", 390)
    page.get_by_role("button", name="Translate the drawing").click()
    page.get_by_text("There is no drawing yet").first.wait_for()
    page.get_by_label("Brush", exact=True).click()
    stroke(page, across=0.5)
    page.get_by_role("button", name="Translate the drawing").click()
    says(page, "--direction=a_to_b")
    drawn, result = picture(page, "Your picture"), picture(page, "Result")
    assert drawn.shape == (32, 32, 3) and drawn.min() < 100 and (drawn[0] == 255).all()
    assert np.abs(result.astype(int) - (255 - drawn)).max() <= 1


def test_an_enlarged_picture_is_compared_by_a_slider_while_tiles_are_counted(visit, tmp_path):
    path = small_translators.save(small_translators.picture(4, (300, 400)), tmp_path / "mine.png")
    page = visit("generator")
    record_progress(page)
    upload(page, path)
    says(page, "--out=made.png")
    shown = " ".join(page.evaluate("window.shown"))
    assert re.search(r"\d+/20 tiles", shown.replace("\n", "")), shown
    with page.expect_download() as download:
        page.get_by_text("Download in full size").click()
    assert small_translators.read(download.value.path()).shape == (600, 800, 3)
    handle = page.get_by_test_id("slider")
    handle.scroll_into_view_if_needed()
    before = handle.bounding_box()
    page.mouse.move(before["x"] + before["width"] / 2, before["y"] + before["height"] / 2)
    page.mouse.down()
    page.mouse.move(before["x"] - 100, before["y"] + before["height"] / 2, steps=4)
    page.mouse.up()
    assert handle.bounding_box()["x"] < before["x"] - 50


def test_a_painted_hole_is_filled_on_a_phone_by_a_space_that_runs_alone(visit, mine):
    path, image = mine
    page = visit("space", 390)
    upload_to_paint(page, path)
    page.get_by_role("button", name="Fill").click()
    page.get_by_text("There is no hole yet").first.wait_for()
    stroke(page)
    page.get_by_role("button", name="Fill").click()
    assert "ganzoo generate --generator=painter.keras --input=PICTURE" in says(page, "--mask=MASK")
    answer = picture(page, "Answer")
    differs = (answer != image).any(axis=-1)
    assert differs[80, 120] and 10 < differs.sum() < differs.size / 2


def test_a_search_fills_a_hole_on_a_phone_and_shows_its_steps(visit, mine):
    page = visit("run", 390)
    page.get_by_role("tab", name="Fill a hole").click()
    upload_to_paint(page, mine[0])
    stroke(page)
    record_progress(page)
    page.get_by_role("button", name="Fill").click()
    assert "--resize=crop --count=4 --seed=0" in says(page, "--mask=MASK")
    shown = " ".join(page.evaluate("window.shown")).replace("\n", "")
    assert re.search(r"\d+/400 steps", shown), shown
    answers = page.get_by_label(re.compile(r"Thumbnail \d of 4")).locator("img")
    pictures = [read(page, image.get_attribute("src")) for image in answers.all()]
    assert len(pictures) == 4 and pictures[0].shape == (256, 256, 3)
    # The same known pixels, and different fillings.
    assert all((each[0] == pictures[0][0]).all() for each in pictures)
    assert (pictures[0] != pictures[-1]).any()


def test_a_file_that_is_no_picture_gets_a_sentence(visit, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    page = visit("translation")
    upload(page, tmp_path / "notes.png")
    page.get_by_text("no picture that can be read").first.wait_for()


def test_two_visitors_at_once_get_their_own_results(visit):
    first, second = visit("run"), visit("run")
    for page, seed in ((first, 5), (second, 9)):
        page.get_by_label("Seed", exact=True).fill(str(seed))
    assert "--seeds=5 " in says(first, "--seeds=5 ", 1)
    assert "--seeds=9 " in says(second, "--seeds=9 ", 1)
    shown = [picture(page, "Sample") for page in (first, second)]
    assert (shown[0] != shown[1]).any()
    first.get_by_label("Seed", exact=True).fill("9")
    says(first, "--seeds=9 ", 1)
    np.testing.assert_array_equal(changed(first, "Sample", shown[0]), shown[1])


def test_a_trained_network_draws_its_first_samples(visit):
    page = visit("pretrained")
    assert "--pretrained=cats_and_dogs_256 --seeds=0-15" in says(page, "--seeds=0-15$")
    sample = picture(page, "Sample")
    assert sample.shape == (256, 256, 3) and sample.std() > 20


def test_a_port_in_use_is_said_and_the_next_one_taken(site):
    port = int(urllib.parse.urlsplit(site["translation"].address).port)
    assert port > site["taken"]
    assert f"port {site['taken']} is in use" in "".join(site["translation"].printed)


def test_every_documented_command_has_opened_a_page_or_written_a_space(site):
    assert {"run", "pretrained", "generator", "writer"} <= set(site)
    assert sorted(path.name for path in site["folder"].iterdir()) == [
        *("LICENSE", "README.md", "app.py", "painter.keras", "requirements.txt", "zoo")
    ]
    # Last, after all that visitors did: no page has asked anybody else for anything.
    assert not site["pages"].notes.exists(), site["pages"].notes.read_text()
