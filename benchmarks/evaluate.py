"""tools/eval.py against the plain published way on the CPU: python3 benchmarks/evaluate.py

Plain: the model as it is (no graph, batch norms not folded), Paddle's default threads and memory settings, the
published operations of EvalReader in float32 (in the process: the original's workers make it slower), its batch
size, pycocotools. Whole processes, in turn; once with the dataset as it is and once with it --repeat times over, since
making the graph is paid once. Per image: from the first batch asked for to the last detection.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
sys.path.insert(0, str(ROOT))


def overrides(args: argparse.Namespace) -> list[str]:
    return [
        f"weights={args.weights}",
        f"EvalDataset.dataset_dir={args.dataset_dir}",
        "EvalDataset.image_dir=val2017",
        f"EvalDataset.anno_path={args.anno_path}",
        "device=cpu",
    ]


def plain(args: argparse.Namespace) -> None:
    import cv2
    import numpy as np
    import paddle
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from ppdet.catalog import load_classes
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config
    from ppdet.modeling import build_model
    from ppdet.weights.load import load_weights

    paddle.set_device("cpu")
    cfg = load_config(args.config, overrides(args))
    load_classes()
    builder = Builder(cfg)
    model, batch_size = build_model(builder), builder.build("EvalReader").batch_size
    load_weights(model, Path(args.weights))
    model.eval()
    height, width = cfg["eval_size"]
    truth = COCO(str(args.dataset_dir / args.anno_path))
    mean, std = np.array([0.485, 0.456, 0.406], "float32"), np.array([0.229, 0.224, 0.225], "float32")
    classes, found = sorted(truth.getCatIds()), []
    start = time.perf_counter()
    infos = list(truth.imgs.values())
    for first in range(0, len(infos), batch_size):
        images, scales = [], []
        for info in infos[first : first + batch_size]:
            image = cv2.cvtColor(cv2.imread(str(args.dataset_dir / "val2017" / info["file_name"])), cv2.COLOR_BGR2RGB)
            scale = np.array([height / image.shape[0], width / image.shape[1]], "float32")
            image = cv2.resize(image, None, None, scale[1], scale[0], interpolation=2)
            image = (image.astype("float32") * np.float32(1 / 255.0) - mean) / std
            images.append(image.transpose(2, 0, 1))
            scales.append(scale)
        with paddle.no_grad():
            outputs = model(paddle.to_tensor(np.stack(images)))
            bbox, bbox_num = (t.numpy() for t in model.predict(outputs, paddle.to_tensor(np.stack(scales))))
        owners = np.repeat([info["id"] for info in infos[first : first + batch_size]], bbox_num)
        for image_id, (index, score, x1, y1, x2, y2) in zip(owners.tolist(), bbox.tolist(), strict=True):
            found.append(
                {
                    "image_id": image_id,
                    "category_id": classes[int(index)],
                    "score": score,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
            )
    print(f"detected on {len(infos)} images in {time.perf_counter() - start:.3f} s")
    evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()


def measure(command: list[str]) -> tuple[float, float, float, float]:
    """Seconds of the process, per image while detecting, of making the graph; AP."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, text = time.perf_counter() - start, done.stdout + done.stderr
    images, detecting = re.search(r"detected on (\d+) images in ([\d.]+) s", text).groups()
    graph = re.search(r"inference graph made in ([\d.]+) s", text)
    making = float(graph.group(1)) if graph else 0.0
    ap = float(re.search(r"all \| maxDets=100 \] = ([\d.]+)", text).group(1))
    return seconds, float(detecting) / int(images), making, ap


def repeated(annotations: Path, times: int, folder: Path) -> Path:
    """The annotation file with every image and box `times` times over, under new ids."""
    content = json.loads(annotations.read_text())
    step = 1 + max(entry["id"] for section in ("images", "annotations") for entry in content[section])
    images = [entry | {"id": entry["id"] + i * step} for i in range(times) for entry in content["images"]]
    boxes = [
        entry | {"id": entry["id"] + i * step, "image_id": entry["image_id"] + i * step}
        for i in range(times)
        for entry in content["annotations"]
    ]
    path = folder / f"repeated_{times}.json"
    path.write_text(json.dumps(content | {"images": images, "annotations": boxes}))
    return path


def compare(args: argparse.Namespace) -> None:
    given = [f"--{name}={getattr(args, name)}" for name in ("dataset_dir", "weights", "config", "anno_path")]
    plain_command = [str(Path(__file__).resolve()), *given, "--plain"]
    our_command = ["tools/eval.py", "-c", args.config, "-o", *overrides(args)]
    runs = [(measure(plain_command), measure(our_command)) for _ in range(args.repeats)]
    assert all(abs(plain[3] - our[3]) < 1.1e-3 for plain, our in runs), runs
    images = len(json.loads((args.dataset_dir / args.anno_path).read_text())["images"])
    making = statistics.median(our[2] for _, our in runs)
    before, after = ([statistics.median(run[k][i] for run in runs) for i in (0, 1)] for k in (0, 1))
    print(f"{images} images, AP {runs[0][1][3]:.3f}; median of {args.repeats}")
    for name, old, new in (
        ("whole process", before[0], after[0]),
        ("per image, graph made", before[1], after[1] - making / images),
        ("per image, with making it", before[1], after[1]),
    ):
        print(f"  {name:28s}plain {old:.4f} s, ours {new:.4f} s: {old / new:.1f}x")
    print(
        f"  ours: the graph {making:.2f} s, detecting {after[1] * images - making:.2f} s, "
        f"all else {after[0] - after[1] * images:.2f} s"
    )


def import_seconds() -> float:
    """Of `import paddle` in a process of its own, which both sides pay."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import paddle"], capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_dir", type=Path, default=SHARED / "data/coco_tiny")
    parser.add_argument("--anno_path", type=Path, default=Path("annotations/instances_val2017.json"))
    parser.add_argument("--weights", default=str(SHARED / "weights/picodet_xs_320_coco_lcnet.pdparams"))
    parser.add_argument("--config", default="configs/picodet/picodet_xs_320_coco_lcnet.yml")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=10, help="also with the dataset so many times over; 1: not")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        plain(args)
        return
    print(f"import paddle: {statistics.median(import_seconds() for _ in range(args.repeats)):.2f} s of each process")
    compare(args)
    if args.repeat > 1:
        with tempfile.TemporaryDirectory(prefix="ppdet-") as folder:
            args.anno_path = repeated(args.dataset_dir / args.anno_path, args.repeat, Path(folder))
            compare(args)


if __name__ == "__main__":
    main()
