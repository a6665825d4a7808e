"""Detects objects in images, videos or a camera's pictures; the options are in ppdet/deploy/cli.py."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from ppdet.deploy.cli import main

if __name__ == "__main__":
    sys.exit(main())
