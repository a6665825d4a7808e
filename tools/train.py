"""Train a detector: python3 tools/train.py -c configs/picodet/picodet_xs_320_coco_lcnet.yml --eval"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.cli import run_tool

if __name__ == "__main__":
    run_tool("train")
