"""Write a Paddle Inference model: python3 tools/export_model.py -c <config> -o weights=<file, name or URL>"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import base_parser, run


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    p.add_argument("--output_dir", type=Path, default=Path("output_inference"), metavar="DIR",
                   help="the model goes to DIR/<config name>/ (default: %(default)s)")  # fmt: skip
    return p


def main(args: argparse.Namespace) -> None:
    from ppdet.engine.export import export
    from ppdet.engine.run import prepare

    export(prepare(args), args.output_dir)


if __name__ == "__main__":
    run(main, parser())
