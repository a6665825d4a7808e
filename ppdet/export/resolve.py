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
    settings = session.settings.export
    if issubclass(head, DenseHead) and head.needs_nms:
        if settings.nms == "none":
            raise UserError(
                f"export.nms: found none, but {head.__name__} needs NMS; expected true or false; or set "
                "PicoDet.head=PicoHeadE2E and train its branch for an epoch, with PicoDet.train_only=head.one_to_one"
            )
        return session
    if settings.nms is True:
        logger.info("export.nms: none, since %s needs no NMS", head.__name__)
    if settings.nms:
        _check_fixed_input(settings)
        settings = replace(settings, nms="none", boxes=settings.boxes or "input")
    return replace(session, settings=replace(session.settings, export=settings))


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
