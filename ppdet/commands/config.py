"""`ppdet config`."""

from __future__ import annotations

import argparse

import yaml

from ppdet.core.config import load_config
from ppdet.core.shipped_configs import shipped_configs


def main(args: argparse.Namespace) -> None:
    if args.list:
        print(*shipped_configs(), sep="\n")
    else:
        tree = load_config(args.config, args.opt).to_dict()
        print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), end="")
