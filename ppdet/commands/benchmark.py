"""`ppdet benchmark`."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from ppdet.deploy.benchmark import BenchmarkCase, measure, synthetic_image, table
from ppdet.deploy.detector import Detector
from ppdet.deploy.errors import DeployError
from ppdet.deploy.files import write_json
from ppdet.deploy.images import list_images


def main(args: argparse.Namespace) -> None:
    """Measure exports side by side, and print a table."""
    if args.repeats < 1:
        raise DeployError(f"--repeats: found {args.repeats}; expected 1 or more")
    cases = [
        BenchmarkCase(Detector(model, backend, threads, batch_size=batch), batch)
        for model, backend, threads, batch in itertools.product(args.model, args.backend, args.threads, args.batch_size)
    ]
    with tempfile.TemporaryDirectory(prefix="ppdet-") as folder:
        images = list_images(args.image_dir) if args.image_dir else [args.image or synthetic_image(Path(folder))]
        rows = measure(cases, images, args.repeats)
    print("milliseconds per image, median (p90)")
    print(table(rows))
    if args.output:
        write_json(args.output, rows)
