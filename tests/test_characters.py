from hypothesis import given
from hypothesis import strategies as st

from nisba.characters import is_edge_char, is_word_char, sound

texts = st.text(st.sampled_from("اب1_ \n.«»\u200f\u0651😀-a+"), min_size=1, max_size=12)


def test_no_character_is_of_words_and_of_edges():
    assert not [char for char in map(chr, range(0x3000)) if is_word_char(char) and is_edge_char(char)]


@given(texts, st.data())
def test_sound_places_begin_and_end_well_and_cut_no_word(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text) + 1))
    inside = end <= len(text)
    edges = inside and (is_edge_char(text[start]) or is_edge_char(text[end - 1]))
    cuts = inside and any(0 < at < len(text) and all(map(is_word_char, text[at - 1 : at + 1])) for at in (start, end))
    assert sound(text, [(start, end)]) == (inside and not edges and not cuts)
    assert sound(text, [(0, 1), (start, end)]) == (sound(text, [(0, 1)]) and sound(text, [(start, end)]))
