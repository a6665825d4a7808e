"""Draw a detector's boxes on images: python3 tools/infer.py -c <config> -o weights=<file> --infer_img street.jpg"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.cli import run_tool

if __name__ == "__main__":
    run_tool("infer")
