"""A page of a report as its elements, tables and text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """The elements of a page with their attributes, its tables by the id of their section, its headings and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.text = ""
        self._section = self._inside = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        if tag in ("h1", "h2", "h3", "th", "td"):
            self._inside = tag
        if tag == "section":
            self._section = attributes.get("id", "")
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in ("th", "td"):
            self.tables[self._section][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._inside in ("th", "td"):
            self.tables[self._section][-1][-1] += data
        elif self._inside:
            self.headings[-1] += data

    def values(self, *names: str) -> list[str]:
        """The values of these attributes."""
        return [attributes[name] for _, attributes in self.elements for name in names if name in attributes]

    def count(self, tag: str) -> int:
        """The number of such elements."""
        return [name for name, _ in self.elements].count(tag)
