"""Sessions: what a config needs to become one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.golden import CONFIGS

ROOT = Path(__file__).resolve().parents[1]
ALONE = """
import sys
from ppdet.session import open_session
open_session(sys.argv[1], ["device=cpu"])
"""


def test_every_class_of_a_shipped_config_is_known_without_further_imports() -> None:
    config = CONFIGS / "picodet_xs_320_coco_lcnet.yml"
    done = subprocess.run([sys.executable, "-c", ALONE, str(config)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
