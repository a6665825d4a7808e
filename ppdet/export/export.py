"""Exports a trained detector to files that are checked against it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.checksum import model_checksum
from ppdet.export.check_inputs import sample_batch
from ppdet.export.fold_normalize import fold_normalize
from ppdet.export.formats import EXPORT_FORMATS, require
from ppdet.export.graph import ExportModel
from ppdet.export.image_input import ImageInput
from ppdet.export.infer_config import infer_config
from ppdet.export.paddle_format import program_file
from ppdet.export.resolve import resolved
from ppdet.export.verify import Reference, verify
from ppdet.modeling import PicoDet
from ppdet.session import Session, class_categories
from ppdet.utils.staging import staged
from ppdet.vendor.toolchain import TOOLCHAINS
from ppdet.vendor.tools import require_tools

logger = logging.getLogger(__name__)


def export(session: Session, output_dir: Path, inspect: Callable[[Session, Path], object] | None = None) -> Path:
    """Write model.* in each format of `export.format`, and infer_cfg.yml, to `<output_dir>/<filename>/`.

    The files get their names only after all of them gave what the trained model gives on images of EvalDataset.

    Args:
        session: the run.
        output_dir: see above.
        inspect: called with the settled session and the folder of the files after that, before they get their names.

    Returns:
        The folder with the files.

    Raises:
        UserError: settings do not fit each other, a format's package is missing, the folder cannot be written, or a
            written model differs from the trained one by more than rounding.
    """
    session = resolved(session)
    settings = session.settings.export
    for name in settings.formats:
        require("export.format", name, EXPORT_FORMATS[name].needs)
    for name in settings.vendor_formats:
        require_tools(name, TOOLCHAINS[name].tools, settings.tool_env)
    image_input = ImageInput.of(session)
    categories = class_categories(session)  # before the weights, which say less if they have other classes
    trained = session.load_model()
    config = infer_config(session, trained, categories)
    folder = output_dir / session.settings.filename
    kept_checksum = _kept_checksum(folder, config, settings)
    sample = sample_batch(session, image_input.size, settings.batch_size if settings.batch_size > 0 else 2)
    reference = Reference.of(trained, settings, image_input, sample)
    graph = _build_graph(trained, settings, image_input)
    with staged(folder) as written:
        _write(graph, image_input.size, config, kept_checksum, written)
        verify(folder, written, settings, reference)
        if inspect:
            inspect(session, written)
        names = {path.name for path in written.iterdir()}
    if "paddle" in settings.formats:
        _remove_stale_programs(folder, names)
    logger.info("%s: written, with infer_cfg.yml", folder)
    return folder


def _kept_checksum(folder: Path, config: dict[str, Any], settings: ExportSettings) -> dict[str, Any]:
    """The entry of infer_cfg.yml about an earlier Paddle model in `folder` that this export does not replace.

    The entry is empty if there is none; other formats carry their checksums themselves. Raises UserError if the new
    infer_cfg.yml would not describe that model.
    """
    earlier = folder / "infer_cfg.yml"
    if "paddle" in settings.formats or not (folder / "model.pdiparams").is_file() or not earlier.is_file():
        return {}
    try:
        content = yaml.safe_load(earlier.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    checksum = {"checksum": content.pop("checksum")} if isinstance(content, dict) and "checksum" in content else {}
    if isinstance(content, dict):
        content.setdefault("category_ids", config["category_ids"])  # earlier versions wrote none
        content |= {key: config[key] for key in ("thresholds", "weights_sha256") if key in config}
    if content != config:
        raise UserError(
            f"{folder}: its Paddle model was exported with other options and would no longer fit infer_cfg.yml; add "
            "paddle to --format, or choose another --output_dir"
        )
    return checksum


def _build_graph(trained: PicoDet, settings: ExportSettings, image_input: ImageInput) -> ExportModel:
    if image_input.normalize is None:
        return ExportModel(trained, settings)
    folded, pixel_mean = fold_normalize(trained, image_input.normalize)
    return ExportModel(folded, settings, pixel_mean)


def _write(
    graph: ExportModel, size: tuple[int, int], config: dict[str, Any], kept_checksum: dict[str, Any], folder: Path
) -> None:
    """Write all formats and infer_cfg.yml to `folder`."""
    for name in graph.settings.formats:
        EXPORT_FORMATS[name].write(graph, size, config, folder)
    checksum = kept_checksum
    if "paddle" in graph.settings.formats:
        checksum = {"checksum": model_checksum(program_file(folder))}
    with (folder / "infer_cfg.yml").open("w", encoding="utf-8") as file:
        yaml.safe_dump({**config, **checksum}, file, sort_keys=False, allow_unicode=True)


def _remove_stale_programs(folder: Path, written: set[str]) -> None:
    """Remove the program of an earlier export by another version of Paddle, which uses another file name."""
    for stale in {"model.json", "model.pdmodel", "model.pdiparams.info"} - written:
        (folder / stale).unlink(missing_ok=True)
