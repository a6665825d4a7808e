"""Export settings whose defaults depend on the head."""

from __future__ import annotations

import logging
from dataclasses import replace

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.modeling.heads.base import DenseHead
from ppdet.session import Session

logger = logging.getLogger(__name__)


def resolved(session: Session) -> Session:
    """Returns the session with the `export.nms` that the config's head needs, and the `export.boxes` that go with it.

    Raises:
        UserError: the settings do not fit the head or each other.
    """
    head = session.builder.named_class(session.cfg["PicoDet"]["head"], "PicoDet.head", DenseHead).cls
    settings = _for_vendors(session.settings.export)
    if issubclass(head, DenseHead) and head.needs_nms:
        if settings.nms == "none":
            raise UserError(
                f"export.nms: found none, but {head.__name__} needs NMS; expected true or false; or set "
                "PicoDet.head=PicoHeadE2E and train its branch for an epoch, with PicoDet.train_only=head.one_to_one"
            )
        return _with(session, settings)
    if settings.nms is True:
        logger.info("export.nms: none, since %s needs no NMS", head.__name__)
    if settings.nms:
        _check_fixed_input(settings)
        settings = replace(settings, nms="none", boxes=settings.boxes or "input")
    return _with(session, settings)


def _with(session: Session, settings: ExportSettings) -> Session:
    return replace(session, settings=replace(session.settings, export=settings))


def _for_vendors(settings: ExportSettings) -> ExportSettings:
    """The settings that vendors' formats need, which take one input of a fixed size and have no NMS."""
    if not settings.vendor_formats:
        return settings
    name = settings.vendor_formats[0]
    if settings.dynamic_size:
        raise UserError(f"export.dynamic_size: found true, but {name} needs a fixed size; expected false")
    if settings.boxes == "image":
        raise UserError(
            f"export.boxes: found image, which takes a second input, but {name} takes the image alone; expected input "
            "or normalized"
        )
    if settings.input_dtype != "float32":
        raise UserError(f"export.input_dtype: found {settings.input_dtype}; expected float32 with {name}")
    if settings.runs_nms:
        if settings.vendor_formats != settings.formats:
            raise UserError(
                f"export.nms: found true, but {name} takes no NMS, and one infer_cfg.yml stands for all formats; set "
                "nms=false, or export the formats one after the other"
            )
        logger.info("export.nms: false, since %s takes no NMS; Detector does it after the model", name)
        settings = replace(settings, nms=False)
    return replace(settings, boxes=settings.boxes or "input")


def _check_fixed_input(settings: ExportSettings) -> None:
    if settings.boxes == "image":
        raise UserError(
            "export.boxes: found image, which takes a second input; expected input or normalized with export.nms=none; "
            "or set export.nms=false"
        )
    if settings.dynamic_size:
        raise UserError(
            "export.dynamic_size: found true, but small devices need a fixed size; expected false with "
            "export.nms=none; or set export.nms=false"
        )
