"""Score a detector on the config's EvalDataset: python3 tools/eval.py -c <config> -o weights=<file, name or URL>"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import as_path, base_parser, run


def parser() -> argparse.ArgumentParser:
    p = base_parser(__doc__)
    p.add_argument("--classwise", action="store_true", help="also print a table of the classes")
    p.add_argument("--output_eval", type=as_path, metavar="DIR", help="also write the detections there, as bbox.json")
    p.add_argument(
        "--json_eval", action="store_true", help="score <output_eval>/bbox.json instead of running the model"
    )
    return p


def main(args: argparse.Namespace) -> None:
    from ppdet.evaluation.evaluator import evaluate_to_console
    from ppdet.session import setup

    evaluate_to_console(setup(args), args.classwise, args.output_eval, args.json_eval)


if __name__ == "__main__":
    run(main, parser())
