"""`ppdet benchmark`."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from ppdet.deploy.benchmark import Way, made_up_image, measure, table
from ppdet.deploy.detector import Detector
from ppdet.deploy.errors import DeployError
from ppdet.deploy.images import list_images
from ppdet.deploy.outputs import write_json


def main(args: argparse.Namespace) -> None:
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
