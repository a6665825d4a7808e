"""Runs with a frozen backbone: what is frozen stays, in all files; a resumed run equals a whole one; ranks agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.training.checkpoint import save_weights
from ppdet.training.loop import fit
from ppdet.training.model import _with_sync_bn
from ppdet.training.setup import build_trainer
from ppdet.utils.weight_files import read_arrays
from tests.support.ranks import run_ranks
from tests.support.tiny import make_run

FROZEN = ("LCNet.freeze_at=4", "LCNet.freeze_norm=true")


def train(config: Path, *overrides: str, resume: Path | None = None) -> Path:
    """Returns model_final of a run, without its suffix."""
    trainer, progress = build_trainer(make_run(config, *FROZEN, *overrides), resume=resume)
    fit(trainer, progress)
    return trainer.output_dir / "model_final"


def start(config: Path) -> dict[str, np.ndarray]:
    """The backbone's entries before the training, by the names of weight files."""
    trainer, _ = build_trainer(make_run(config, *FROZEN))
    return {f"backbone.{name}": value.numpy() for name, value in trainer.model.backbone.state_dict().items()}


def arrays(path: Path, suffix: str) -> dict[str, np.ndarray]:
    return {k: v for k, v in read_arrays(path.with_name(path.name + suffix)).items() if isinstance(v, np.ndarray)}


def of_the_rest(entries: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Entries outside of the branch."""
    return {name: value for name, value in entries.items() if not name.startswith("head.one_to_one.")}


def of_backbone(entries: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.replace(".bn.", ".norm."): value for name, value in entries.items() if name.startswith("backbone.")}


def test_what_is_frozen_stays_and_the_rest_is_trained(tiny: Path) -> None:
    before, final = start(tiny), train(tiny, "epoch=2", "use_ema=true")
    averaged, own = arrays(final, ".pdparams"), arrays(final, ".pdema")
    np.testing.assert_equal(of_backbone(own), before)  # bit for bit
    np.testing.assert_equal(of_backbone(averaged), before)
    slots = [name for name in arrays(final, ".pdopt") if "velocity" in name]
    trainer, _ = build_trainer(make_run(tiny, *FROZEN))
    assert len(slots) == sum(p.trainable for p in trainer.model.parameters())
    assert not any(p.trainable for p in trainer.model.backbone.parameters())


def test_a_resumed_run_equals_a_whole_one(tiny: Path) -> None:
    whole = train(tiny, "filename=whole")
    half = train(tiny, "filename=half", "epoch=2")
    rest = train(tiny, "filename=rest", resume=half)
    for suffix in (".pdparams", ".pdema", ".pdopt"):
        np.testing.assert_equal(arrays(rest, suffix), arrays(whole, suffix))


def test_a_branch_that_is_trained_alone_goes_on_as_if_it_had_not_stopped(tiny: Path) -> None:
    """And nothing outside of it has changed by a bit at the end, neither in the weights nor in their average."""
    branch = ("PicoDet.head=PicoHeadE2E", "PicoDet.train_only=head.one_to_one", "LCNet.freeze_at=-1")
    branch = (*branch, "LCNet.freeze_norm=false", "use_ema=true")
    model = build_trainer(make_run(tiny, *branch))[0].model
    save_weights(tiny.with_name("before"), model, model.state_dict())
    before = arrays(tiny.with_name("before"), ".pdparams")
    trained = {name for name, parameter in model.named_parameters() if parameter.trainable}
    whole = train(tiny, *branch, "filename=whole")
    half = train(tiny, *branch, "filename=half", "epoch=2")
    rest = train(tiny, *branch, "filename=rest", resume=half)
    for suffix in (".pdparams", ".pdema", ".pdopt"):
        np.testing.assert_equal(arrays(rest, suffix), arrays(whole, suffix))
    for suffix in (".pdparams", ".pdema"):
        found = arrays(rest, suffix)
        np.testing.assert_equal(of_the_rest(found), of_the_rest(before))
        assert all((found[name] != before[name]).any() for name in trained if name.endswith(".logits.bias"))
    assert len([name for name in arrays(rest, ".pdopt") if "velocity" in name]) == len(trained)
    assert all(name.startswith("head.one_to_one.") for name in trained)


def test_freezing_cannot_end_in_the_middle_of_a_run(tiny: Path) -> None:
    """The optimizer has no state of what was frozen; a new run with pretrain_weights is what the user wants."""
    half = train(tiny, "filename=half", "epoch=2")
    with pytest.raises(
        UserError,
        match=r"half/model_final: backbone\.blocks2\.0\.dw_conv\.conv\.weight \(and \d+ more\) was frozen in this run",
    ):
        train(tiny, "filename=free", "LCNet.freeze_at=-1", "LCNet.freeze_norm=false", resume=half)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [FROZEN, ("PicoDet.head=PicoHeadE2E", "PicoDet.train_only=head.one_to_one")])
def test_ranks_agree(tiny: Path, tmp_path: Path, frozen: tuple[str, ...]) -> None:
    first, second = run_ranks("weights", 2, tmp_path, tiny, *frozen, "epoch=1", "TrainReader.batch_size=1")
    np.testing.assert_equal(first, second)
    assert not of_backbone(first)  # trained parameters alone are here
    assert any(name.startswith("head.") for name in first)


def test_frozen_norms_share_no_statistics(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppdet.runtime.distributed.world_size", lambda: 2)
    monkeypatch.setattr("ppdet.training.model.supports_sync_bn", lambda device: True)
    for options, shared in ((FROZEN, False), ((), True)):
        session = make_run(tiny, "norm_type=sync_bn", *options)
        model = _with_sync_bn(session.build_model(), session)
        for part, expected in ((model.backbone, shared), (model.neck, True), (model.head, True)):
            kinds = {type(layer) for layer in part.sublayers() if "BatchNorm" in type(layer).__name__}
            assert kinds == {paddle.nn.SyncBatchNorm if expected else paddle.nn.BatchNorm2D}
    session = make_run(tiny, "norm_type=sync_bn", "PicoDet.head=PicoHeadE2E", "PicoDet.train_only=head.one_to_one")
    model = _with_sync_bn(session.build_model(), session)
    shared = [name for name, layer in model.named_sublayers() if isinstance(layer, paddle.nn.SyncBatchNorm)]
    assert len(shared) == 8
    assert all(name.startswith("head.one_to_one.") for name in shared)
