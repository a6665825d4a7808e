"""Where the time of detection goes, of models side by side:  python3 tools/benchmark.py --model <export> [<export>]"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.core.cli import as_path
from ppdet.deploy.console import guard_output


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", required=True, nargs="+", type=as_path, metavar="PATH",
                   help="exports: folders, or their files, as model.onnx model_int8.onnx")  # fmt: skip
    p.add_argument("--backend", nargs="+", default=["auto"], help="openvino, onnxruntime, paddle or auto")
    p.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N")
    p.add_argument("--batch_size", nargs="+", type=int, default=[1], metavar="N")
    source = p.add_mutually_exclusive_group()
    source.add_argument("--image", type=as_path, metavar="FILE", help="default: a JPEG of 640 x 480 that is made up")
    source.add_argument("--image_dir", type=as_path, metavar="DIR")
    p.add_argument("--repeats", type=int, default=100, metavar="N", help="timed batches (default: %(default)s)")
    p.add_argument("--output", type=as_path, metavar="FILE", help="the figures as JSON too")
    return p


def main(args: argparse.Namespace) -> None:
    from ppdet.deploy import DeployError, Detector
    from ppdet.deploy.benchmark import Way, made_up_image, measure, table
    from ppdet.deploy.images import list_images
    from ppdet.deploy.outputs import write_json

    if args.repeats < 1:
        raise DeployError(f"--repeats: found {args.repeats}; expected 1 or more")
    ways = [
        Way(Detector(model, backend, threads, batch_size=batch), batch)
        for model, backend, threads, batch in itertools.product(args.model, args.backend, args.threads, args.batch_size)
    ]
    with tempfile.TemporaryDirectory(prefix="ppdet-") as folder:
        images = list_images(args.image_dir) if args.image_dir else [args.image or made_up_image(Path(folder))]
        rows = measure(ways, images, args.repeats)
    print("milliseconds per image, median (p90)")
    print(table(rows))
    if args.output:
        write_json(args.output, rows)


if __name__ == "__main__":
    guard_output()
    args = parser().parse_args()
    from ppdet.deploy.errors import DeployError, say

    try:
        main(args)
    except DeployError as error:
        say(f"error: {error}", error=True)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
