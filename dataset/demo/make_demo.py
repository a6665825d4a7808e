"""Make a small COCO-format set of road-sign pictures to train and test on, without a download.

    python3 dataset/demo/make_demo.py

Writes train/, val/ and annotations/instances_{train,val}.json below the output folder. Same arguments, same set.
Needs NumPy and OpenCV only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from scenes import NAMES, Object, make_scene

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # so that the script runs without an installed ppdet

from ppdet.deploy.console import guard_output  # noqa: E402

CATEGORY_IDS = (3, 7, 11, 12, 20, 21, 34, 48, 50, 77)  # with gaps and not from 0, as in real sets
MANIFEST = "demo_manifest.json"
SPLITS = ("train", "val")


@dataclass(frozen=True)
class Parameters:
    """Everything that decides what the set looks like."""

    train: int = 1200  # images
    val: int = 80
    seed: int = 0

    def fingerprint(self) -> str:
        """Changes with the parameters and with the drawing code."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for name in ("signs.py", "backgrounds.py", "scenes.py", "make_demo.py"):
            digest.update((HERE / name).read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Job:
    """One picture to make."""

    folder: Path
    split: str
    index: int
    image_id: int
    seed: int


def main() -> int:
    """Parse the command line, make the set; 0 on success, 2 when it cannot be written, 130 after Ctrl-C."""
    guard_output()
    parser = argparse.ArgumentParser(description="Make the demo detection set (COCO format).")
    parser.add_argument("--output", type=_path, default=HERE, help="folder to write to (default: dataset/demo)")
    parser.add_argument("--train", type=int, default=Parameters.train, help="training images (default %(default)s)")
    parser.add_argument("--val", type=int, default=Parameters.val, help="validation images (default %(default)s)")
    parser.add_argument("--seed", type=int, default=Parameters.seed, help="another seed, another set")
    args = parser.parse_args()
    parameters = Parameters(args.train, args.val, args.seed)
    if min(args.train, args.val) < 1 or args.seed < 0:
        parser.error("--train and --val must be at least 1, --seed at least 0")
    try:
        if is_complete(args.output, parameters):
            print(f"{args.output}: already complete, nothing to do")
            return 0
        make_dataset(args.output, parameters)
    except OSError as error:
        print(f"error: {args.output}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run it again", file=sys.stderr)
        return 130
    print(f"{args.output}: {args.train} training and {args.val} validation images written")
    return 0


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))


def is_complete(output: Path, parameters: Parameters) -> bool:
    """Whether `output` holds exactly this set."""
    manifest = _read_manifest(output)
    return (
        manifest.get("fingerprint") == parameters.fingerprint()
        and all((output / "annotations" / f"instances_{split}.json").is_file() for split in SPLITS)
        and all(len(list((output / s).glob("*.jpg"))) == getattr(parameters, s) for s in SPLITS)
    )


def make_dataset(output: Path, parameters: Parameters) -> None:
    """Make the set in a temporary folder and move it to `output`; the manifest comes last and marks it as whole."""
    output.mkdir(parents=True, exist_ok=True)
    names = (*SPLITS, "annotations")
    occupied = [name for name in names if (output / name).exists()]
    if occupied and not _read_manifest(output):
        raise FileExistsError(f"{occupied[0]}/ is there already and was not made by this script; give another --output")
    with tempfile.TemporaryDirectory(prefix=".demo-", dir=output) as temp:
        work = Path(temp)
        _write_splits(work, parameters)
        _write_manifest(output, "incomplete")  # from here on the three folders are known to be ours
        for name in names:
            shutil.rmtree(output / name, ignore_errors=True)
            (work / name).rename(output / name)
    _write_manifest(output, parameters.fingerprint())


def image_ids(parameters: Parameters) -> dict[str, np.ndarray]:
    """The ids of the images of each split; a file is named after its id."""
    rng = np.random.default_rng(parameters.seed)
    ids = rng.choice(900_000, parameters.train + parameters.val, replace=False) + 1000
    return {"train": ids[: parameters.train], "val": ids[parameters.train :]}


def _write_splits(work: Path, parameters: Parameters) -> None:
    (work / "annotations").mkdir()
    ids = image_ids(parameters)
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        try:
            for split in SPLITS:
                (work / split).mkdir()
                jobs = [Job(work, split, i, int(id_), parameters.seed) for i, id_ in enumerate(ids[split])]
                text = json.dumps(_coco(split, list(_start(pool, jobs))))
                (work / "annotations" / f"instances_{split}.json").write_text(text, encoding="utf-8")
        except BaseException:
            pool.shutdown(cancel_futures=True)  # the workers draw what they have begun, then end by themselves
            raise


def _start(pool: ProcessPoolExecutor, jobs: list[Job]) -> Iterator[tuple[dict[str, object], list[Object]]]:
    """Hand out the jobs, which starts the workers, and return the results as an iterator."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the workers keep this: Ctrl-C reaches all processes
    try:
        return pool.map(_make_image, jobs, chunksize=4)
    finally:
        signal.signal(signal.SIGINT, handler)


def _make_image(job: Job) -> tuple[dict[str, object], list[Object]]:
    """Draw and write one picture; returns its COCO `images` entry and its objects."""
    rng = np.random.default_rng([job.seed, SPLITS.index(job.split), job.index])
    image, objects = make_scene(rng)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
    name = f"{job.image_id:06d}.jpg"
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), quality)
    (job.folder / job.split / name).write_bytes(data.tobytes())
    height, width = image.shape[:2]
    return {"id": job.image_id, "file_name": name, "width": width, "height": height}, objects


def _coco(split: str, made: list[tuple[dict[str, object], list[Object]]]) -> dict[str, object]:
    category_id = dict(zip(NAMES, CATEGORY_IDS, strict=True))
    annotations = [
        {
            "image_id": entry["id"],
            "category_id": category_id[item.name],
            "bbox": list(item.bbox),
            "area": item.area,
            "iscrowd": item.iscrowd,
            "segmentation": [],
        }
        for entry, objects in made
        for item in objects
    ]
    return {
        "info": {"description": f"PicoDet demo road signs, {split}; drawn by dataset/demo/make_demo.py"},
        "images": [entry for entry, _ in made],
        "annotations": [{"id": i, **item} for i, item in enumerate(annotations, start=1)],
        "categories": [{"id": id_, "name": name, "supercategory": "sign"} for name, id_ in category_id.items()],
    }


def _read_manifest(output: Path) -> dict[str, str]:
    """The manifest, or {} when there is none that can be read."""
    try:
        return json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_manifest(output: Path, fingerprint: str) -> None:
    temp = output / f".{MANIFEST}.tmp"
    temp.write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
    temp.replace(output / MANIFEST)


if __name__ == "__main__":
    sys.exit(main())
