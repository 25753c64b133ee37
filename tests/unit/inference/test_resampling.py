from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from apps.inference.resampling import BICUBIC, HAMMING, NEAREST, scale

from .pictures import noise


@pytest.mark.parametrize("resample", range(NEAREST, HAMMING + 1))
@pytest.mark.parametrize("before", [(640, 480), (202, 358), (51, 40)])
@pytest.mark.parametrize("after", [(341, 256), (224, 224), (33, 300), (640, 641)])
def test_scales_as_pillow_does(before, after, resample):
    image = noise(*before)
    reference = Pillow.fromarray(image).resize(after, resample=resample)
    levels = scale(image, after, resample).astype(int) - np.asarray(reference)
    assert levels.shape == (after[1], after[0], 3)
    assert abs(levels).mean() < 0.2
    assert abs(levels).max() <= 2


def test_nearest_shows_the_very_pixels_of_pillow():
    image = noise(202, 358)
    for side in range(1, 400, 7):
        reference = Pillow.fromarray(image).resize((side, 3), resample=NEAREST)
        assert np.array_equal(scale(image, (side, 3), NEAREST), np.asarray(reference))


def test_leaves_a_picture_of_the_right_size_alone():
    image = noise(50, 40)
    assert scale(image, (50, 40), BICUBIC) is image
