"""What axe-core, the accessibility checker, says of a page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def _script() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def serious(page: Any) -> list[str]:
    """Serious and critical findings, with the elements that they are about."""
    page.evaluate(_script())  # through the debugger: the page's own policy lets no such script in
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
