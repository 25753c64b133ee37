"""What comes out of the receiver, and when: after which packet, at which moment."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain, pairwise

import pytest
from aiortc.rtp import RtpPacket

from apps.nexus.assembly import CAPACITY, PATIENCE_S, REMINDER_S
from apps.nexus.receiver import KEYFRAME_PATIENCE_S, MAX_DECODE_LAG_S, arrived_at
from tests.unit.nexus.rtp import (
    INTERVAL,
    INTERVAL_S,
    SSRC,
    Picture,
    Replay,
    again,
    packet,
    stream,
)

Start = Callable[..., Awaitable[Replay]]
CODECS = pytest.mark.parametrize("codec", ["VP8", "H264"])
# Pictures of one packet each, and of several.
SIZES = pytest.mark.parametrize("busy", [False, True])


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    replays = []

    async def start(codec: str = "VP8") -> Replay:
        replay = Replay(monkeypatch, codec)
        await replay.start()
        replays.append(replay)
        return replay

    yield start
    for replay in replays:
        await replay.receiver.stop()


@pytest.fixture
async def replay(start: Start) -> Replay:
    return await start()


def packets(pictures: list[Picture]) -> list[RtpPacket]:
    return list(chain.from_iterable(picture.packets for picture in pictures))


def timestamps(pictures: list[Picture]) -> list[int]:
    return [picture.timestamp for picture in pictures]


@CODECS
@SIZES
async def test_a_frame_comes_out_with_the_last_packet_of_its_picture(
    start: Start, codec: str, busy: bool
):
    replay = await start(codec)
    for picture in stream(codec, busy=busy):
        *before, last = picture.packets
        assert await replay.play(*before) == []
        assert await replay.play(last) == [picture.timestamp]
    assert replay.transport.told == []


async def test_a_picture_has_arrived_with_the_packet_that_completes_it(replay: Replay):
    first, second, third = stream(busy=True)[:3]
    for each in (first, second, third):
        *before, last = each.packets
        await replay.arrive(*before)
        replay.wait(INTERVAL_S)
        await replay.arrive(last)
    frames = replay.decode()
    replay.wait(1)

    assert arrived_at(replay.track, frames[0]) == pytest.approx(1000 + INTERVAL_S)
    # A frame that the decoder did not give is not waited for.
    assert arrived_at(replay.track, frames[2]) == pytest.approx(1000 + 3 * INTERVAL_S)
    assert arrived_at(replay.track, frames[1]) is None


@CODECS
async def test_a_sender_that_marks_nothing_has_its_frames_one_picture_later(
    start: Start, codec: str
):
    replay = await start(codec)
    pictures = stream(codec, busy=True)
    for each in packets(pictures):
        each.marker = 0
    assert await replay.play(*pictures[0].packets) == []
    for before, picture in pairwise(pictures):
        first, *rest = picture.packets
        assert await replay.play(first) == [before.timestamp]
        assert await replay.play(*rest) == []


@CODECS
@SIZES
async def test_packets_that_overtake_each_other_come_out_in_order(
    start: Start, codec: str, busy: bool
):
    replay = await start(codec)
    keyframe, *pictures = stream(codec, busy=busy)
    await replay.play(*keyframe.packets)
    swapped = packets(pictures)
    for place in range(0, len(swapped) - 1, 2):
        swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]

    out = await replay.play_each(swapped)

    assert list(chain.from_iterable(out)) == timestamps(pictures)
    assert replay.keyframes_asked == 0


@CODECS
@SIZES
async def test_a_packet_that_comes_twice_counts_once(
    start: Start, codec: str, busy: bool
):
    replay = await start(codec)
    pictures = stream(codec, busy=busy)
    for picture in pictures:
        for each in picture.packets[:-1]:
            assert await replay.play(each, each, again(each)) == []
        last = picture.packets[-1]
        assert await replay.play(last, last, again(last)) == [picture.timestamp]
    assert replay.transport.told == []


@CODECS
@SIZES
async def test_all_that_waited_comes_out_with_the_packet_it_waited_for(
    start: Start, codec: str, busy: bool
):
    """One frame a packet would leave the others behind for ever."""
    replay = await start(codec)
    pictures = stream(codec, busy=busy)
    await replay.play(*packets(pictures[:3]))
    *rest, lost = pictures[3].packets
    assert await replay.play(*rest) == []
    for picture in pictures[4:10]:
        assert await replay.play(*picture.packets) == []

    assert await replay.play(again(lost)) == timestamps(pictures[3:10])

    for picture in pictures[10:]:
        assert await replay.play(*picture.packets) == [picture.timestamp]


@CODECS
@SIZES
async def test_what_never_comes_is_given_up(start: Start, codec: str, busy: bool):
    replay = await start(codec)
    pictures = stream(codec, busy=busy)
    await replay.play(*packets(pictures[:3]))
    lost, behind, *later = pictures[3:]
    await replay.play(*lost.packets[:-1])
    assert await replay.play(*behind.packets) == []

    replay.wait(PATIENCE_S - 0.001)
    assert await replay.play(*later[0].packets) == []
    replay.wait(0.001)
    out = await replay.play(*later[1].packets)

    assert out == timestamps([behind, *later[:2]])
    # It comes after all, and can't be used any more.
    assert await replay.play(again(lost.packets[-1])) == []
    for picture in later[2:]:
        assert await replay.play(*picture.packets) == [picture.timestamp]


@CODECS
async def test_a_picture_whose_beginning_is_lost_is_left_out_whole(
    start: Start, codec: str
):
    replay = await start(codec)
    pictures = stream(codec, busy=True)
    await replay.play(*packets(pictures[:3]))
    await replay.play(*pictures[3].packets[1:])
    replay.wait(PATIENCE_S)
    assert await replay.play(*pictures[4].packets) == [pictures[4].timestamp]


async def test_every_hole_has_its_own_patience(replay: Replay):
    pictures = stream()
    await replay.play(*packets(pictures[:3]))
    # The pictures 3 and 6 are lost.
    await replay.play(*packets(pictures[4:6]))
    replay.wait(PATIENCE_S / 2)
    await replay.play(*packets(pictures[7:9]))

    replay.wait(PATIENCE_S / 2)
    out = await replay.play(*pictures[9].packets)
    assert out == timestamps(pictures[4:6])

    replay.wait(PATIENCE_S / 2)
    out = await replay.play(*pictures[10].packets)
    assert out == timestamps(pictures[7:11])


async def test_a_long_silence_ends_at_once(replay: Replay):
    """Nobody keeps packets for so long that it is worth to wait."""
    pictures = stream()
    await replay.play(*packets(pictures[:3]))
    later = stream(number=pictures[2].packets[0].sequence_number + CAPACITY + 1)
    out = await replay.play_each(packets(later))
    assert out == [[each.timestamp] for each in later]
    assert replay.asked_again == []
    # The first of them stands alone.
    assert replay.keyframes_asked == 0


async def test_numbers_and_timestamps_may_begin_again_from_0(replay: Replay):
    pictures = stream(
        busy=True, number=(1 << 16) - 30, timestamp=(1 << 32) - 10 * INTERVAL
    )
    lost = pictures[8].packets[0]
    frames = []
    for each in packets(pictures):
        if each is not lost:
            await replay.arrive(each)
    await replay.arrive(again(lost))
    frames = replay.decode()

    assert [frame.pts for frame in frames] == [
        (1 << 32) + (number - 10) * INTERVAL for number in range(len(pictures))
    ]
    assert replay.keyframes_asked == 0


@CODECS
async def test_padding_delays_nothing_and_shows_nothing(start: Start, codec: str):
    """Browsers send empty packets to find out how much fits through."""
    replay = await start(codec)
    number = 100
    for picture in stream(codec, count=10):
        for each in picture.packets:
            each.sequence_number = number
            number += 1
        assert await replay.play(*picture.packets) == [picture.timestamp]
        for _ in range(2):
            assert await replay.play(packet(number, picture.timestamp)) == []
            number += 1
    assert replay.transport.told == []


async def test_padding_without_end_is_not_kept(replay: Replay):
    keyframe, picture = stream(count=2)
    await replay.play(*keyframe.packets)
    for place in range(CAPACITY + 10):
        await replay.play(packet(101 + place, keyframe.timestamp))
    picture.packets[0].sequence_number = 101 + CAPACITY + 10
    assert await replay.play(*picture.packets) == [picture.timestamp]
    assert replay.keyframes_asked == 0


async def test_a_picture_without_end_is_given_up(replay: Replay):
    keyframe, endless, picture = stream(busy=True, count=3)
    await replay.play(*keyframe.packets)
    first, middle, *_ = endless.packets
    await replay.play(first)
    for number in range(middle.sequence_number, first.sequence_number + CAPACITY + 10):
        assert await replay.play(packet(number, middle.timestamp, middle.payload)) == []
    assert replay.keyframes_asked == 1

    number += 1
    for place, each in enumerate(picture.packets):
        each.sequence_number = number + place
    assert await replay.play(*picture.packets) == [picture.timestamp]


async def test_the_sender_is_asked_for_what_is_missing_until_it_comes(replay: Replay):
    pictures = stream()
    await replay.arrive(*packets(pictures[:3]))
    assert replay.asked_again == []

    await replay.arrive(*pictures[5].packets)
    assert replay.asked_again == [[103, 104]]
    # What is missed besides is asked for at once, the rest when it is time.
    await replay.arrive(*pictures[7].packets)
    assert replay.asked_again == [[103, 104], [106]]

    replay.wait(REMINDER_S)
    await replay.arrive(again(pictures[3].packets[0]))
    assert replay.asked_again[2:] == [[104, 106]]
    await replay.arrive(again(pictures[4].packets[0]), again(pictures[6].packets[0]))
    replay.wait(REMINDER_S)
    await replay.arrive(*packets(pictures[8:]))
    assert len(replay.asked_again) == 3


async def test_nobody_is_asked_for_what_was_given_up(replay: Replay):
    pictures = stream()
    await replay.arrive(*packets(pictures[:3]), *pictures[4].packets)
    replay.wait(PATIENCE_S)
    asked = len(replay.asked_again)
    await replay.arrive(*packets(pictures[5:]))
    assert replay.asked_again[asked:] == []


async def lose_a_picture(replay: Replay, pictures: list[Picture]) -> None:
    """The first of these never comes."""
    await replay.play(*pictures[1].packets)
    replay.wait(PATIENCE_S)
    await replay.play(*pictures[2].packets)


@CODECS
async def test_a_keyframe_is_asked_for_until_it_comes(start: Start, codec: str):
    replay = await start(codec)
    pictures = stream(codec, busy=True)
    await replay.play(*packets(pictures[:3]))
    await lose_a_picture(replay, pictures[3:])
    assert replay.keyframes_asked == 1

    # The request was lost, or the keyframe.
    await replay.play(*packets(pictures[6:10]))
    assert replay.keyframes_asked == 1
    replay.wait(KEYFRAME_PATIENCE_S)
    await replay.play(*packets(pictures[10:12]))
    assert replay.keyframes_asked == 2

    number = pictures[11].packets[-1].sequence_number + 1
    timestamp = pictures[11].timestamp + INTERVAL
    answer = stream(codec, busy=True, number=number, timestamp=timestamp)
    for picture in answer:
        await replay.play(*picture.packets)
        replay.wait(KEYFRAME_PATIENCE_S)
    assert replay.keyframes_asked == 2


async def test_a_second_loss_is_not_forgotten_for_having_come_too_soon(replay: Replay):
    pictures = stream()
    await replay.arrive(*packets(pictures[:3]))
    await lose_a_picture(replay, pictures[3:])
    (keyframe,) = stream(count=1, number=106, timestamp=pictures[6].timestamp)
    await replay.arrive(*keyframe.packets)
    # The picture 7 is lost; it is noticed within the patience for the first request.
    await replay.arrive(*pictures[8].packets)
    replay.wait(PATIENCE_S)
    await replay.arrive(*pictures[9].packets)
    assert replay.keyframes_asked == 1

    replay.wait(KEYFRAME_PATIENCE_S - PATIENCE_S)
    await replay.arrive(*pictures[10].packets)
    assert replay.keyframes_asked == 2


async def test_a_decoder_that_complains_gets_a_keyframe(replay: Replay):
    pictures = stream()
    await replay.arrive(*packets(pictures[:3]))
    for picture in pictures[3:8]:
        replay.report_decoder_error()
        await replay.arrive(*picture.packets)
    assert replay.keyframes_asked == 1


@CODECS
async def test_a_stream_may_be_met_in_the_middle_of_a_picture(start: Start, codec: str):
    replay = await start(codec)
    pictures = stream(codec, busy=True)
    await replay.arrive(*pictures[0].packets[3:])
    assert replay.keyframes_asked == 1
    number = pictures[0].packets[-1].sequence_number + 1
    for picture in stream(codec, busy=True, number=number, timestamp=90_000):
        assert await replay.play(*picture.packets) == [picture.timestamp]
    assert replay.asked_again == []


async def test_another_source_is_another_stream(replay: Replay):
    await replay.play(*packets(stream(number=40_000)))
    pictures = stream(number=7)
    for picture in pictures:
        for each in picture.packets:
            each.ssrc = SSRC + 10
        assert await replay.play(*picture.packets) == [picture.timestamp]
    assert replay.transport.told == []


async def test_the_way_to_the_decoder_is_bounded(replay: Replay):
    pictures = stream()
    await replay.play(*packets(pictures[:3]))
    assert replay.receiver.decode_lag_ms == 0
    # From here on the decoder does nothing.
    for picture in pictures[3:]:
        await replay.arrive(*picture.packets)
        replay.wait(INTERVAL_S)
    lag_ms = replay.receiver.decode_lag_ms
    assert lag_ms == pytest.approx(27 * INTERVAL_S * 1000, abs=1)
    assert replay.keyframes_asked == 2

    assert len(replay.decode()) == round(MAX_DECODE_LAG_S / INTERVAL_S)
    assert replay.receiver.decode_lag_ms == 0

    # Without what was left out, it needs one that stands alone.
    number, timestamp = 130, pictures[-1].timestamp + INTERVAL
    rest = stream(number=number, timestamp=timestamp)
    assert await replay.play(*rest[0].packets) == [timestamp]
    for picture in rest[1:]:
        assert await replay.play(*picture.packets) == [picture.timestamp]
    assert replay.keyframes_asked == 2


async def test_what_refers_to_something_left_out_is_left_out(replay: Replay):
    pictures = stream()
    await replay.arrive(*packets(pictures[:3]))
    replay.wait(MAX_DECODE_LAG_S)
    await replay.arrive(*pictures[3].packets)
    assert len(replay.decode()) == 3
    assert await replay.play(*packets(pictures[4:])) == []


@CODECS
@pytest.mark.parametrize("seed", range(8))
async def test_no_disorder_costs_a_frame_as_long_as_packets_come_in_time(
    start: Start, codec: str, seed: int
):
    """Each packet is lost, doubled or late by chance; what is asked for comes."""
    replay = await start(codec)
    chance = random.Random(seed)
    pictures = stream(codec, busy=True, number=(1 << 16) - 40)
    keyframe, *rest = pictures
    out = await replay.play(*keyframe.packets)
    by_number = {each.sequence_number: each for each in packets(pictures)}
    queue = sorted(
        (place + chance.uniform(0, 6), each) for place, each in enumerate(packets(rest))
    )
    queue = [entry for entry in queue if chance.random() > 0.1]
    for _, each in queue:
        replay.wait(0.002)
        asked = len(replay.asked_again)
        out += await replay.play(each)
        for number in chain.from_iterable(replay.asked_again[asked:]):
            if chance.random() > 0.3:
                out += await replay.play(again(by_number[number]))
        if chance.random() < 0.1:
            out += await replay.play(each)
    last = pictures[-1].packets[-1]
    out += await replay.play(last)
    for _ in range(4):
        replay.wait(REMINDER_S)
        asked = len(replay.asked_again)
        out += await replay.play(last)
        for number in chain.from_iterable(replay.asked_again[asked:]):
            out += await replay.play(again(by_number[number]))

    assert out == timestamps(pictures)
    assert replay.keyframes_asked == 0
