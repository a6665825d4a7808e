"""Readers: their checks, and that published configs build them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import Config, load_config
from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, Dataset, ImageFolder
from ppdet.data.loading.reader import Reader, TestReader, TrainReader
from ppdet.data.ops.decode import read_image
from ppdet.data.transforms.batch_mosaic import BatchMosaic
from ppdet.data.transforms.batch_transforms import BatchRandomResize
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.reduced_decode import ReducedDecodeCrop
from ppdet.data.transforms.sample_transforms import Decode, RandomDistort

ReaderFactory = Callable[..., Reader]

load_classes()


def test_fewer_images_than_a_batch(small: Dataset, train_reader: ReaderFactory) -> None:
    with pytest.raises(
        UserError, match=r"has 14 images but a batch needs 16; set TrainReader.batch_size to 14 or less"
    ):
        train_reader(batch_size=16).bind(small)
    with pytest.raises(UserError, match=r"a batch needs 4 on each of 4 devices; set TrainReader.batch_size to 3"):
        train_reader().bind(small, world_size=4)
    assert len(train_reader(batch_size=16, drop_last=False).bind(small)) == 1


def test_auto_is_16_until_it_is_measured(small: Dataset, train_reader: ReaderFactory) -> None:
    """So commands that do not train can read batches; a small dataset makes one of all its images."""
    reader = train_reader(batch_size="auto")
    assert (reader.batch_size, reader.auto_batch) == (16, True)
    assert len(next(iter(reader.bind(small).epoch(0))).im_id) == 14
    assert len(next(iter(reader.bind(small, world_size=4).epoch(0))).im_id) == 3
    assert not train_reader(batch_size=3).auto_batch


def test_the_largest_size() -> None:
    resize = BatchRandomResize([[64, 96], [32, 256], 80])
    assert TrainReader([Decode()], [resize]).largest_size == (32, 256)
    assert TrainReader([Decode()]).largest_size == (640, 640)


def test_a_dataset_without_images(tmp_path: Path, train_reader: ReaderFactory) -> None:
    with pytest.raises(UserError, match="has no images"):
        train_reader().bind(COCODataSet(str(tmp_path)))


def test_missing_images_are_found_before_the_first_batch(
    small: Dataset, train_reader: ReaderFactory, eval_reader: ReaderFactory, caplog: pytest.LogCaptureFixture
) -> None:
    files = [record.im_file for record in small.records]
    Path(files[3]).unlink()
    with pytest.raises(UserError, match=rf"^{files[3]}: cannot be read \(there is no such file\); check [a-z_ ]+$"):
        eval_reader().bind(small)
    train_reader().bind(small)  # one is put up with, and named once
    (warning,) = caplog.messages
    assert warning.startswith(f"{files[3]}: cannot be read (there is no such file)")
    assert warning.endswith("(image left out; 1 of 14 are unreadable so far)")
    Path(files[7]).unlink()
    with pytest.raises(UserError, match=rf"^{files[3]}: .*\(2 of 14 images are missing\)$"):
        eval_reader().bind(small)
    with pytest.raises(UserError, match=rf"^{files[3]}: .*\(2 of 14 images are unreadable, more than 1 %\)$"):
        train_reader().bind(small)


def test_some_of_the_missing_images_are_named(
    small: Dataset, train_reader: ReaderFactory, caplog: pytest.LogCaptureFixture
) -> None:
    small.records = [small.records[i % 14] for i in range(200)]
    for index in (20, 60):
        small.records[index] = replace(small.records[index], im_file=f"{small.root}/gone{index}.jpg")
    loader = train_reader(batch_size=100).bind(small)
    assert sum(len(batch.im_id) for batch in loader.epoch(0)) == 200
    (warning,) = caplog.messages
    assert warning.startswith(f"{small.root}/gone20.jpg: cannot be read (there is no such file)")
    assert warning.endswith(f"(images left out, also {small.root}/gone60.jpg; 2 of 200 are unreadable so far)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "EvalReader.batch_size: expected at least 1, found 0"),
        ({"batch_size": "all"}, "EvalReader.batch_size: expected int or 'auto', found 'all' (str)"),
        ({"batch_size": "auto"}, "EvalReader.batch_size: found 'auto', which measures training steps; set a number"),
        ({"worker_num": -1}, "EvalReader.worker_num: expected at least 0, found -1"),
        ({"cache": "tape"}, "EvalReader.cache: expected 'ram' or 'disk' or null, found 'tape' (str)"),
        (
            {"inputs_def": {"image_shap": [1, 3, 8, 8]}},
            "EvalReader.inputs_def.image_shap: no option; did you mean 'image_",
        ),
        (
            {"inputs_def": {"image_shape": [1, 3, 8, 0]}},
            "EvalReader.inputs_def.image_shape.3: expected at least 1, found 0",
        ),
        ({"inputs_def": {"image_shape": [1, 1, 8, 8]}}, "EvalReader.inputs_def.image_shape: expected list"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        Builder(Config({"EvalReader": {"sample_transforms": ["Decode"]} | options})).build("EvalReader")
    assert str(error.value).startswith(message)


def test_image_shape_with_and_without_the_batch() -> None:
    for shape in ([1, 3, 320, 416], [None, 3, -1, -1], [-1, 3, 64, 64], [3, 320, 320]):
        cfg = Config({"TestReader": {"sample_transforms": ["Decode"], "inputs_def": {"image_shape": shape}}})
        assert Builder(cfg).build("TestReader").inputs_def == {"image_shape": shape}


def test_decode_is_the_first_transform_and_no_other() -> None:
    with pytest.raises(UserError, match=r"TrainReader\.sample_transforms: must begin with Decode"):
        TrainReader([RandomDistort()])
    for lists in (([Decode(), RandomDistort(), Decode()],), ([Decode()], [Decode()])):
        with pytest.raises(UserError, match=r"TrainReader: has Decode twice"):
            TrainReader(*lists)


def published(shared: Path) -> dict[str, dict]:
    return json.loads((shared / "spec" / "CONFIGS.json").read_text())


def test_every_published_config_builds_its_readers_and_datasets(shared: Path, tmp_path: Path) -> None:
    for config in published(shared).values():
        keys = ("TrainReader", "EvalReader", "TestReader", "TrainDataset", "EvalDataset", "TestDataset", "worker_num")
        path = tmp_path / "config.yml"
        path.write_text(json.dumps({key: config[key] for key in keys}))  # JSON is YAML
        cfg = load_config(path)
        builder = Builder(cfg)
        train, evaluation, test = (builder.build(name) for name in keys[:3])
        assert isinstance(train, TrainReader)
        assert isinstance(test, TestReader)
        assert (train.batch_size, train.worker_num) == (config["TrainReader"]["batch_size"], config["worker_num"])
        assert [type(transform).__name__ for transform in train.sample_transforms + train.batch_transforms] == [
            name
            for transform in config["TrainReader"]["sample_transforms"] + config["TrainReader"]["batch_transforms"]
            for name in transform
        ]
        assert (train.shuffle, evaluation.shuffle, evaluation.drop_last) == (True, False, False)
        assert test.inputs_def["image_shape"] == config["TestReader"]["inputs_def"]["image_shape"]
        assert isinstance(builder.build(cfg["TrainDataset"], "TrainDataset"), COCODataSet)
        assert isinstance(builder.build(cfg["TestDataset"], "TestDataset"), ImageFolder)


def test_an_epoch_of_published_transforms_on_real_images(shared: Path, tmp_path: Path) -> None:
    config = published(shared)["picodet_s_320_coco_lcnet.yml"]
    (tmp_path / "config.yml").write_text(json.dumps({key: config[key] for key in ("TrainReader", "worker_num")}))
    cfg = load_config(tmp_path / "config.yml", ["TrainReader.batch_size=16", "worker_num=0"])
    root = shared / "data" / "coco_tiny"
    dataset = COCODataSet(str(root), "train2017", "annotations/instances_train2017.json").load()
    batches = list(Builder(cfg).build("TrainReader").bind(dataset).epoch(0))
    assert len(batches) == 3
    for batch in batches:
        height, width = batch.image.shape[2:]
        assert height == width
        assert height in (256, 288, 320, 352, 384)
        boxes = batch.gt_bbox.numpy()[batch.pad_gt_mask.numpy()[..., 0] > 0]
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert boxes.min() >= 0
        assert boxes.max() <= height
        assert abs(float(batch.image.mean())) < 1


@pytest.mark.parametrize("reader", ["EvalReader", "TestReader"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_last": True}, "{}.drop_last: found true, which would leave images out"),
        ({"sample_transforms": ["Decode", "RandomFlip"]}, "{}.sample_transforms.1: found RandomFlip, after which"),
        (
            {"sample_transforms": ["Decode", {"Resize": {"target_size": 8}}, "RandomCrop"]},
            "{}.sample_transforms.2: found RandomCrop, after which boxes",
        ),
        (
            {"sample_transforms": ["Decode", "Mosaic"], "mosaic_epoch": 0},
            "{}.sample_transforms.1: found Mosaic, after which boxes are not where they are in the image; it is for",
        ),
        ({"sample_transforms": ["Decode", "CopyPaste"]}, "{}.sample_transforms.1: found CopyPaste, after which"),
        ({"sample_transforms": ["Decode", "RandomExpand"]}, "{}.sample_transforms.1: found RandomExpand, after which"),
        ({"sample_transforms": ["Decode", "GridMask"]}, "{}.sample_transforms.1: found GridMask, which hides parts"),
        (
            {"sample_transforms": ["Decode", {"Pad": {"pad_mode": 1}}]},
            "{}.sample_transforms.1: found Pad, after which boxes are not where they are",
        ),
        (
            {"batch_transforms": ["BatchMosaic"]},
            "{}.batch_transforms.0: found BatchMosaic, after which boxes are not where they are in the image",
        ),
        (
            {"sample_transforms": ["Decode", "AugmentHSV"]},
            "{}.sample_transforms.1: found AugmentHSV, which changes colors at random; it is for TrainReader",
        ),
    ],
)
def test_outside_training_every_image_counts_as_it_is(reader: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        Builder(Config({reader: {"sample_transforms": ["Decode"]} | options})).build(reader)
    assert str(error.value).startswith(message.format(reader))


def test_options_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"TrainReader\.cache_dir: only means something with"):
        TrainReader([Decode()], cache_dir="here")
    with pytest.raises(UserError, match=r"TrainReader\.mosaic_epoch: not given, so that there would be no Mosaic;"):
        TrainReader([Decode(), Mosaic()])
    with pytest.raises(UserError, match=r"TrainReader\.mixup_epoch: found 3, but .*\.sample_transforms has no Mixup;"):
        TrainReader([Decode(), Mosaic()], mosaic_epoch=0, mixup_epoch=3)
    with pytest.raises(UserError, match=r"TrainReader\.close_augmentation_epochs: found 3 without `epoch`"):
        TrainReader([Decode()], close_augmentation_epochs=3)


def test_the_epochs_with_mosaic(small: Dataset) -> None:
    """`epoch` is that of the run; the workers get the number of their epoch with each batch."""
    options = {"TrainReader": {"sample_transforms": ["Decode", {"Mosaic": {"input_dim": [48, 64]}}], "batch_size": 7}}
    for more, on in (
        ({"mosaic_epoch": 2}, [True, True, False, False]),
        ({"mosaic_epoch": -1}, [False] * 4),
        ({"mosaic_epoch": 0, "close_augmentation_epochs": 1}, [True, True, True, False]),
        ({"mosaic_epoch": 0, "close_augmentation_epochs": 9}, [False] * 4),
    ):
        config = {"epoch": 4, "worker_num": 1, "TrainReader": options["TrainReader"] | more}
        with closing(Builder(Config(config)).build("TrainReader").bind(small)) as loader:
            plain = {read_image(record.im_file).tobytes() for record in small.records}
            found = []
            for epoch in range(4):
                images = np.concatenate([batch.image.numpy() for batch in loader.epoch(epoch)])
                found.append(not {image.transpose(1, 2, 0).astype(np.uint8).tobytes() for image in images} <= plain)
        assert found == on


def test_the_memory_for_boxes_grows_with_mosaic(small: Dataset) -> None:
    plain, mixed = TrainReader([Decode()]), TrainReader([Decode(), Mosaic()], mosaic_epoch=0)
    assert mixed.most_boxes(small) == 5 * plain.most_boxes(small) > 0
    for mixup_prob, factor in ((0.0, 4), (0.5, 8)):
        both = TrainReader([Decode(), Mosaic()], [BatchMosaic(mixup_prob=mixup_prob)], mosaic_epoch=0)
        assert both.most_boxes(small) == factor * mixed.most_boxes(small)


def test_only_training_decodes_reduced(small: Dataset, train_reader: ReaderFactory, eval_reader: ReaderFactory) -> None:
    def first(reader: Reader) -> type:
        return type(reader.bind(small)._batch_builder.sample_transforms[0])

    assert first(train_reader()) is ReducedDecodeCrop
    assert {first(train_reader(reduced_decode=False)), first(train_reader(exact=True)), first(eval_reader())} == {
        Decode
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache": "ram"}, "decode: cached in RAM"),
        ({"cache": "disk"}, "decode: cached on disk"),
        ({}, "decode: large JPEGs at a reduced scale, in one transform with RandomCrop"),
        ({"reduced_decode": False}, "decode: whole images"),
        ({"exact": True}, "decode: whole images"),
    ],
)
def test_the_log_says_how_images_are_decoded(
    small: Dataset,
    train_reader: ReaderFactory,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    message: str,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="ppdet"):
        train_reader(**options).bind(small)
    assert [line for line in caplog.messages if "decode: " in line] == [f"TrainReader: {message}"]
