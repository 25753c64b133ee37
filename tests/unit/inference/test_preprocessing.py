from __future__ import annotations

import numpy as np
import pytest
import torch

from apps.inference.i420 import i420_to_rgb, upright
from apps.inference.preprocessing import (
    PADDING,
    Featurize,
    featurize,
    letterbox,
    resize_center_crop,
    stack,
)
from apps.inference.types import Box, Frame

from .pictures import BLUE, GREEN, RED, frame_of, noise, plain, with_rectangle

# One pixel of pure colour as BT.601 in limited range: what any encoder calls them.
YUV = {RED: (81, 90, 240), GREEN: (145, 54, 34), BLUE: (41, 240, 110)}


def i420_frame(width: int, height: int, yuv: tuple[int, int, int]) -> Frame:
    y, u, v = (bytes([level]) for level in yuv)
    quarter = width * height // 4
    return Frame("s", 0, width, height, y * width * height + u * quarter + v * quarter)


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_i420_becomes_rgb_in_that_order(colour):
    image = i420_to_rgb(i420_frame(16, 8, YUV[colour]))
    assert image.shape == (8, 16, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.reshape(-1, 3).mean(axis=0), colour, atol=4)


def test_i420_may_lie_in_a_memoryview():
    frame = i420_frame(16, 8, YUV[RED])
    viewed = Frame("s", 0, 16, 8, memoryview(bytes(frame.pixels)))
    np.testing.assert_array_equal(i420_to_rgb(viewed), i420_to_rgb(frame))


@pytest.mark.parametrize(
    ("width", "height", "length"),
    [(16, 8, 191), (16, 8, 193), (15, 8, 180), (16, 7, 168), (0, 0, 0), (8, 0, 0)],
)
def test_bytes_that_are_no_such_frame_are_refused(width, height, length):
    with pytest.raises(ValueError, match=f"{width} x {height}"):
        i420_to_rgb(Frame("s", 0, width, height, bytes(length)))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_upright_turns_clockwise(rotation):
    image = noise(12, 8)
    np.testing.assert_array_equal(
        upright(image, rotation), np.rot90(image, -rotation // 90)
    )


def test_upright_puts_the_left_edge_on_top_when_turned_by_90():
    image = with_rectangle(plain(12, 8), Box(0, 0, 3, 8), RED)
    turned = upright(image, 90)
    assert turned.shape == (12, 8, 3)
    assert (turned[:3] == RED).all()
    assert (turned[3:] != RED).any(axis=2).all()


@pytest.mark.parametrize("rotation", [45, -90, 360])
def test_upright_knows_quarter_turns_only(rotation):
    with pytest.raises(ValueError, match="turned"):
        upright(plain(4, 4), rotation)


SIZES = [(640, 480), (480, 640), (641, 359), (355, 637), (321, 257), (2, 2), (2000, 3)]
INPUTS = [(320, 256), (256, 320), (640, 640)]


@pytest.mark.parametrize("size", INPUTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_letterbox_and_back(width, height, size):
    image = plain(width, height, colour=RED)
    padded, fitted = letterbox(image, size)
    assert padded.shape == (size[1], size[0], 3)
    red = (padded == RED).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    # What is red in the input is the whole frame, wherever padding put it.
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    whole = fitted.to_frame(torch.tensor([corners], dtype=torch.float64))
    torch.testing.assert_close(
        whole, torch.tensor([[0, 0, width, height]], dtype=torch.float64)
    )
    assert (padded[~red] == PADDING).all()


@pytest.mark.parametrize("size", INPUTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_letterbox_fills_one_side_centres_the_other_and_keeps_the_shape(
    width, height, size
):
    _, fitted = letterbox(plain(width, height), size)
    spare = size[0] - fitted.fitted[0], size[1] - fitted.fitted[1]
    assert min(spare) == 0
    assert (fitted.left, fitted.top) == (spare[0] // 2, spare[1] // 2)
    scale = min(size[0] / width, size[1] / height)
    whole = max(width * scale, 1), max(height * scale, 1)
    assert fitted.fitted == pytest.approx(whole, abs=0.51)


def test_a_box_seen_in_the_letterbox_is_found_in_the_frame():
    box = Box(101, 63, 205, 159)
    padded, fitted = letterbox(with_rectangle(plain(641, 359), box, GREEN), (320, 256))
    green = padded[..., 1].astype(int) - padded[..., 0] > 80
    rows, columns = np.flatnonzero(green.any(axis=1)), np.flatnonzero(green.any(axis=0))
    seen = torch.tensor([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]])
    found = fitted.to_frame(seen.float())[0]
    torch.testing.assert_close(
        found, torch.tensor([101.0, 63.0, 205.0, 159.0]), atol=2.0, rtol=0
    )


def test_boxes_beyond_the_frame_are_clipped_to_it():
    _, fitted = letterbox(plain(640, 480), (320, 256))
    boxes = torch.tensor([[-50.0, -50.0, 500.0, 500.0], [0.0, 0.0, 10.0, 5.0]])
    clipped = fitted.to_frame(boxes)
    assert clipped.tolist() == [[0, 0, 640, 480], [0, 0, 20, 0]]
    assert fitted.to_frame(torch.zeros(0, 4)).shape == (0, 4)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (333, 333)])
def test_resize_center_crop_keeps_the_middle(width, height):
    # A square of 7/8 of the shortest edge around the centre is what remains.
    half = min(width, height) * 0.875 / 2
    middle = Box(
        width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half
    )
    image = with_rectangle(plain(width, height, colour=BLUE), middle, GREEN)
    crop = resize_center_crop(image, 224, crop_fraction=0.875)
    assert crop.shape == (224, 224, 3)
    assert (np.abs(crop[3:-3, 3:-3].astype(int) - GREEN) < 3).all()
    more = resize_center_crop(image, 224, crop_fraction=1.0)
    assert (more[3, 3] == BLUE).all()
    assert (more[-4, -4] == BLUE).all()


def test_featurize_is_a_batch_of_channels_in_0_to_1():
    images = [plain(4, 2, colour=RED), plain(4, 2, colour=(0, 51, 255))]
    features = featurize(images)
    assert features.shape == (2, 3, 2, 4)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features[0, :, 1, 3], torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(features[1, :, 0, 0], torch.tensor([0.0, 0.2, 1.0]))


def test_featurize_normalises_each_channel():
    features = featurize(
        [plain(4, 2, colour=RED)], mean=(0.5, 0.25, 0.0), std=(0.25, 0.5, 1.0)
    )
    torch.testing.assert_close(features[0, :, 0, 0], torch.tensor([2.0, -0.5, 0.0]))


def test_features_are_as_precise_as_the_network_and_lie_with_their_channels_last():
    pictures = stack([plain(4, 2, colour=RED)] * 2)
    assert (pictures.shape, pictures.dtype) == ((2, 2, 4, 3), torch.uint8)
    features = Featurize().half()(pictures)
    assert features.dtype == torch.float16
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        features[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]).half()
    )


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_camera_shows_the_same_picture(rotation):
    image = with_rectangle(plain(64, 48), Box(8, 8, 24, 16), RED)
    frame = frame_of(image, rotation=rotation)
    assert frame.upright_size == (64, 48)
    seen = upright(i420_to_rgb(frame), frame.rotation)
    np.testing.assert_allclose(seen.astype(int), image, atol=4)
