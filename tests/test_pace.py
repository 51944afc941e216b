from nisba.pace import behind, pace


def test_behind():
    assert behind([[2], [0, 1], []], [5, 7, 11]) == [11, 23, 23]
    assert behind([], [5]) == []


def test_pace():
    text = pace([1.0, 0.5], 8e-5, done=10_000, seconds=8.0, left=9_000_000)
    assert text == "loss 1.500, rate 8e-05, 1,250 sub-words/s, whole run 2:00:00 left"
    assert pace([0.0], 0.0, done=0, seconds=0.0, left=0).endswith("whole run 00:00 left")
