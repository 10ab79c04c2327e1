"""Pictures of the demo videos: a shape of a colour that moves over a background, for which class and chance stand."""

import colorsys
from typing import NamedTuple

import numpy as np

SHAPES = 4
_HUES = 6
NUM_LOOKS = SHAPES * _HUES
_HUE_NOISE = 0.02
_LIGHT_NOISE = 0.15
_PIXEL_NOISE = 0.06
_SPEED = 0.08


class Scene(NamedTuple):
    """A shape before a background; lengths are shares of a picture's width, colours are RGB from 0 to 1.

    Attributes:
        shape: which of `SHAPES`.
        colour: of the shape, `[3]`.
        background: colours at the left and the right end, `[2, 3]`.
        centre, step: where the shape is in the first frame, and how far it moves to the next, `[2]` each.
        radius: of the shape.
        angle: that it is turned by, in radians.
    """

    shape: int
    colour: np.ndarray
    background: np.ndarray
    centre: np.ndarray
    step: np.ndarray
    radius: float
    angle: float


def draw_scene(look: int, rng: np.random.Generator) -> Scene:
    """A scene whose shape and hue say how it looks, a number below `NUM_LOOKS`; all else is chance."""
    hue, shape = divmod(look, SHAPES)
    own = colorsys.hsv_to_rgb(
        (hue + 0.5) / _HUES + _HUE_NOISE * rng.standard_normal(), rng.uniform(0.6, 0.9), rng.uniform(0.7, 1)
    )
    background = [colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.4), rng.uniform(0.2, 0.9)) for _ in range(2)]
    return Scene(
        shape,
        np.array(own),
        np.array(background),
        rng.uniform(0.35, 0.65, 2),
        _SPEED * rng.standard_normal(2),
        rng.uniform(0.2, 0.35),
        rng.uniform(-0.4, 0.4),
    )


def draw_frame(scene: Scene, number: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A frame of a scene, `[size, size, 3]` uint8: the shape has moved so many steps, light and pixels are noisy."""
    down, right = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2, indexing="ij")
    centre = 0.5 + np.clip(scene.centre + number * scene.step - 0.5, -0.3, 0.3)
    turned = (np.stack([down, right], axis=-1) - centre) @ _rotation(scene.angle) / scene.radius
    inside = _is_inside(scene.shape, turned[..., 0], turned[..., 1])
    left, end = scene.background
    pixels = np.where(inside[..., None], scene.colour, left + right[..., None] * (end - left))
    pixels = pixels * (1 + _LIGHT_NOISE * rng.standard_normal()) + _PIXEL_NOISE * rng.standard_normal((size, size, 3))
    frame: np.ndarray = np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    return frame


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _is_inside(shape: int, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether places, in units of the radius from the centre, lie within a disk, triangle, cross or stripes."""
    distance, reach = np.hypot(down, right), np.maximum(np.abs(down), np.abs(right))
    inside: np.ndarray = (
        distance < 1,
        (down < 0.8) & (down > 2 * np.abs(right) - 1),
        (reach < 1) & (np.minimum(np.abs(down), np.abs(right)) < 0.3),
        (reach < 1) & (np.sin(8 * right) > 0),
    )[shape]
    return inside
