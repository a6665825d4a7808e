"""`python3 -m ppdet.deploy`, and `python3 -m <folder>` for a copy of this folder."""

import sys

from .cli import main

sys.exit(main())
