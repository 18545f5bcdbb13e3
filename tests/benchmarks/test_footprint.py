from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from benchmarks.footprint import needed, share_of


def test_what_a_package_needs_is_found_through_others_and_no_extras() -> None:
    found = needed("rich")
    assert {"rich", "markdown-it-py", "mdurl", "pygments"} <= set(found)
    assert "ipywidgets" not in found, "an extra"


def test_files_are_counted_bytecode_apart() -> None:
    share = share_of("rich", needed("rich")["rich"])
    assert share.code > 500_000
    assert share.bytecode >= 0


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(PackageNotFoundError, match="no-such-package"):
        needed("no-such-package")
