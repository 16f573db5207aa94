"""A page that walks between pictures in a browser: static files that need no server and no network.

>>> from interpzoo.demo import write_demo
>>> write_demo(["acai-mnist", "ae-mnist"], "./demo")

The page itself is built from ``web/`` of the repository and lies in ``site/``.
"""

from interpzoo.demo.folder import DEFAULT, write_demo

__all__ = ["DEFAULT", "write_demo"]
