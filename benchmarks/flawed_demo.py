"""Does the report name planted flaws?  python3 benchmarks/flawed_demo.py [--output output/flawed_demo]

Makes the demo set twice: as it is, and with two flaws in the training images. 20 % of the boxes of `parking` get the
label `pedestrian_crossing`, and the boxes of small signs are removed. Trains the demo config on both sets, evaluates
both models on the same clean images, and prints what the two reports say. All seeds are 0: of the images, the flaws and
the training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/picodet/picodet_xs_demo.yml"
TAKEN, FOR = "parking", "pedestrian_crossing"
MISLABELED = 0.2  # of the boxes of TAKEN
SMALL = 60**2  # pixels of a box that is removed


def main() -> None:
    """Make the sets, train and evaluate both models, print the sentences of their reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=lambda text: Path(text).resolve(), default=ROOT / "output" / "flawed_demo")
    parser.add_argument("--train", type=int, default=1200, help="training images (default %(default)s)")
    parser.add_argument("--val", type=int, default=300, help="clean images (default %(default)s)")
    parser.add_argument("-o", "--options", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    data = args.output / "data"
    make = ["dataset/demo/make_demo.py", "--output", str(data), "--train", str(args.train), "--val", str(args.val)]
    run(*make)
    annotations = data / "annotations"
    content = json.loads((annotations / "instances_train.json").read_text())
    (annotations / "flawed.json").write_text(json.dumps(with_flaws(content, np.random.default_rng(0))))
    for name, file in (("flawed", "flawed.json"), ("clean", "instances_train.json")):
        sets = [f"{key}.dataset_dir={data}" for key in ("TrainDataset", "EvalDataset", "TestDataset")]
        options = [*sets, f"TrainDataset.anno_path=annotations/{file}", f"save_dir={args.output}", f"filename={name}"]
        options += args.options
        if not (args.output / name / "model_final.pdparams").is_file():
            run("tools/train.py", "-c", CONFIG, "--seed", "0", "-o", *options)
        weights, report = args.output / name / "model_final.pdparams", args.output / f"{name}_report"
        run("tools/eval.py", "-c", CONFIG, "--report", str(report), "-o", *options, f"weights={weights}")
        print(f"\n{name}:")
        for sentence in json.loads((report / "report.json").read_text())["sentences"]:
            print(f"- {sentence['text']} {sentence['advice']}")


def with_flaws(content: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A copy of a COCO file's content with another class for some boxes of TAKEN, and without small boxes."""
    ids = {category["name"]: category["id"] for category in content["categories"]}
    kept = []
    for annotation in content["annotations"]:
        width, height = annotation["bbox"][2:]
        wrong = annotation["category_id"] == ids[TAKEN] and rng.random() < MISLABELED
        if width * height >= SMALL:
            kept.append({**annotation, "category_id": ids[FOR]} if wrong else annotation)
    return {**content, "annotations": kept}


def run(*command: str) -> None:
    """Run a script of the clone; its log stays on the terminal."""
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
