"""Write a config for a data set; look at it, find what is wrong with it, split, convert, merge or thin it:
python3 tools/data.py check <folder or config>"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.cli import run_tool

if __name__ == "__main__":
    run_tool("data")
