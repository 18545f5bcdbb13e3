import pytest

from benchmarks.tables import PAGES, fill


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_tables_in_the_docs_are_those_of_the_results(page) -> None:
    text = page.read_text("utf-8")
    assert fill(text) == text, "run python -m benchmarks.tables"
    assert "| **semcodec@100** |" in text
