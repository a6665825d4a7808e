"""Download COCO 2017 and put it where the configs look for it: dataset/coco/{train2017,val2017,annotations}.

    python3 dataset/coco/download_coco.py
    python3 dataset/coco/download_coco.py --what val,annotations

Run it again after an interruption: it goes on where it stopped, and leaves alone what is complete.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # so that the script runs without an installed ppdet

from ppdet.core.errors import UserError  # noqa: E402
from ppdet.deploy.console import guard_output  # noqa: E402
from ppdet.deploy.options import as_path  # noqa: E402
from ppdet.utils.download import download  # noqa: E402
from ppdet.utils.logging import setup_logging  # noqa: E402

logger = logging.getLogger(__name__)
BASE_URL = "http://images.cocodataset.org"
GIB = 1 << 30


@dataclass(frozen=True)
class Part:
    """One archive of the set, and how to tell that its folder is complete."""

    url_path: str
    md5: str
    folder: str  # the one folder in the archive
    pattern: str  # the files to count in it
    count: int
    space: float  # GiB for the archive and its files together


PARTS = {
    "train": Part("zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "train2017", "*.jpg", 118287, 37.0),
    "val": Part("zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "val2017", "*.jpg", 5000, 1.6),
    "annotations": Part(
        "annotations/annotations_trainval2017.zip",
        "f4bbac642086de4f52a3fdda2de5fa2c",
        "annotations",
        "instances_*2017.json",
        2,
        1.1,
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and fetch the parts; 0 on success, 2 after an error message, 130 after Ctrl-C."""
    guard_output()
    parser = argparse.ArgumentParser(description="Download COCO 2017 (about 19 GiB; 40 GiB free while unpacking).")
    parser.add_argument("--what", default=",".join(PARTS), help="parts, comma-separated: train,val,annotations")
    parser.add_argument("--dir", type=as_path, default=HERE, help="where to put it (default: dataset/coco)")
    parser.add_argument("--base-url", default=BASE_URL, help="a mirror with the same paths")
    parser.add_argument("--keep-zips", action="store_true", help="keep the archives after unpacking")
    args = parser.parse_args(argv)
    setup_logging()
    try:
        fetch(args.what.split(","), args.dir, args.base_url, args.keep_zips)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def fetch(what: list[str], folder: Path, base_url: str = BASE_URL, keep_zips: bool = False) -> None:
    """Download and unpack the named parts that are not complete yet.

    Raises:
        UserError: an unknown part, too little disk space, a failed download or a damaged archive.
    """
    unknown = [name for name in what if name not in PARTS]
    if unknown:
        raise UserError(f"--what: unknown part {unknown[0]!r}; expected some of {', '.join(PARTS)}")
    missing = []
    for name in what:
        if _count(folder, PARTS[name]) == PARTS[name].count:
            logger.info("%s: complete, nothing to do", folder / PARTS[name].folder)
        else:
            missing.append(PARTS[name])
    _check_space(folder, missing)
    for part in missing:
        archive = download(f"{base_url.rstrip('/')}/{part.url_path}", folder, md5=part.md5)
        _unpack(archive, folder, part)
        if not keep_zips:
            archive.unlink()
        logger.info("%s: complete", folder / part.folder)


def _count(folder: Path, part: Part) -> int:
    return sum(1 for _ in (folder / part.folder).glob(part.pattern))


def _check_space(folder: Path, parts: list[Part]) -> None:
    existing = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free, needed = shutil.disk_usage(existing).free / GIB, sum(part.space for part in parts)
    if free < needed:
        raise UserError(
            f"{folder}: {free:.1f} GiB free, about {needed:.1f} GiB needed; make room or give another --dir"
        )


def _unpack(archive: Path, folder: Path, part: Part) -> None:
    """Unpack into a temporary folder, count, then move: `part.folder` appears whole or not at all."""
    work = folder / f".{part.folder}.unpacking"
    shutil.rmtree(work, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as file:
            for member in tqdm(file.infolist(), desc=part.folder, disable=not sys.stderr.isatty(), leave=False):
                if not (work / member.filename).resolve().is_relative_to(work.resolve()):
                    raise UserError(f"{archive}: holds {member.filename!r}, which points outside; delete the archive")
                file.extract(member, work)
        if (found := _count(work, part)) != part.count:
            raise UserError(
                f"{archive}: has {found} of {part.count} files {part.folder}/{part.pattern}; delete it and run again"
            )
        _merge(work / part.folder, folder / part.folder)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive}: damaged archive ({error}); delete it and run again") from error
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); check the folder and free space") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _merge(source: Path, target: Path) -> None:
    """Move `source` to `target`; where that exists (an incomplete set, a user's own files) file by file."""
    if not target.exists():
        source.rename(target)
        return
    for path in source.iterdir():
        path.replace(target / path.name)


if __name__ == "__main__":
    sys.exit(main())
