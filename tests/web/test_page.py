"""The page in a headless Chromium with onnxruntime-web: pictures, videos, wrong files, keyboard, colors, offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.deploy.detector import Detector
from tests.deploy.conftest import INFER_CFG, make_model
from tests.report.conftest import browser as browser
from tests.support.web import onnx_bytes, served_page

Show = Callable[..., Any]
# [how bright the page is, the smallest contrast of a text with what is behind it]
CONTRAST = """() => {
  const light = (color) => {
    const part = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => part(Number(v)));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (e, key) => getComputedStyle(e)[key];
  const behind = (e) => {
    const color = style(e, "backgroundColor");
    return color === "rgba(0, 0, 0, 0)" ? behind(e.parentElement) : light(color);
  };
  const texts = [...document.querySelectorAll("p, h1, h2, span, th, label, button, select, output, li, code")];
  const ratio = (e) => {
    const [ink, paper] = [light(style(e, "color")), behind(e)];
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  return [behind(document.body), Math.min(...texts.map(ratio))];
}"""
NAMELESS = """() => {
  const controls = document.querySelectorAll("button, input:not([hidden]), select, canvas, fieldset, progress");
  const named = (e) => ["aria-label", "aria-labelledby"].some((key) => e.getAttribute(key)) || e.textContent.trim();
  return [...controls].filter((e) => !named(e) && !e.closest("label")).map((e) => e.id || e.outerHTML);
}"""
DROP = """async ([names, contents]) => {
  const dropped = new DataTransfer();
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  names.forEach((name, i) => dropped.items.add(new File([bytes(contents[i])], name)));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


# The worker ends at the first picture; another one is opened while the model is loaded again.
CRASH = """async () => {
  const here = (name) => import(new URL(name, location.href).href);
  const [{ state }, { open }] = await Promise.all(["screen.js", "work.js"].map(here));
  const canvas = new OffscreenCanvas(64, 48), context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, 64, 48);
  const picture = await canvas.convertToBlob();
  const opened = (path) => open([{ path, file: new File([picture], path) }]);
  const detect = async (file, name) => {
    setTimeout(() => opened("other.png"));
    throw new Error(`${name}: no answer`);
  };
  state.detector = { thresholds: state.detector.thresholds, provider: "wasm", ended: true, detect };
  opened("first.png");
}"""
# Another model comes while a frame is with the present one, which ends.
SWAP = """async () => {
  const { state } = await import(new URL("screen.js", location.href).href), next = state.detector;
  const detect = async () => {
    state.detector = next;
    throw new Error("stopped");
  };
  state.detector = { thresholds: next.thresholds, detect };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of a known brightness, which is the score of the dog in the middle, and other files."""
    made = tmp_path_factory.mktemp("page")
    cv2.imwrite(str(made / "long.png"), np.full((2, 70_000, 3), 255, np.uint8))
    rng = np.random.default_rng(0)
    for name, size, level in (
        ("dark.png", (60, 90), 40),
        ("bright.png", (120, 100), 230),
        ("middle.jpg", (48, 64), 128),
    ):
        cv2.imwrite(str(made / name), np.clip(rng.normal(level, 8, (*size, 3)), 0, 255).astype(np.uint8))
    make_model(made / "model.onnx")
    (made / "notes.txt").write_text("no image")
    (made / "cut.png").write_bytes((made / "bright.png").read_bytes()[:-4000])
    (made / "empty.jpg").touch()
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of the page, below the root of a server."""
    with served_page(folder / "model.onnx", below="below/") as found:
        yield found


@pytest.fixture
def show(browser: Any, address: str) -> Iterator[Show]:
    """Opens the page and waits for its model, with options of a context. Errors and foreign requests fail the test."""
    contexts, troubles = [], []
    base = address.rpartition("/")[0]

    def open_page(**options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith((base, "blob:")) else troubles.append(request.url)
        )
        page.goto(address)
        said(page, "model.onnx is ready")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles


def said(page: Any, text: str) -> None:
    """Waits until the page says `text`."""
    page.locator("#status", has_text=text).wait_for(timeout=30_000)


def downloaded(page: Any) -> list[dict[str, Any]]:
    with page.expect_download() as started:
        page.locator("#download").click()
    assert started.value.suggested_filename == "bbox.json"
    return list(json.loads(Path(started.value.path()).read_text()))


def faults(page: Any) -> list[str]:
    return list(page.locator("#fault-list li").all_text_contents())


def test_pictures_have_the_boxes_of_python(show: Show, folder: Path) -> None:
    page = show()
    names = ["dark.png", "bright.png", "middle.jpg"]
    page.set_input_files("#file-input", [folder / name for name in names])
    said(page, "3 files are done")
    page.locator("#threshold").fill("0.05")
    found = downloaded(page)
    assert [each["file_name"] for each in found] == sorted(names)
    detector = Detector(folder / "model.onnx", backend="onnxruntime")
    for entry, name in zip(found, sorted(names), strict=True):
        (expected,) = detector.detect(folder / name, 0.05).entries()
        assert {key: entry[key] for key in ("category", "category_id")} == {"category": "dog", "category_id": 1}
        np.testing.assert_allclose(entry["bbox"], expected["bbox"], atol=0.5)
        assert entry["score"] == pytest.approx(expected["score"], abs=1e-3)


def test_the_threshold_and_the_classes_choose_what_is_shown(show: Show, folder: Path) -> None:
    page = show()
    page.set_input_files("#file-input", [folder / "bright.png"])
    said(page, "bright.png: 1 dog")
    assert page.locator("#objects tr").count() == 1
    assert page.locator("#view").get_attribute("aria-label") == "bright.png: 1 dog"
    page.locator("#threshold").fill("0.99")
    assert page.locator("#objects tr").count() == 0
    assert page.locator("#view").get_attribute("aria-label") == "bright.png: nothing"
    page.locator("#threshold").fill("0.5")
    page.locator("summary").click()
    page.locator("#classes label", has_text="dog").click()
    assert (page.locator("#objects tr").count(), page.locator("#class-count").text_content()) == (0, "1 of 2")
    assert downloaded(page) == []
    page.locator("#class-search").fill("CA")
    assert page.locator("#classes label").all_text_contents() == ["cat"]
    page.locator("#all-classes").click()
    assert page.locator("#objects tr").count() == 1


def test_wrong_files_are_named_and_the_others_go_on(show: Show, folder: Path) -> None:
    page = show()
    page.set_input_files("#file-input", [folder / name for name in ("notes.txt", "empty.jpg", "bright.png")])
    said(page, "3 files are done")
    assert [line.partition(":")[0] for line in faults(page)] == ["empty.jpg", "notes.txt"]
    assert all("not an image that this browser can read" in line for line in faults(page))
    page.locator("#clear-faults").click()
    assert not page.locator("#faults").is_visible()
    assert page.evaluate("document.activeElement.id") == "open-files"
    for name, content, fault in (
        ("text.onnx", b"hello", "text.onnx: not an ONNX model"),
        ("other.onnx", (folder / "model.onnx").read_bytes()[:-5], "other.onnx: not an ONNX model"),
        ("graph.onnx", onnx_bytes(INFER_CFG), "graph.onnx: onnxruntime-web cannot load it"),
    ):
        page.set_input_files("#model-input", {"name": name, "mimeType": "", "buffer": content})
        said(page, "model.onnx is still loaded")
        page.locator("#fault-list li", has_text=fault).wait_for()
    page.set_input_files("#file-input", [folder / "dark.png", folder / "bright.png"])
    said(page, "2 files are done")
    page.set_input_files("#file-input", [folder / "long.png"])
    page.locator("#fault-list li", has_text="long.png: has 70000 x 2 pixels; this browser has no canvas").wait_for()


def test_another_model_takes_over(show: Show, folder: Path, tmp_path: Path) -> None:
    page = show()
    page.set_input_files("#file-input", [folder / "bright.png"])
    said(page, "bright.png: 1 dog")
    make_model(tmp_path / "small.onnx", {**INFER_CFG, "label_list": ["bus", "taxi"], "thresholds": [0.3, 0.4]})
    page.set_input_files("#model-input", [tmp_path / "small.onnx"])
    said(page, "bright.png: 1 taxi")
    assert page.locator("#model").text_content().startswith("small.onnx: 2 classes, WebAssembly, ")
    assert page.locator("#own").is_checked()
    assert page.locator("#threshold").is_disabled()


def test_a_model_that_is_satisfied_with_less(show: Show, folder: Path, tmp_path: Path) -> None:
    """Its own thresholds count, even below the least one that can be chosen."""
    sure = make_model(tmp_path / "sure.onnx", {**INFER_CFG, "thresholds": [0.9, 0.01]})
    cv2.imwrite(str(tmp_path / "black.png"), np.full((48, 64, 3), 8, np.uint8))
    (expected,) = Detector(sure, backend="onnxruntime").detect(tmp_path / "black.png").entries()
    assert 0.01 < expected["score"] < 0.05
    page = show()
    page.set_input_files("#model-input", [sure])
    said(page, "sure.onnx is ready")
    page.set_input_files("#file-input", [tmp_path / "black.png"])
    said(page, "black.png: 1 dog")


def test_files_that_come_while_a_crashed_model_is_loaded_again(show: Show) -> None:
    page = show()
    page.evaluate(CRASH)
    said(page, "other.png: 1 dog")
    assert faults(page) == ["first.png: no answer"]


def test_it_works_without_a_network(show: Show, folder: Path) -> None:
    page = show()
    page.context.set_offline(True)
    page.set_input_files("#file-input", [folder / "bright.png"])
    said(page, "bright.png: 1 dog")


def test_the_orientation_of_a_photo_is_applied(show: Show, folder: Path, tmp_path: Path) -> None:
    jpeg = (folder / "middle.jpg").read_bytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    (tmp_path / "turned.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    page = show()
    page.set_input_files("#file-input", [tmp_path / "turned.jpg"])
    said(page, "turned.jpg: ")
    assert page.locator("#view").evaluate("view => [view.width, view.height]") == [48, 64]
    page.locator("#threshold").fill("0.1")
    (expected,) = Detector(folder / "model.onnx", backend="onnxruntime").detect(tmp_path / "turned.jpg", 0.1).entries()
    np.testing.assert_allclose(downloaded(page)[0]["bbox"], expected["bbox"], atol=0.5)


def test_dropped_files_are_opened(show: Show, folder: Path) -> None:
    page = show()
    content = base64.b64encode((folder / "bright.png").read_bytes()).decode()
    page.evaluate(DROP, [["b.png", ".hidden.png", "a.png"], [content, "", content]])
    said(page, "2 files are done")
    assert page.locator("#files option").all_text_contents() == ["a.png (1)", "b.png (1)"]
    assert not faults(page)


def test_a_video_is_played_and_detected_in(show: Show, tmp_path: Path) -> None:
    target = tmp_path / "film.webm"
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"VP80"), 5, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no WebM")
    for level in range(100, 240, 20):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    page = show()
    page.locator("#threshold").fill("0.05")
    page.evaluate(SWAP)
    page.set_input_files("#file-input", [target])
    said(page, "film.webm: ended")
    assert not faults(page)
    found = downloaded(page)
    times, scores = ([entry[key] for entry in found] for key in ("time", "score"))
    assert len(found) >= 2
    assert times == sorted(times)
    assert scores == sorted(scores)  # it gets brighter
    assert not page.locator("#stop").is_visible()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    page.set_input_files("#file-input", [tmp_path / "broken.mp4"])
    page.locator("#fault-list li", has_text="broken.mp4: not a video that this browser can play").wait_for()


def test_a_camera_that_is_not_there(show: Show) -> None:
    page = show()
    page.locator("#camera").click()
    page.locator("#fault-list li", has_text="camera: cannot be used").wait_for()


def test_everything_can_be_reached_with_the_keyboard(show: Show, folder: Path) -> None:
    page = show()
    page.set_input_files("#file-input", [folder / "bright.png", folder / "dark.png"])
    said(page, "2 files are done")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    order = ["open-model", "open-files", "open-folder", "camera", "threshold", "download", "files", "SUMMARY"]
    assert [name for name in reached if name in order][: len(order)] == order
    page.locator("#files").focus()
    page.keyboard.press("ArrowDown")
    said(page, "dark.png: nothing")


def test_every_control_has_a_name_and_news_are_read_out(show: Show) -> None:
    page = show()
    assert page.evaluate(NAMELESS) == []
    assert page.locator("#status").get_attribute("role") == "status"
    assert page.locator("#faults [role=alert]").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1


def test_colors_can_be_read_and_nothing_scrolls_sideways(show: Show) -> None:
    for scheme, is_light in (("light", True), ("dark", False)):
        page = show(color_scheme=scheme, viewport={"width": 360, "height": 740}, reduced_motion="reduce")
        page.locator("summary").click()
        page.locator("#faults").evaluate("(faults) => (faults.hidden = false)")
        paper, contrast = page.evaluate(CONTRAST)
        assert (paper > 0.5) == is_light
        assert contrast >= 4.5
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.locator("#drop").evaluate("e => getComputedStyle(e).transitionDuration") == "0s"


def test_without_a_model_it_asks_for_one(browser: Any, folder: Path) -> None:
    with served_page() as address:
        page = browser.new_page()
        page.goto(address)
        said(page, "Open a model to begin")
        page.set_input_files("#file-input", [folder / "bright.png"])
        page.set_input_files("#model-input", [folder / "model.onnx"])
        said(page, "bright.png: 1 dog")
        page.close()


def test_without_the_runtime_it_says_what_to_copy(browser: Any, folder: Path) -> None:
    with served_page(folder / "model.onnx", with_runtime=False) as address:
        page = browser.new_page()
        page.goto(address)
        page.locator("#fault-list li", has_text="ort/ort.wasm.min.mjs: not found beside this page").wait_for()
        page.close()
