from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workspaces import Tools, Workspace, coco_workspace, random_weights, voc_workspace


@pytest.fixture
def tools(capsys: pytest.CaptureFixture[str]) -> Tools:
    return Tools(capsys)


@pytest.fixture
def coco(tmp_path: Path) -> Workspace:
    return coco_workspace(tmp_path)


@pytest.fixture
def voc(tmp_path: Path) -> Workspace:
    return voc_workspace(tmp_path)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the workspaces' model, untrained."""
    root = tmp_path_factory.mktemp("weights")
    return random_weights(coco_workspace(root).config, root / "random")
