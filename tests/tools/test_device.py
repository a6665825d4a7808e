"""The --device option of the tools."""

from __future__ import annotations

from tests.support.workspaces import Tools, Workspace


def test_a_device_that_is_not_there(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("train", "-c", coco.config, "--device", "tpu")
    assert error.startswith("device: 'tpu' is not there; available: ")
    assert error.endswith("cpu")


def test_the_option_wins_over_the_config(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("eval", "-c", coco.config, "-o", "device=tpu", "--device", "cpu")
    assert error.startswith("weights: required")
