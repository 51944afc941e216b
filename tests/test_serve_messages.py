"""What is read from a request's body, and what is said of one that cannot be taken."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nisba.schema import Document
from nisba.serve import Limits
from nisba.serve.messages import VISIBLE, RequestError, parse, request_model

FORM = request_model(Limits(max_characters=100))


@given(st.text(st.characters()), st.none() | st.text(st.characters()))
def test_any_text_is_taken_as_it_is_or_refused(text, id):
    """Lone surrogates too: what is taken makes a document, and nothing but a message comes of the rest."""
    fine = re.fullmatch(r"[^\0-\x08\x0e-\x1f\x7f\ud800-\udfff]{1,100}", text) is not None
    named = id is None or (len(id) <= 200 and not re.search(r"[\ud800-\udfff]", id) and re.search(VISIBLE, id) is not None)
    try:
        (document,) = parse(json.dumps({"documents": [{"id": id, "text": text}]}).encode(), FORM)
    except RequestError:
        document = None
    assert document == (Document("0" if id is None else id, text) if fine and named else None)


def test_problems_beyond_counting_are_only_counted():
    with pytest.raises(RequestError, match=r"^1002 problems$"):
        parse(json.dumps({str(i): 0 for i in range(1001)}).encode(), FORM)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_other_json_is_refused_in_one_short_message(value):
    with pytest.raises(RequestError) as caught:
        parse(json.dumps(value).encode(), FORM)
    assert caught.value.status in (400, 422)
    assert len(str(caught.value)) < 500
