"""The float network that a run exports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ppdet.export.export import export
from ppdet.quantization.network import Network
from ppdet.session import Session
from ppdet.utils.files import temporary_folder


def exported_network(session: Session) -> Network:
    """Returns the network of a session whose export is an ONNX file."""
    import onnx

    with temporary_folder() as folder:
        return Network.of(onnx.load(str(export(session, folder) / "model.onnx")))


def with_export(session: Session, **options: Any) -> Session:
    """Returns the session with other values of the section `export`."""
    settings = session.settings
    return replace(session, settings=replace(settings, export=replace(settings.export, **options)))
