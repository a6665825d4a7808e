"""`ppdet export`."""

from __future__ import annotations

import argparse
from dataclasses import fields

from ppdet.commands.start import start
from ppdet.core.settings import ExportSettings
from ppdet.evaluation.measure_export import measure_export, require_measurable
from ppdet.export.export import export


def main(args: argparse.Namespace) -> None:
    """Write the config's model for other programs."""
    given = {field.name: getattr(args, field.name, None) for field in fields(ExportSettings)}
    overrides = [f"export.{name}={value}" for name, value in given.items() if value is not None]
    session = start(args, overrides)
    if args.measure:
        require_measurable(session.settings.export)
    export(session, args.output_dir, measure_export if args.measure else None)
