"""What thousands of tests ask for again: shipped configs as read, options of classes, published names of weights."""

from __future__ import annotations

import functools
import pickle
from unittest import mock

from ppdet.core import builder, check, config_files, explain, registry, yaml_text
from ppdet.weights import published_names
from tests.support.configs import CONFIGS


def remember_answers() -> None:
    """Let this process read each shipped config once, and inspect each class and translate each name once."""
    config_files.parse = _parse
    published_names.published_name = functools.cache(published_names.published_name)
    for module in (registry, builder, check, explain):
        module.parameters_of = _parameters_of


_parameters_of = functools.cache(registry.parameters_of)
_documents: dict[tuple[str, str], bytes] = {}


def _parse(text: str, where: str) -> yaml_text.Document:
    """As `yaml_text.parse`. Every caller gets values of its own, and a file that is warned of is read each time."""
    if not where.startswith(str(CONFIGS.parent)):
        return yaml_text.parse(text, where)
    if (text, where) not in _documents:
        with mock.patch.object(yaml_text.logger, "warning", wraps=yaml_text.logger.warning) as warning:
            document = yaml_text.parse(text, where)
        if warning.called:
            return document
        _documents[text, where] = pickle.dumps(document)
    document: yaml_text.Document = pickle.loads(_documents[text, where])
    return document
