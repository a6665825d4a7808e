"""The options of `ppdet data`. Nothing heavy is imported."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from ppdet.core.cli import add_model_options
from ppdet.data_edit import FORMATS
from ppdet.deploy.options import as_path


def add_data_options(p: argparse.ArgumentParser) -> None:
    """Give a parser the actions and their options."""
    actions = p.add_subparsers(dest="action", metavar="action", required=True)
    for name, (about, add_options) in _ACTIONS.items():
        action = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        add_options(action)
        if name != "suspects":  # which has it among its options of a run
            action.add_argument("--debug", action="store_true", help="show the full trace of an error")


def _check(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    where = "also write the findings to FILE, which is replaced"
    p.add_argument("--json", type=as_path, metavar="FILE", help=where)
    fix = "also write a copy to DIR, which must be new: COCO files without the faults that have one remedy only"
    p.add_argument("--fix", type=as_path, metavar="DIR", help=fix)
    _add_size(p)


def _stats(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    p.add_argument("--plot", type=as_path, metavar="FILE.png", help="also draw a page of plots, with matplotlib")
    p.add_argument("--json", type=as_path, metavar="FILE", help="also write the tables to FILE, which is replaced")
    _add_size(p)


def _show(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    _add_seed(p, "another number shows other images")
    _add_output(p)


def _split(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    p.add_argument("--val", type=_share, required=True, metavar="X", help="the share of the images, as 0.1")
    p.add_argument("--test", type=_share, metavar="X", help="the share of a third split (default: none)")
    group = "images whose names have the same match of REGEX, or of its first group, stay together"
    p.add_argument("--by-group", metavar="REGEX", help=group)
    _add_seed(p, "of the choice between equal images")
    _add_output(p)


def _convert(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    p.add_argument("--to", required=True, choices=FORMATS, help="the format")
    _add_output(p)


def _merge(p: argparse.ArgumentParser) -> None:
    _add_source(p, nargs="+")
    _add_output(p)


def _remap(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    classes = 'the classes in their new order, as "car,truck->vehicle;person"; others are left out'
    p.add_argument("--classes", required=True, metavar="MAP", help=classes)
    _add_output(p)


def _subset(p: argparse.ArgumentParser) -> None:
    _add_source(p)
    number = "this many images of each split, with the shares of classes that it has"
    p.add_argument("--number", type=_whole("images", 1, 10**9), metavar="N", help=number)
    classes = 'only images with a box of one of these classes, as "car,truck"'
    p.add_argument("--classes", metavar="NAMES", help=classes)
    _add_seed(p, "of the choice between equal images")
    _add_output(p)


def _new(p: argparse.ArgumentParser) -> None:
    p.add_argument("source", type=as_path, metavar="FOLDER", help="images and labels in any of the formats")
    model = "picodet_xs, _s, _m or _l, alone or with the size of its input, as picodet_s_320"
    p.add_argument("--model", required=True, metavar="NAME", help=model)
    where = "the config, a new file (default: the folder's name with .yml, in the current folder)"
    p.add_argument("--output", type=as_path, metavar="FILE", help=where)
    weights = "start from this file, instead of the published weights trained on COCO"
    p.add_argument("--weights", type=as_path, metavar="FILE", help=weights)
    val = "the share for validation, if the folder has no such split (default: 0.15)"
    p.add_argument("--val", type=_share, metavar="X", help=val)


def _suspects(p: argparse.ArgumentParser) -> None:
    add_model_options(p)
    split = "the dataset of the config: that of training or of evaluation (default: %(default)s)"
    p.add_argument("--split", choices=("train", "val"), default="val", help=split)
    where = "a new folder (default: suspects_<split> in the run's own folder)"
    p.add_argument("--output", type=as_path, metavar="DIR", help=where)
    sure = "list what is more certain than X (default: %(default)s)"
    p.add_argument("--sure", type=_share, default=0.3, metavar="X", help=sure)
    pictures = "draw this many of each kind (default: %(default)s)"
    p.add_argument("--pictures", type=_whole("a number", 0, 10**6), default=40, metavar="N", help=pictures)


_ACTIONS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "new": ("write a config that trains on a folder of images and labels", _new),
    "check": ("find what is wrong with images and annotations, without a model; status 1: something is", _check),
    "stats": ("count images and boxes, by split and class, and describe their sizes", _stats),
    "show": ("draw contact sheets: images with their boxes, each class, the smallest boxes, training batches", _show),
    "split": ("divide all images into training, validation and test, with equal shares of classes", _split),
    "convert": ("write a data set in another format, with links to its images", _convert),
    "merge": ("write the lists of several data sets as one", _merge),
    "remap": ("rename, join and leave out classes", _remap),
    "suspects": ("find labels that are probably wrong, with a trained model", _suspects),
    "subset": ("write the lists of some of the images", _subset),
}


def _add_source(p: argparse.ArgumentParser, nargs: str | None = None) -> None:
    about = "a data set, or a config that names one"
    p.add_argument("source", type=as_path, nargs=nargs, metavar="FOLDER|CONFIG", help=about)
    p.add_argument("--split", nargs="+", default=[], metavar="NAME", help="train, val, …; default: all")


def _add_output(p: argparse.ArgumentParser) -> None:
    p.add_argument("--output", type=as_path, required=True, metavar="DIR", help="a new folder")


def _add_size(p: argparse.ArgumentParser) -> None:
    about = "the side of the network's input in pixels (default: the config's; 320 for a folder)"
    p.add_argument("--size", type=_whole("pixels", 32, 8192), metavar="N", help=about)


def _add_seed(p: argparse.ArgumentParser, about: str) -> None:
    seed = _whole("a number", 0, 2**63 - 1)
    p.add_argument("--seed", type=seed, default=0, metavar="N", help=f"{about} (default: %(default)s)")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a share between 0 and 1, as 0.1")
    return share


def _whole(what: str, least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"found {text!r}; expected {what}, from {least} to {most}")
        return int(text)

    return convert
