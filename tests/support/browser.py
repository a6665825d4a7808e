"""What the tests of pages in a browser share."""

from __future__ import annotations

# JavaScript: [how bright the paper is, the smallest contrast of a text]
CONTRAST = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => {
      const c = v / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const texts = [document.body, ...document.querySelectorAll(".about, nav a, svg text, th button, .advice")];
  const ratio = (e) => {
    const style = getComputedStyle(e), ink = light(e.closest("svg") ? style.fill : style.color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  return [paper, Math.min(...texts.map(ratio))];
}"""
