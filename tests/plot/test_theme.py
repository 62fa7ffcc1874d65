"""Colours that everybody can tell apart, on light and on dark pages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nacre.kinds import Array
from nacre.plot.centres import END_FROM, MOST_APART
from nacre.plot.theme import DARK, LIGHT, Theme

DICHROMACIES = {  # Machado, Oliveira & Fernandes 2009, severity 1, on linear sRGB
    "none": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
THEMES = [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]


def linear(colour: str) -> Array:
    """(3,) linear sRGB of "#rrggbb"."""
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def oklab(rgb: Array) -> Array:
    """(3,) Oklab (Ottosson 2020) of linear sRGB."""
    to_lms = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0, 1))


def luminance(colour: str) -> float:
    """Relative, of WCAG 2.2."""
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    """Of WCAG 2.2."""
    dark, light = sorted(map(luminance, (a, b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", DICHROMACIES)
def test_clusters_can_be_told_apart(theme: Theme, vision: str) -> None:
    seen = [oklab(np.array(DICHROMACIES[vision]) @ linear(c)) for c in theme.clusters]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 0.1


@pytest.mark.parametrize("theme", THEMES)
def test_clusters_stand_out_from_the_page(theme: Theme) -> None:
    assert min(contrast(colour, theme.page) for colour in theme.clusters) >= 2.99


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read(theme: Theme) -> None:
    assert contrast(theme.ink, theme.page) >= 7
    assert contrast(theme.quiet, theme.page) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("z", np.linspace(-MOST_APART, MOST_APART, 61).round(1))
def test_text_on_a_heat_map_can_be_read(theme: Theme, z: float) -> None:
    """The lightness of Lab, in which Vega mixes, is linear between two colours; so is its root."""
    at = (z + MOST_APART) / (2 * MOST_APART) * (len(theme.diverging) - 1)
    low = min(int(at), len(theme.diverging) - 2)
    roots = [np.cbrt(luminance(colour)) for colour in theme.diverging[low : low + 2]]
    ground = float(np.interp(at - low, [0, 1], roots)) ** 3
    text = luminance(theme.on_ends if abs(z) >= END_FROM else theme.on_middle)
    dark, light = sorted([ground, text])
    assert (light + 0.05) / (dark + 0.05) >= 4.0
