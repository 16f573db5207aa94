"""The rules for plugins, as a test of five lines; the first-party plugins pass it as well.

::

    import pytest
    from interpzoo.testing import Check, conformance

    @pytest.mark.parametrize("check", conformance("mine"), ids=str)
    def test_it_conforms(check: Check) -> None:
        check()

`check_plugin` runs all checks in one call. Neither needs pytest; training needs ``interpzoo[train]``.
"""

from interpzoo.testing.expect import ConformanceError
from interpzoo.testing.kit import Check, check_plugin, conformance

__all__ = ["Check", "ConformanceError", "check_plugin", "conformance"]
