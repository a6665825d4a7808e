"""The command line: `ppdet train`, `ppdet eval`, … and the published tools/*.py, which run the same commands.

Nothing heavy is imported before the arguments are parsed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from ppdet import __version__
from ppdet.commands.data_options import add_data_options
from ppdet.commands.deploy_options import add_benchmark_options, add_track_options
from ppdet.commands.export_options import add_export_options
from ppdet.commands.serve_options import add_serve_options, add_serve_web_options
from ppdet.core.cli import (
    CONFIG_HELP,
    Parser,
    add_model_options,
    add_override_option,
    add_run_options,
    add_slim_option,
    run,
)
from ppdet.deploy.options import add_switch, as_path, path_or_address, score_or_model


@dataclass(frozen=True)
class Command:
    """One command.

    about        what it does; the first thing that --help prints
    example      its arguments in a typical call
    module       has the function `main(args)`; imported once the arguments are parsed
    add_options  gives a parser its options
    """

    about: str
    example: str
    module: str
    add_options: Callable[[argparse.ArgumentParser], None]

    def fill(self, parser: argparse.ArgumentParser) -> None:
        """Give `parser` the command's help and options."""
        parser.description, parser.epilog = self.about, f"example: %(prog)s {self.example}".rstrip()
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self.add_options(parser)


def main(argv: Sequence[str] | None = None) -> None:
    """Run `ppdet <command> …`; `argv` without the program's name, default: the process's own."""
    run(_call, _parser(), argv)


def run_tool(name: str) -> None:
    """Run the command `name` as a program of its own, one of tools/*.py, with the process's arguments."""
    run(_call, tool_parser(name, f"python3 {sys.argv[0]}"))


def tool_parser(name: str, prog: str) -> argparse.ArgumentParser:
    """The parser of the single command `name`."""
    parser = Parser(prog=prog)
    COMMANDS[name].fill(parser)
    parser.set_defaults(command=name)
    return parser


def _call(args: argparse.Namespace) -> None:
    import_module(COMMANDS[args.command].module).main(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ppdet", description="Train, evaluate, export and deploy PP-PicoDet object detectors.")
    parser.add_argument("--version", action="version", version=f"ppdet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in COMMANDS.items():
        summary = command.about.partition("\n")[0].removesuffix(".")
        command.fill(commands.add_parser(name, help=summary[0].lower() + summary[1:]))
    return parser


def _train_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    add_slim_option(p)
    p.add_argument("--eval", action="store_true", help="evaluate at every checkpoint and keep the best")
    where = "continue: a checkpoint, or the newest one of a folder; auto: of the output folder, if it has one"
    p.add_argument("-r", "--resume", type=_auto_or_path, metavar="PATH|auto", help=where)
    p.add_argument("--amp", action="store_true", help="mixed precision, if the device supports it")
    p.add_argument("--to_static", action="store_true", help="the network as a static graph; see docs/performance.md")
    p.add_argument("--seed", type=int, help="of all random numbers; default: a new one, which is logged")
    add_switch(p, "--use_vdl", help="write scalars for VisualDL as well")
    where = "default: %(default)s"
    p.add_argument("--vdl_log_dir", type=as_path, default=Path("vdl_log_dir"), metavar="DIR", help=where)


def _eval_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    add_slim_option(p)
    p.add_argument("--classwise", action="store_true", help="also print a table of the classes")
    p.add_argument("--output_eval", type=as_path, metavar="DIR", help="also write the detections to DIR/bbox.json")
    from_file = "score <output_eval>/bbox.json instead of running the model"
    p.add_argument("--json_eval", action="store_true", help=from_file)
    page = "also write DIR/report.html: what holds the model back, with plots and pictures"
    p.add_argument("--report", type=as_path, metavar="DIR", help=page)
    other = "also write DIR/compare.html: these weights, this export or bbox.json beside what is evaluated"
    p.add_argument("--compare", type=path_or_address, metavar="PATH", help=other)


def _thresholds_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    goal = p.add_mutually_exclusive_group()
    goal.add_argument("--precision", type=float, metavar="P", help="the lowest thresholds that have this precision")
    goal.add_argument("--recall", type=float, metavar="R", help="the highest thresholds that have this recall")
    goal.add_argument("--f1", action="store_true", help="the thresholds with the largest F1 (default)")
    p.add_argument("--iou", type=float, default=0.5, help="overlap of a right detection (default: %(default)s)")
    from_file = "a bbox.json of ppdet eval --output_eval to use instead of running the model"
    p.add_argument("--detections", type=as_path, metavar="FILE", help=from_file)
    where = "default: thresholds.yml in the run's folder"
    p.add_argument("--output", type=as_path, metavar="FILE", help=where)


def _infer_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    add_slim_option(p)
    source = p.add_mutually_exclusive_group(required=True)
    source.add_argument("--infer_img", type=path_or_address, metavar="FILE", help="one image")
    source.add_argument("--infer_dir", type=path_or_address, metavar="DIR", help="all images of a folder")
    p.add_argument("--output_dir", type=as_path, default=Path("output"), metavar="DIR", help="default: %(default)s")
    lowest = "lowest score that counts; model: those of --thresholds, else 0.5 (default: %(default)s)"
    p.add_argument("--draw_threshold", type=score_or_model, default="model", metavar="SCORE|model", help=lowest)
    _add_thresholds(p)
    add_switch(p, "--save_results", help="also write all boxes as <output_dir>/bbox.json")


def _export_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    add_slim_option(p)
    where = "the model goes to DIR/<config name>/ (default: %(default)s)"
    p.add_argument("--output_dir", type=as_path, default=Path("output_inference"), metavar="DIR", help=where)
    add_export_options(p)
    _add_thresholds(p)


def _add_thresholds(p: argparse.ArgumentParser) -> None:
    about = "the thresholds that ppdet thresholds chose, by which boxes are left out unless a number is given"
    p.add_argument("--thresholds", dest="thresholds_file", type=as_path, metavar="FILE", help=about)


def _quantize_options(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    add_slim_option(p)
    where = "the models go to DIR/<config name>/ (default: %(default)s)"
    p.add_argument("--output_dir", type=as_path, default=Path("output_inference"), metavar="DIR", help=where)
    formats = "some of onnx, openvino, rknn, tflite, mnn and ncnn, with commas (default: %(default)s)"
    p.add_argument("--format", default="onnx", metavar="NAMES", help=formats)
    target = "the rules of INT8 of the ONNX file: onnxruntime (default), openvino, tflite, rknn, ncnn, mnn, or generic"
    p.add_argument("--target", metavar="NAME", help=target)
    tools = "a virtual environment that has the converters of vendors' formats (default: this one)"
    p.add_argument("--tool_env", type=as_path, metavar="DIR", help=tools)
    images = "images of TrainDataset from which the ranges of values are measured (default: 50)"
    p.add_argument("--calib_images", type=int, metavar="N", help=images)
    tolerance = "layers that alone change the outputs by more stay in float (default: all are quantized)"
    p.add_argument("--tolerance", type=float, metavar="X", help=tolerance)
    depthwise = "of ncnn: depthwise convolutions stay in float, because its kernels are slower in INT8"
    p.add_argument("--float_depthwise", action="store_true", help=depthwise)
    pages = "also write DIR/compare_<runtime>.html: float and INT8 side by side"
    p.add_argument("--report", type=as_path, metavar="DIR", help=pages)
    training = "train in INT8 first, on TrainDataset, the float model being the teacher: epochs=N[,lr=X][,batch_size=N]"
    p.add_argument("--qat", metavar="epochs=N", help=training)
    _add_thresholds(p)


def _config_options(p: argparse.ArgumentParser) -> None:
    shown = p.add_mutually_exclusive_group(required=True)
    shown.add_argument("-c", "--config", metavar="FILE", help=CONFIG_HELP)
    shown.add_argument("--list", action="store_true", help="print the names of the configs that come with ppdet")
    add_override_option(p)
    about = "say where the value of a key comes from and what it means; a section, as LCNet: of each of its options"
    p.add_argument("--explain", nargs="+", metavar="KEY", help=about)


def _doctor_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--bench", action="store_true", help="measure training, reading and the score of -c instead")
    add_run_options(p, required=False)
    where = "also write the report of --bench to FILE, which is replaced"
    p.add_argument("--report", type=as_path, metavar="FILE", help=where)
    p.add_argument("--seconds", type=float, metavar="S", help="for each measurement of --bench (default: 15)")


def _auto_or_path(text: str) -> Path | Literal["auto"]:
    return "auto" if text == "auto" else as_path(text)


_INFER_STATUS = """

Status 0: all images are done; 1: some could not be read or written; 2: an option or all images are wrong."""
_WEIGHTS = "-c picodet_s_320_coco_lcnet -o weights=output/picodet_s_320_coco_lcnet/best_model"
COMMANDS = {
    "train": Command("Train a detector.", "-c picodet_s_320_coco_lcnet --eval", "ppdet.commands.train", _train_options),
    "eval": Command(
        "Score a detector on the config's EvalDataset.", _WEIGHTS, "ppdet.commands.evaluate", _eval_options
    ),
    "infer": Command(
        f"Draw a detector's boxes on images.{_INFER_STATUS}",
        f"{_WEIGHTS} --infer_img street.jpg",
        "ppdet.commands.infer",
        _infer_options,
    ),
    "thresholds": Command(
        "Choose a score threshold for each class on EvalDataset, for ppdet export --thresholds.",
        f"{_WEIGHTS} --precision 0.9",
        "ppdet.commands.thresholds",
        _thresholds_options,
    ),
    "export": Command(
        "Write a detector for other programs: Paddle Inference, ONNX or OpenVINO.",
        f"{_WEIGHTS} --format onnx",
        "ppdet.commands.export",
        _export_options,
    ),
    "quantize": Command(
        "Write a detector in INT8.", f"{_WEIGHTS} --format onnx,openvino", "ppdet.commands.quantize", _quantize_options
    ),
    "benchmark": Command(
        "Measure where the time of detection goes, for several exports side by side.",
        "--model output_inference/picodet_s_320_coco_lcnet --threads 1 4",
        "ppdet.commands.benchmark",
        add_benchmark_options,
    ),
    "track": Command(
        "Follow objects through a video with ids, and count those that cross lines or enter zones.",
        "--model output_inference/picodet_s_320_coco_lcnet --video_file street.mp4 --line 0,0.5,1,0.5",
        "ppdet.commands.track",
        add_track_options,
    ),
    "serve": Command(
        "Serve exports over HTTP, with KServe's v2 protocol as well.",
        "--model output_inference/picodet_s_320_coco_lcnet",
        "ppdet.commands.serve",
        add_serve_options,
    ),
    "serve-web": Command(
        "Open a page on this machine that detects in the browser, with images, videos or the camera.",
        "output_inference/picodet_s_320_coco_lcnet",
        "ppdet.commands.serve_web",
        add_serve_web_options,
    ),
    "config": Command(
        "Print a config with everything that it inherits, or explain keys of it.",
        "-c picodet_s_320_coco_lcnet --explain PicoHeadV2.num_classes",
        "ppdet.commands.config",
        _config_options,
    ),
    "data": Command(
        "Write a config for a data set; look at it, find what is wrong with it, split, convert, merge or thin it.",
        "check dataset/demo --size 160",
        "ppdet.commands.data",
        add_data_options,
    ),
    "doctor": Command(
        "Report what this machine has, test it for a few seconds, and say what to fix.\n\n"
        "With --bench: measure it for five minutes. Status 1: something is broken.",
        "--bench -c picodet_s_320_coco_lcnet --report bench.txt",
        "ppdet.commands.doctor",
        _doctor_options,
    ),
}
