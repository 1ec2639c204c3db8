"""Every vector of spec/vectors against our implementation."""

from __future__ import annotations

import pytest
from vector_files import all_vectors
from vector_runner import outcome


@pytest.mark.parametrize("path", all_vectors())
def test_implementation_meets_a_vector_does_as_it_says(path: str) -> None:
    vector = all_vectors()[path]
    assert outcome(path, vector) == vector["expect"], vector["comment"]
