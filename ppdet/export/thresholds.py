"""The file of `ppdet thresholds`: a score threshold for each class, by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.core.yaml_dump import dump
from ppdet.core.yaml_text import parse
from ppdet.deploy.files import write_bytes
from ppdet.session import Session
from ppdet.utils.download import resolve_weights
from ppdet.utils.files import sha256
from ppdet.utils.json_file import finite_number, read_text
from ppdet.weights.class_names import some

logger = logging.getLogger(__name__)

_ABOUT = "# Score thresholds of the classes. `ppdet export --thresholds <this file>` puts them into an export.\n"
_AGAIN = "choose them with ppdet thresholds"


def write_thresholds(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file, whole or not at all. Its keys `thresholds` and `weights_sha256` are those that are read."""
    write_bytes(path, (_ABOUT + dump(dict(content))).encode())


def threshold_entries(session: Session, names: Sequence[str]) -> dict[str, Any]:
    """Returns the entries of infer_cfg.yml: `thresholds` [K] in the order of `names`, and whose they are.

    Empty without `export.thresholds`. That is a file of `write_thresholds` or an infer_cfg.yml with such entries.

    Raises:
        UserError: the file has other classes, is not for the config's `weights`, or holds something else.
    """
    if session.settings.export.thresholds is None:
        return {}
    path = Path(session.settings.export.thresholds).expanduser()
    content = _content(path)
    found = _by_name(path, content)
    known = weights_checksum(session)
    stated = content.get("weights_sha256", known)
    if stated != known:
        raise UserError(
            f"{path}: weights_sha256: found {_shown(stated)}, but {session.settings.weights} has {_shown(known)}: they "
            f"are for other weights; {_AGAIN} for these, or remove the line to use them all the same"
        )
    missing, unknown = [name for name in names if name not in found], [name for name in found if name not in names]
    if missing or unknown:
        problems = [f"none for {some(missing)}"] * bool(missing)
        problems += [f"one for {some(unknown)}, which the model does not have"] * bool(unknown)
        raise UserError(f"{path}: thresholds: found {', and '.join(problems)}; expected one for each of {some(names)}")
    return {"thresholds": [found[name] for name in names], "weights_sha256": known}


def earlier_thresholds(session: Session, folder: Path) -> str | None:
    """The infer_cfg.yml in `folder`, if it has thresholds for the config's weights; the log says so."""
    path = folder / "infer_cfg.yml"
    try:
        content = _content(path) if path.is_file() else {}
    except UserError:
        return None
    if "thresholds" not in content:
        return None
    if content.get("weights_sha256") != weights_checksum(session):
        logger.warning("%s: its thresholds are for other weights and are left out; add --thresholds", path)
        return None
    logger.info("%s: its thresholds are kept", path)
    return str(path)


def weights_checksum(session: Session) -> str:
    """SHA-256 of the config's `weights`, which have to be there."""
    return sha256(resolve_weights(session.settings.weights or ""))


def _content(path: Path) -> dict[str, Any]:
    content = parse(read_text(path), str(path)).value
    if not isinstance(content, dict):
        raise UserError(f"{path}: found no keys and values; expected thresholds: {{name: 0.5, …}}; {_AGAIN}")
    return content


def _by_name(path: Path, content: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds by class name: of a mapping, or of an infer_cfg.yml's list beside its label_list."""
    listed, names = content.get("thresholds"), content.get("label_list")
    if isinstance(listed, list) and isinstance(names, list) and len(listed) == len(names):
        listed = dict(zip(map(str, names), listed, strict=True))
    if not isinstance(listed, dict):
        found = _shown(listed) if "thresholds" in content else "nothing"
        raise UserError(f"{path}: thresholds: found {found}; expected {{name: 0.5, …}}; {_AGAIN}")
    return {name: _score(path, name, value) for name, value in listed.items()}


def _score(path: Path, name: str, value: Any) -> float:
    score = finite_number(value.get("threshold") if isinstance(value, dict) else value)
    if score is None or not 0 <= score <= 1:
        found = _shown(value.get("threshold") if isinstance(value, dict) else value)
        raise UserError(f"{path}: thresholds.{name}: found {found}; expected a number of 0 to 1; correct it")
    return score


def _shown(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 16 else f"{text[:16]}…"
