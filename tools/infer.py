"""Draw a detector's boxes on images: python3 tools/infer.py -c <config> -o weights=<file> --infer_img street.jpg

Status 0: all done; 1: some images could not be read or written; 2: an option or all of the images are wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import add_switch, as_path, base_parser, run


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--infer_img", type=_source, metavar="FILE", help="one image")
    source.add_argument("--infer_dir", type=_source, metavar="DIR", help="all images of a folder")
    p.add_argument("--output_dir", type=as_path, default=Path("output"), metavar="DIR", help="default: %(default)s")
    p.add_argument("--draw_threshold", type=float, default=0.5, metavar="SCORE", help="default: %(default)s")
    add_switch(p, "--save_results", help="also write all boxes as <output_dir>/bbox.json")
    return p


def _source(text: str) -> Path | str:
    """A path, or an address, which a path would spoil."""
    return text if "://" in text else as_path(text)


def main(args: argparse.Namespace) -> None:
    from ppdet.evaluation.infer import infer
    from ppdet.session import setup

    source = args.infer_img or args.infer_dir
    if not infer(setup(args), source, args.output_dir, args.draw_threshold, args.save_results):
        sys.exit(1)


if __name__ == "__main__":
    run(main, parser())
