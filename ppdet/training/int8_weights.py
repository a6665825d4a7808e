"""The weights file that a training in INT8 (section `QAT`) begins with, which holds the quantization as well."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.modeling.fake_quant import Int8Layout
from ppdet.runtime import distributed
from ppdet.session import Session
from ppdet.utils.files import with_suffix
from ppdet.weights.int8_layout import stored_layout

START = "int8_start.pdparams"  # in the output folder
Int8Start = Callable[[Session, Path], None]  # quantizes the float model of a session and writes its weights to the path


@dataclass(frozen=True)
class Int8Weights:
    """A weights file with a quantization.

    Attributes:
        file: the weights.
        layout: the quantization that they hold.
    """

    file: Path
    layout: Int8Layout


def int8_weights(session: Session, checkpoint: Path | None, write_start: Int8Start | None) -> Int8Weights | None:
    """Returns the weights that a training in INT8 begins with; None for other trainings.

    Args:
        session: the training.
        checkpoint: the checkpoint that it continues, without extension; None: it begins.
        write_start: makes the weights that it begins with, on rank 0.

    Raises:
        UserError: there are no such weights, or the checkpoint is that of a training in float or for another target.
    """
    if session.cfg.get("QAT") is None:
        return None
    file = with_suffix(checkpoint, ".pdparams") if checkpoint else session.output_dir / START
    error = None
    if checkpoint is None and distributed.rank() == 0:
        try:
            if write_start is None:
                raise UserError("QAT: nothing here quantizes the float model; train with `ppdet train`")
            write_start(session, file)
        except UserError as e:
            error = e
    distributed.raise_on_all_ranks(error)
    layout = stored_layout(file)
    if layout is None:
        raise UserError(
            f"QAT: found a section, but {checkpoint} was saved without; resume without it, or start a new run with "
            f"pretrain_weights={file}"
        )
    target = session.builder.build("QAT").target
    if layout.target != target:
        raise UserError(
            f"QAT.target: found {target}, but {file} was trained for {layout.target}; continue with that one, or start "
            "a new run"
        )
    return Int8Weights(file, layout)


def check_int8(checkpoint: Path, names: Collection[str], expected: bool) -> None:
    """Raises UserError if a checkpoint with these entries is that of a training in INT8, but that is not `expected`."""
    if not expected and any(name.startswith("fake_quant.") for name in names):
        raise UserError(
            f"QAT: found no section, but {checkpoint} was saved with one; resume with it, or start a new run with "
            f"pretrain_weights={checkpoint}"
        )
