"""Several processes on the CPU (gloo): the same updates and scores as one process, and equal weights on all ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.golden import CONFIGS, ESNET, LCNET, relative_difference
from tests.support.ranks import run_ranks
from tests.support.tiny import write_config, write_dataset

XS, LEGACY = "picodet_xs_320_coco_lcnet.yml", "legacy_model/picodet_s_320_coco.yml"
CASES = [(XS, 0), (XS, 200), (LEGACY, 0)]  # ATSS, TAL, SimOTA
END_TO_END = "PicoDet: {head: PicoHeadE2E}\n"


@pytest.mark.parametrize("layouts", [[(2, 1), (1, 4)], pytest.param([(2, 2)], marks=pytest.mark.slow)])
def test_spread_images_train_like_one_batch(tmp_path: Path, layouts: list[tuple[int, int]]) -> None:
    """Over processes, over batches of an update (one divisor of the losses only), and over both."""
    cases = []
    for base, epoch in CASES:
        folder = tmp_path / f"{Path(base).stem}_{epoch}"
        write_dataset(folder)
        cases.append(f"{write_config(folder, base)}:{epoch}")
    (whole,) = run_ranks("frozen_steps", 1, tmp_path / "whole", 3, 1, *cases)
    for world_size, accumulate_steps in layouts:
        folder = tmp_path / f"{world_size}x{accumulate_steps}"
        those = cases if accumulate_steps == 1 else cases[:2]
        ranks = run_ranks("frozen_steps", world_size, folder, 3, accumulate_steps, *those)
        wanted = {name: values for name, values in whole.items() if name.startswith(tuple(those))}
        for found in ranks:
            assert found.keys() == wanted.keys()
            worst = {name: relative_difference(found[name], wanted[name]) for name in wanted if np.any(wanted[name])}
            assert max(worst.values()) < 1e-5, (folder.name, max(worst, key=worst.get), max(worst.values()))


@pytest.mark.slow
def test_spread_images_train_the_one_to_one_branch_like_one_batch(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    config = write_config(tmp_path)
    with config.open("a") as file:
        file.write(END_TO_END)
    case = f"{config}:200"
    (whole,) = run_ranks("frozen_steps", 1, tmp_path / "whole", 5, 1, case)
    assert any("grad/head.one_to_one." in name and values.any() for name, values in whole.items())
    for found in run_ranks("frozen_steps", 2, tmp_path / "ranks", 5, 2, case):
        assert found.keys() == whole.keys()
        worst = {name: relative_difference(found[name], whole[name]) for name in whole if np.any(whole[name])}
        assert max(worst.values()) < 1e-5, (max(worst, key=worst.get), max(worst.values()))


def test_objects_and_rows_of_every_length_are_exchanged(tmp_path: Path) -> None:
    for found in run_ranks("exchange", 3, tmp_path, 0, *range(220, 260), 5000):  # about 256 bytes are sent at first
        assert found["objects"]
        assert found["rows"].all()


@pytest.mark.parametrize("late", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_rank_may_end_long_after_another(tmp_path: Path, late: int) -> None:
    write_dataset(tmp_path)
    ranks = run_ranks("end_apart", 2, tmp_path / "ranks", write_config(tmp_path), late)
    assert [found["updates"] for found in ranks] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("accumulate_steps", [1, 2])
def test_ranks_keep_equal_weights(tmp_path: Path, accumulate_steps: int) -> None:
    write_dataset(tmp_path, 9)  # two batches of two images on each rank
    config = write_config(tmp_path)
    overrides = (
        "epoch=50",
        "snapshot_epoch=50",
        f"accumulate_steps={accumulate_steps}",
        "TrainReader.batch_size=1",
        "PicoHeadV2.static_assigner_epoch=10",
    )
    first, second = run_ranks("weights", 2, tmp_path / "ranks", config, *overrides)
    assert first["updates"] >= 50
    assert not [name for name in first if not np.array_equal(first[name], second[name])]


@pytest.mark.slow
def test_every_parameter_gets_the_same_gradient_on_all_ranks(tmp_path: Path) -> None:
    """DataParallel without a search for unused parameters lets ranks drift apart where one gets no gradient."""
    configs = []
    for name in LCNET + ESNET:
        (tmp_path / name).mkdir()
        write_dataset(tmp_path / name)
        configs.append(write_config(tmp_path / name, f"{name}.yml" if name in LCNET else f"legacy_model/{name}.yml"))
    two_towers = tmp_path / "two_towers"  # the second one is half unused
    two_towers.mkdir()
    write_dataset(two_towers)
    configs.append(write_config(two_towers, LEGACY))
    with configs[-1].open("a") as file:
        file.write("PicoHead: {conv_feat: {share_cls_reg: false}}\n")
    first, second = run_ranks("gradients_of_configs", 2, tmp_path / "ranks", *configs)
    assert len(first) == len(configs)
    for name in first:
        assert len(first[name]) == 1, name  # none is missing
        assert first[name] == second[name], name


@pytest.mark.parametrize("world_size", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_evaluation_does_not_depend_on_the_ranks(tmp_path: Path, shared: Path, world_size: int) -> None:
    config = CONFIGS / XS
    data = shared / "data" / "coco_tiny"
    weights = shared / "weights" / "picodet_xs_320_coco_lcnet.pdparams"
    overrides = (f"EvalDataset.dataset_dir={data}", "worker_num=0", "device=cpu")
    (whole,) = run_ranks("evaluation", 1, tmp_path / "whole", config, weights, *overrides)
    assert len(whole["im_ids"]) == 50
    for found in run_ranks("evaluation", world_size, tmp_path / "ranks", config, weights, *overrides):
        for name in whole:
            np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
