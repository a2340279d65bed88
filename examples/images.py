"""Canvases with several digits, and measures of boxes and of sets of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 24
MOST = 3
"""Digits on a canvas, each of another class."""
CLASSES = 10
INK = 0.2
Array = NDArray[Any]


def make_canvases(images: Array, labels: Array, count: int, seed: int) -> tuple[Array, ...]:
    """Puts one to three digits on each canvas, where they do not overlap.

    Args:
        images: `float32 [N, 8, 8]`, from 0 to 1.
        labels: `int32 [N]`, from 0 to 9.
        count: Canvases.
        seed: Of what goes where.

    Returns:
        The canvases `float32 [count, 24, 24]`, which classes are on them `float32 [count, 10]`,
        and the ink's box for each, `float32 [count, 10, 4]`: left, top, right and bottom from 0 to
        1, all 0 for classes that are not there.
    """
    draws = np.random.default_rng(seed)
    canvases = np.zeros([count, SIDE, SIDE], np.float32)
    present = np.zeros([count, CLASSES], np.float32)
    boxes = np.zeros([count, CLASSES, 4], np.float32)
    for canvas, there, found in zip(canvases, present, boxes):
        for digit in draws.permutation(CLASSES)[: draws.integers(1, MOST + 1)]:
            image = images[draws.choice(np.flatnonzero(labels == digit))]
            top, left = draws.integers(0, SIDE + 1 - len(image), 2)
            place = canvas[top : top + len(image), left : left + len(image)]
            if not place.any():
                place += image
                rows, columns = (np.flatnonzero((image > INK).any(axis)) for axis in (1, 0))
                corners = [left + columns[0], top + rows[0], left + columns[-1], top + rows[-1]]
                there[digit], found[digit] = 1.0, np.add(corners, [0, 0, 1, 1]) / SIDE
    return canvases, present, boxes


def overlap(one: Array, other: Array) -> Array:
    """Returns the area that boxes `[..., 4]` share, divided by the area that they cover: IoU."""
    corners = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    shared = np.prod(np.maximum(corners[1] - corners[0], 0.0), -1)
    areas = [np.prod(np.maximum(x[..., 2:] - x[..., :2], 0.0), -1) for x in (one, other)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))


def score_boxes(claimed: Array, found: Array, present: Array, boxes: Array) -> float:
    """Returns the F1 of claimed objects: right ones are there, with an IoU of at least 0.5.

    Args:
        claimed: `bool [B, 10]`, the classes that are said to be there.
        found: `float32 [B, 10, 4]`, their boxes.
        present: `bool [B, 10]`, those that are.
        boxes: `float32 [B, 10, 4]`, likewise.
    """
    right = claimed & present & (overlap(found, boxes) >= 0.5)
    return float(2 * right.sum() / max(claimed.sum() + present.sum(), 1))


def measure_distance(one: Array, other: Array) -> float:
    """Returns the Frechet distance of two sets of images, as normal distributions of pixels.

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) of means and covariances: equation 6 of Heusel et al.
    2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", who
    take features of a network in place of pixels.

    Args:
        one: `float32 [N, 8, 8]`.
        other: `float32 [M, 8, 8]`.
    """
    pixels = [x.reshape(len(x), -1) for x in (one, other)]
    (mean, covariance), (m, c) = ((x.mean(0), np.cov(x.T)) for x in pixels)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariance @ c).real, 0.0))
    return float(((mean - m) ** 2).sum() + np.trace(covariance + c) - 2 * roots.sum())
