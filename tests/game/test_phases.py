"""Which phase a round is in follows from the rounds played; tests/test_warm_start.py plays them."""

from zoo.game import Phase
from zoo.game.phases import index_at


def test_the_phase_follows_from_the_rounds_played():
    phases = (Phase("first", (), 2), Phase("second", (), 3), Phase("last", ()))
    assert [index_at(phases, n) for n in range(8)] == [0, 0, 1, 1, 1, 2, 2, 2]
    assert index_at(phases[2:], 0) == index_at(phases[2:], 10**9) == 0


def test_a_phase_of_no_rounds_is_never_played():
    phases = (Phase("none", (), 0), Phase("last", ()))
    assert [index_at(phases, n) for n in range(2)] == [1, 1]
