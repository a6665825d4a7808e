"""The content of a small COCO file, to be changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.coco_files import CONTENT


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)
