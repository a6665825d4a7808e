"""`ppdet config`."""

from __future__ import annotations

import argparse

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import without_training
from ppdet.core.compat import IGNORED_KEYS, refuse_overrides
from ppdet.core.config import load_with_places
from ppdet.core.explain import Explainer
from ppdet.core.shipped_configs import shipped_configs
from ppdet.core.yaml_dump import dump


def main(args: argparse.Namespace) -> None:
    """Print a config, or explain keys of it. Only explaining imports Paddle, whose classes the config names."""
    if args.list:
        print(*shipped_configs(), sep="\n")
        return
    config, places = load_with_places(args.config, args.opt)
    refuse_overrides(IGNORED_KEYS, args.opt)
    if args.explain:
        load_classes()
        explainer = Explainer(without_training(Builder(config), args.opt), places)
        refuse_overrides(explainer.ignored, args.opt)
        print(*map(explainer.explain, args.explain), sep="\n\n")
    else:
        print(dump(config.to_dict()), end="")
