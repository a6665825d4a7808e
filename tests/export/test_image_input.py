"""The image input of an exported model, and settings that do not fit it."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.export.image_input import ImageInput
from tests.support.tiny import make_run, write_config

PIXELS = np.arange(48, dtype="uint8").reshape(1, 3, 4, 4) * 5
NORMALIZE = NormalizeImage(mean=[0.5, 0.25, 0.0], std=[0.5, 0.25, 1.0])


def test_a_model_that_takes_normalized_images_gets_them_unchanged() -> None:
    image = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype("float32")
    assert ImageInput((4, 4)).from_reader(image) is image
    assert ImageInput((4, 4)).to_network(image) is image


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_model_that_normalizes_gets_pixels(dtype) -> None:
    mean, std = np.reshape([0.5, 0.25, 0], (1, 3, 1, 1)), np.reshape([0.5, 0.25, 1], (1, 3, 1, 1))
    image = ((PIXELS / 255 - mean) / std).astype("float32")
    image_input = ImageInput((4, 4), NORMALIZE, dtype)
    fed = image_input.from_reader(image)
    assert fed.dtype == dtype
    np.testing.assert_array_equal(fed, PIXELS)
    np.testing.assert_allclose(image_input.to_network(fed), image, atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "size", "dtype", "normalizes"),
    [
        ([], (64, 64), "float32", False),
        (["export.dynamic_size=true"], (-1, -1), "float32", False),
        (["export.fuse_normalize=true", "export.input_dtype=uint8"], (64, 64), "uint8", True),
        (["TestReader.inputs_def.image_shape=[3, 64, 64]"], (64, 64), "float32", False),
    ],
)
def test_from_a_session(tmp_path, overrides, size, dtype, normalizes) -> None:
    found = ImageInput.of(make_run(write_config(tmp_path), *overrides))
    assert (found.size, found.dtype, found.normalize is not None) == (size, dtype, normalizes)


FUSED = "export.fuse_normalize=true"
TRANSFORMS = "TestReader.sample_transforms"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["export.input_dtype=uint8"],
            "export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize=true as well",
        ),
        (["export.batch_size=0"], "export.batch_size: found 0; expected -1 (any) or a number of images"),
        (
            ["export.dynamic_size=true", "export.boxes=normalized"],
            "export.boxes: found normalized, which needs a fixed size; set export.dynamic_size=false",
        ),
        (
            [FUSED, f"{TRANSFORMS}.1.Resize.keep_ratio=true"],
            "export.fuse_normalize: found true, but TestReader's Resize keeps the ratio, and its padding is 0 after "
            "normalization; set export.fuse_normalize=false",
        ),
        (
            [FUSED, f"{TRANSFORMS}=[{{Decode: {{}}}}, {{Resize: {{target_size: [64, 64]}}}}, {{Permute: {{}}}}]"],
            "export.fuse_normalize: found true, but TestReader has no NormalizeImage to fold in",
        ),
        (
            [f"{TRANSFORMS}=[{{Decode: {{}}}}, {{Permute: {{}}}}]"],
            "TestReader.sample_transforms: no Resize, which tells a runner what to do with an image",
        ),
        (
            ["TestReader.inputs_def.image_shape=[1, 3, 320, 320]"],
            "TestReader.inputs_def.image_shape: found [1, 3, 320, 320], but TestReader's Resize gives [64, 64]; set "
            "both to the same height and width",
        ),
        (
            ["TestReader.inputs_def.image_shape="],
            "TestReader.inputs_def.image_shape: required for export, as [1, 3, height, width]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_settings_that_do_not_fit(tmp_path, overrides, message) -> None:
    session = make_run(write_config(tmp_path), *overrides)
    with pytest.raises(UserError) as error:
        ImageInput.of(session)
    found = str(error.value).replace("(64, 64)", "[64, 64]")
    assert found == message
