"""Makes the page: one HTML text that needs no other file and no network.

Jinja2, because it escapes every text by itself: names of classes and files may hold anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(content: Mapping[str, Any], template: str = "report.html", scripts: Sequence[str] = ("report.js",)) -> str:
    """The page as HTML.

    Args:
        content: the values that the template names. Texts are escaped; `Markup` is taken as it is.
        template: its file in templates/.
        scripts: files there, which run one after the other.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": percent, "emphasized": emphasized}
    # JSON takes NaN for a number, browsers do not. The escapes of `tojson` keep "</script>" from ending the script.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "sort_keys": False, "separators": (",", ":")}
    script = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    assets = {
        "style": markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    text: str = environment.get_template(template).render({**content, **assets})
    return text


def markup(text: str) -> Any:
    """Text that the template takes as it is."""
    from markupsafe import Markup

    return Markup(text)


def emphasized(text: str) -> Any:
    """The escaped text, with what is in `grave accents` as code."""
    from markupsafe import Markup, escape

    parts = [
        escape(part) if index % 2 == 0 else Markup("<code>{}</code>").format(part)
        for index, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def percent(value: float | None) -> str:
    """A share as a number of percent; a dash for what is not known, which is None or negative."""
    return "–" if value is None or value < 0 else f"{100 * value:.1f}"
