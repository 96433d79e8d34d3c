"""Paths of names alone are walked without JMESPath, to the same end."""

from typing import Any

import jmespath
from hypothesis import given
from hypothesis import strategies as st

from schemas.vendors.rules import compiled

NAMES = st.sampled_from(["a", "b", "_c", "d1"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "x"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES, st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_of_names_ends_where_jmespath_says(value: Any, names: list[str]) -> None:
    path = ".".join(names)
    assert compiled("fields.score", path)(value) == jmespath.search(path, value)


@given(VALUES, st.sampled_from(["a[0]", "a.b[*].a", "a || b", "to_string(a)", '"a".b', "@", "a.b | _c"]))
def test_and_so_does_any_other_path(value: Any, path: str) -> None:
    assert compiled("fields.score", path)(value) == jmespath.search(path, value)
