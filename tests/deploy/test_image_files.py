"""Headers, orientation and bounds of encoded images, the same for training and deployment and for each OpenCV."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.ops import decode as training
from ppdet.deploy.errors import DeployError
from ppdet.deploy.image_files import MAX_PIXELS, ImageProblem, decode, read_header
from ppdet.deploy.images import decode_image, read_image
from tests.support import image_specimens as specimens

ROOT = Path(__file__).resolve().parents[2]
Reader = Callable[[str], np.ndarray]
READERS: dict[str, Reader] = {
    "ppdet": lambda path: training.read_image(path)[..., ::-1],
    "deploy": read_image,
}
NOISE = np.random.default_rng(0).integers(0, 255, (100, 150, 3), np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 3)
JPEG_KINDS: dict[str, list[int]] = {
    "baseline": [],
    "best": [cv2.IMWRITE_JPEG_QUALITY, 98],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "optimized": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "with restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 5],
    "progressive, with restarts": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 7],
}


@pytest.fixture(params=READERS)
def read(request: pytest.FixtureRequest) -> Reader:
    return READERS[request.param]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", specimens.ORIENTED)
def test_orientation(kind: str, orientation: int, read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(specimens.ORIENTED[kind](orientation))
    expected = specimens.turned(specimens.corners(), orientation)
    image = read(str(path))
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 8  # JPEG and WebP blur the colors


@pytest.mark.parametrize("kind", specimens.ORIENTED)
def test_boxes_drawn_on_the_stored_pixels(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(specimens.ORIENTED[kind](6))
    image = training.read_image(str(path), (specimens.HEIGHT, specimens.WIDTH))
    assert image.shape == specimens.corners().shape
    assert np.abs(image[..., ::-1].astype(int) - specimens.corners()).mean() < 8


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_orientation_of_a_reduced_jpeg(reduction: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(specimens.jpeg(6))
    image = training.read_image(str(path), None, reduction)
    assert image.shape == (specimens.WIDTH // reduction, specimens.HEIGHT // reduction, 3)
    np.testing.assert_allclose(image[0, -1], [0, 0, 255], atol=40)  # what was at the upper left


@pytest.mark.parametrize("order", "<>")
def test_orientation_out_of_range(order: str) -> None:
    for value in (0, 9, 65535):
        header = read_header(specimens.jpeg(value, order))
        assert header is not None
        assert header.orientation == 1


def test_damaged_exif_is_no_orientation() -> None:
    block = b"Exif\0\0" + specimens.exif(6)
    for length in range(8, len(block) - 8):
        data = specimens.encoded(".jpg")
        header = read_header(data[:2] + specimens.segment(0xE1, block[:length]) + data[2:])
        assert header is not None
        assert header.size == (specimens.HEIGHT, specimens.WIDTH)
        assert header.orientation in ((1, 6) if length >= 26 else (1,))


SUFFIXES = ".jpg .png .bmp .webp .tif .ppm .pgm .pam .ras .jp2 .gif .avif .hdr .pfm"


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_what_opencv_writes_is_read(suffix: str, read: Reader, tmp_path: Path) -> None:
    image = SMOOTH.astype(np.float32) if suffix in (".hdr", ".pfm") else SMOOTH
    image = SMOOTH[..., 0] if suffix == ".pgm" else image
    try:
        data = cv2.imencode(suffix, image)[1]
    except cv2.error:
        pytest.skip(f"this OpenCV does not write {suffix}")
    header = read_header(data.tobytes())
    assert header is not None
    assert header.size == (100, 150)
    (tmp_path / f"a{suffix}").write_bytes(data.tobytes())
    np.testing.assert_array_equal(read(str(tmp_path / f"a{suffix}")), cv2.imdecode(data, cv2.IMREAD_COLOR))


BOMBS = """
import resource, sys
from pathlib import Path
from ppdet.deploy.errors import DeployError
from ppdet.deploy.images import read_image as deploy
from ppdet.core.errors import UserError
from ppdet.data.ops.decode import read_image as ppdet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    for read in deploy, ppdet:
        try:
            print(path.name, read(str(path)).shape)
        except (DeployError, UserError) as error:
            print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_all(folder: Path) -> tuple[list[str], int]:
    """What both readers say of each file, in a process that may have 3 GB, and by how many MB it grew."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    command = [sys.executable, "-c", BOMBS, folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300, preexec_fn=limit)
    *lines, grown = done.stdout.splitlines()
    return lines, int(grown)


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    for name, make in specimens.HUGE_IMAGES.items():
        (tmp_path / name).write_bytes(make())
    lines, grown = read_all(tmp_path)
    sides = {name: "16384 x 16384" if name == "WebP" else "30000 x 30000" for name in sorted(specimens.HUGE_IMAGES)}
    end = "pixels; at most 180,000,000 are decoded; make it smaller"
    assert lines == [f"{tmp_path}/{name}: claims {side} {end}" for name, side in sides.items() for _ in READERS]
    assert grown < 20


JPEG = bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1])
PNG = bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1])
WEBP = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\x07\0\0\x07\0\0"


@pytest.mark.parametrize(
    ("start", "piece", "end", "most"),
    [
        (JPEG[:2], b"\xff\xfe\0\2", JPEG[2:], 9_900),  # and its own
        (JPEG[:-2], b"\xff\xda\0\2", JPEG[-2:], 1000),
        (PNG, bytes(12), b"", 99_900),
        (WEBP, bytes(8), b"", 99_900),
    ],
    ids=["segments", "scans", "PNG", "WebP"],
)
def test_so_many_pieces_that_they_would_take_minutes(start: bytes, piece: bytes, end: bytes, most: int) -> None:
    assert read_header(start + most * piece + end).size == (8, 8)
    assert read_header(start + (most + 101) * piece + end) is None


def test_shared_bombs(shared: Path) -> None:
    folder = shared / "faults" / "inputs" / "bombs"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    lines, grown = read_all(folder)
    assert len(lines) == 8
    assert all("; at most 180,000,000 are decoded; make it smaller" in line for line in lines)
    assert grown < 20


def test_images_of_large_cameras_are_read(read: Reader, tmp_path: Path) -> None:
    assert MAX_PIXELS > 8000 * 6000
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((6000, 8000), np.uint8))[1].tobytes())
    assert read(str(path)).shape == (6000, 8000, 3)


@pytest.mark.parametrize("pixels", ["noise", "smooth"])
@pytest.mark.parametrize("kind", JPEG_KINDS)
@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff" * 100], ids=["missing", "half", "padding"])
def test_a_jpeg_without_its_end_marker(kind: str, pixels: str, end: bytes, read: Reader, tmp_path: Path) -> None:
    data = specimens.encoded(".jpg", NOISE if pixels == "noise" else SMOOTH, *JPEG_KINDS[kind])
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "a.jpg").write_bytes(data.removesuffix(b"\xff\xd9") + end)
    np.testing.assert_array_equal(read(str(tmp_path / "a.jpg")), read(str(tmp_path / "whole.jpg")))


@pytest.mark.parametrize("cut", [3, 4, 5, 8, 30, 200, 1000])
@pytest.mark.parametrize("kind", JPEG_KINDS)
def test_a_jpeg_cut_in_its_scan(kind: str, cut: int) -> None:
    """By few bytes, with nothing, zeros or ones behind."""
    data = specimens.encoded(".jpg", NOISE, *JPEG_KINDS[kind]).removesuffix(b"\xff\xd9")
    for padding in (b"", bytes(100_000), b"\xff" * 1000):
        with pytest.raises(DeployError, match="cut short"):
            decode_image(data[:-cut] + padding, "a.jpg")


@pytest.mark.parametrize("kind", ["progressive", "progressive, with restarts"])
def test_a_jpeg_cut_between_its_scans(kind: str) -> None:
    data = specimens.encoded(".jpg", SMOOTH, *JPEG_KINDS[kind])
    header = read_header(data)
    assert header is not None
    scans = [at for at in range(header.position, len(data)) if data.startswith(b"\xff\xda", at)]
    assert len(scans) > 5
    for at in scans:
        with pytest.raises(DeployError, match="cut short"):
            decode_image(data[:at], "a.jpg")


def test_a_reduced_jpeg_without_its_end_marker(tmp_path: Path) -> None:
    data = specimens.encoded(".jpg", SMOOTH)
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    (tmp_path / "whole.jpg").write_bytes(data)
    for reduction in (2, 4, 8):
        images = [training.read_image(str(tmp_path / name), None, reduction) for name in ("a.jpg", "whole.jpg")]
        np.testing.assert_array_equal(*images)


def test_what_is_no_regular_file(read: Reader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    for name, kind in (("pipe.jpg", "a pipe"), ("folder.jpg", "a folder"), ("link.jpg", "a device")):
        with pytest.raises((UserError, DeployError)) as error:
            read(str(tmp_path / name))
        assert str(error.value) == f"{tmp_path / name}: found {kind}; expected an image file; check the name"


def test_a_file_that_is_too_large(read: Reader, tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(1 << 33)  # without taking room
    with pytest.raises((UserError, DeployError), match=r"a.jpg: has 8,589,934,592 bytes; at most 1,073,741,824 are"):
        read(str(tmp_path / "a.jpg"))


@pytest.mark.parametrize("name", ["a\0b.jpg", "a\ud800.jpg", "a" * 300 + ".jpg"])
def test_names_that_no_file_can_have(name: str, read: Reader, tmp_path: Path) -> None:
    with pytest.raises((UserError, DeployError), match="cannot be read"):
        read(str(tmp_path / name))


def test_any_damage_is_an_error_or_an_image() -> None:
    """Cut at each length, and with bytes changed: no other exception."""
    rng = np.random.default_rng(0)
    for make in specimens.ORIENTED.values():
        data = make(6)
        damaged = [data[:length] for length in range(0, len(data), max(1, len(data) // 60))]
        for _ in range(60):
            changed = bytearray(data)
            changed[rng.integers(0, min(len(data), 300))] = rng.integers(0, 256)
            damaged.append(bytes(changed))
        for each in damaged:
            with contextlib.suppress(DeployError):
                assert decode_image(each, "a").ndim == 3


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_no_decoder_reads_another_size_than_the_header_says(suffix: str) -> None:
    """In 300 images with changed bytes."""
    rng = np.random.default_rng(0)
    image = np.zeros(
        (32, 48) if suffix == ".pgm" else (32, 48, 3), np.float32 if suffix in (".hdr", ".pfm") else np.uint8
    )
    try:
        whole = specimens.encoded(suffix, image)
    except cv2.error:
        pytest.skip(f"this OpenCV does not write {suffix}")
    decoded = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(0, min(len(data), 200))] = rng.integers(0, 256)
        header = read_header(bytes(data))
        if header is None or header.size[0] * header.size[1] > 100_000:
            continue
        with contextlib.suppress(ImageProblem):
            assert decode(bytes(data), header).shape[:2] == header.upright_size
            decoded += 1
    assert decoded > 0
