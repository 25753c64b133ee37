"""Which decoded frame is which encoded picture, and when all is as before a cut."""

from __future__ import annotations

from bench.receive import BETWEEN_CUTS_S, FRAMES_IN_TIME, Delay, delays, recovery_ms

START = (1 << 32) - 9_000
# The sender's clock and ours; pictures come 45 to 55 ms apart.
ENCODED = [
    ((START + number * 4500 + number % 3 * 77) % (1 << 32), 100 + number * 0.05)
    for number in range(40)
]


def test_frames_are_known_by_their_timestamps_across_the_wrap():
    decoded = [(timestamp, at + 0.003) for timestamp, at in ENCODED[5:]]
    assert {round(delay.ms, 6) for delay in delays(ENCODED, decoded)} == {3.0}
    assert len(delays(ENCODED, decoded)) == 35


def test_frames_that_are_counted_from_the_first_are_known_too():
    first = ENCODED[2][0]
    decoded = [((stamp - first) % (1 << 32), at + 0.05) for stamp, at in ENCODED[2:]]
    found = delays(ENCODED, decoded)
    assert len(found) == 38
    assert {round(delay.ms, 6) for delay in found} == {50.0}


def test_a_frame_of_another_connection_is_left_out():
    assert delays(ENCODED, [(ENCODED[0][0], 101.0), (12345, 101.0)])[1:] == []


def after_cut(*delays_ms: float) -> list[Delay]:
    return [Delay(10 + number * 0.05, ms) for number, ms in enumerate(delays_ms, 1)]


def test_it_is_as_before_when_several_frames_are_in_time():
    in_time = [3.0] * FRAMES_IN_TIME
    assert recovery_ms(after_cut(90, 40, *in_time), 10.0, 15) == 150.0
    # One in time among late ones is luck.
    assert recovery_ms(after_cut(90, 3, 40, *in_time), 10.0, 15) == 200.0


def test_it_is_not_as_before_if_that_takes_until_the_next_cut():
    late = [90.0] * int(BETWEEN_CUTS_S / 0.05)
    assert recovery_ms(after_cut(*late, *[3.0] * 9), 10.0, 15) is None
    assert recovery_ms([], 10.0, 15) is None
