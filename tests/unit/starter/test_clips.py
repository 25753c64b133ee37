from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command, load_command_class

from apps.inference.hotdog import HOT_DOG
from apps.inference.starter.camera import compress
from apps.inference.starter.clips import (
    SMALLEST_SIDE,
    ClipFrame,
    Segment,
    render_clip,
    render_frame,
    save_clip,
)
from apps.inference.starter.composition import Thing
from apps.inference.starter.easel import Pose
from apps.inference.starter.marker import draw_marker, read_marker, strip_height
from apps.inference.starter.scenes import FOODS

SHORT = (Segment(HOT_DOG, 0.8), Segment(None, 0.2), Segment("banana", 0.4))
SIZE = (320, 240)


def marked(index: int, width: int = 320, height: int = 240) -> np.ndarray:
    noise = np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)
    draw_marker(noise, index)
    return noise


@pytest.fixture(scope="module")
def clip() -> list[ClipFrame]:
    return list(render_clip(SHORT, size=SIZE))


@pytest.mark.parametrize("index", [0, 1, 2, 1365, 2730, 4094, 4095])
def test_markers_survive_hard_compression_and_scaling(index):
    picture = compress(marked(index), 15)

    for size in ((320, 240), (160, 120), (213, 160), (1280, 960)):
        assert read_marker(cv2.resize(picture, size)) == index


def test_markers_can_be_read_from_grey_pictures():
    assert read_marker(marked(77).mean(axis=2)) == 77


def test_markers_start_anew_after_4096_frames():
    assert read_marker(marked(4096 + 5)) == 5


def test_a_picture_without_a_marker_has_no_index():
    assert read_marker(np.full((240, 320, 3), 128, np.uint8)) is None


def test_a_marker_that_was_written_over_is_not_misread():
    picture = marked(0)
    picture[230:, 100:120] = 255

    assert read_marker(picture) is None


def test_markers_survive_a_real_video_encoder(clip):
    frames = [frame.scene.image for frame in clip]

    decoded = list(through_vp8(frames, bit_rate=150_000))

    assert [read_marker(image) for image in decoded] == list(range(len(frames)))


def through_vp8(images: list[np.ndarray], bit_rate: int) -> Iterator[np.ndarray]:
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", bit_rate
        stream.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as played:
        for decoded in played.decode(video=0):
            yield decoded.to_ndarray(format="rgb24")


def test_a_clip_is_the_same_again_for_the_same_seed(clip):
    again = list(render_clip(SHORT, size=SIZE))

    assert [frame.index for frame in again] == list(range(42))
    for one, other in zip(clip, again, strict=True):
        assert np.array_equal(one.scene.image, other.scene.image)
        assert one.scene.objects == other.scene.objects


def test_every_nth_frame_is_the_frame_of_the_whole_clip(clip):
    some = list(render_clip(SHORT, size=SIZE, every=7))

    assert [frame.index for frame in some] == [0, 7, 14, 21, 28, 35]
    for frame in some:
        assert np.array_equal(frame.scene.image, clip[frame.index].scene.image)


def test_a_clip_shows_in_each_segment_what_it_says(clip):
    seen = [[label for label, _ in frame.scene.objects] for frame in clip]

    assert seen[5:19] == [[HOT_DOG]] * 14
    assert seen[24:30] == [[]] * 6
    assert seen[33:39] == [["banana"]] * 6
    assert seen[0] == []
    assert clip[0].partly == (HOT_DOG,)
    assert {frame.partly for frame in clip[5:19] + clip[24:30]} == {()}


def test_things_move_smoothly_once_they_are_in_view():
    slow = render_clip((Segment(HOT_DOG, 4),), size=SIZE)
    boxes = [np.array(f.scene.objects[0][1]) for f in slow if f.scene.objects]

    steps = [np.abs(b - a).max() for a, b in pairwise(boxes)]
    assert max(steps[18:-18]) < 8
    assert np.ptp([box[0] for box in boxes]) > 30


def test_boxes_end_above_the_marker():
    low = Thing(FOODS["pizza"], 1, Pose(160, 200, 120), "pizza")
    backdrop = np.zeros((240, 320, 3), np.uint8)

    for marker, bottom in ((True, 240 - strip_height(240)), (False, 240)):
        frame = render_frame(backdrop, [low], 5, marker=marker)
        ((_, box),) = frame.scene.objects
        assert box[3] == bottom
        assert (read_marker(frame.scene.image) == 5) is marker
    assert not backdrop.any()


def test_without_a_marker_the_bottom_edge_is_picture():
    bare = render_clip(SHORT, size=SIZE, marker=False, every=10)

    assert {read_marker(frame.scene.image) for frame in bare} == {None}


@pytest.mark.parametrize("suffix", [".mjpeg", ".y4m"])
def test_saved_clips_can_be_played_and_their_boxes_read(clip, tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"

    boxes = save_clip(clip, path)

    with av.open(path) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    played = [read_marker(frame) for frame in frames]
    assert played == list(range(42))
    drawn = clip[12].scene.image.mean(axis=(0, 1))
    assert np.abs(frames[12].mean(axis=(0, 1)) - drawn).max() < 4
    truth = json.loads(boxes.read_text())
    assert (truth["width"], truth["height"]) == SIZE
    assert [frame["index"] for frame in truth["frames"]] == played
    assert truth["frames"][12] == {
        "index": 12,
        "objects": [
            {"label": label, "box": list(box)} for label, box in clip[12].scene.objects
        ],
        "partly": [],
    }


def test_the_command_writes_a_clip(tmp_path, capsys):
    path = tmp_path / "nothing.mjpeg"

    call_command("render_clip", path, clip="nothing", width=160, height=120)

    truth = json.loads(path.with_suffix(".json").read_text())
    assert len(truth["frames"]) == 240
    assert not any(frame["objects"] for frame in truth["frames"])
    assert str(path) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("clip.mp4", {}, r"\.mjpeg or \.y4m"),
        ("nowhere/clip.mjpeg", {}, "There is no folder .*nowhere"),
        ("clip.mjpeg", {"width": 0}, "The width must be an even number .* not 0"),
        ("clip.y4m", {"width": 66, "height": 67}, "The height must be .* not 67"),
        ("clip.y4m", {"width": 100_000, "height": 100_000}, "to 4096, not 100000"),
    ],
)
def test_the_command_refuses_in_a_sentence_what_it_cant_write(
    tmp_path, monkeypatch, capsys, name, options, sentence
):
    terminal(monkeypatch)
    with pytest.raises(CommandError, match=sentence):
        call_command("render_clip", tmp_path / name, **options)

    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the progress bar believe that somebody looks at it."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


@pytest.mark.parametrize("somebody_looks", [True, False])
def test_only_a_terminal_sees_a_bar(tmp_path, monkeypatch, capsys, somebody_looks):
    if somebody_looks:
        terminal(monkeypatch)
    clips = {"blink": (Segment(None, 0.1),)}
    monkeypatch.setattr("apps.inference.management.commands.render_clip.CLIPS", clips)

    call_command("render_clip", tmp_path / "clip.y4m", clip="blink")

    assert bool(capsys.readouterr().err) is somebody_looks


def test_the_smallest_clip_can_be_drawn():
    (frame,) = render_clip(
        (Segment(HOT_DOG, 1),), size=(SMALLEST_SIDE, SMALLEST_SIDE), every=30
    )
    assert frame.scene.image.shape == (SMALLEST_SIDE, SMALLEST_SIDE, 3)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920)])
def test_a_clip_of_a_large_camera_can_be_drawn(size):
    (frame,) = render_clip((Segment(HOT_DOG, 1),), size=size, every=30)
    assert frame.scene.image.shape == (size[1], size[0], 3)


def test_the_command_tells_its_clips_and_what_it_writes(capsys):
    with pytest.raises(SystemExit):
        run_from_argv("render_clip", "--help")

    told = " ".join(capsys.readouterr().out.split())
    assert ".json file of the same name" in told
    assert "nothing (nothing: 8 s)" in told
    assert "default: tour" in told
    assert "default: 640" in told


def run_from_argv(name: str, *arguments: str) -> None:
    load_command_class("apps.inference", name).run_from_argv(
        ["manage.py", name, *arguments]
    )
