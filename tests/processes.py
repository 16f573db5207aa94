"""Commands on two processes."""

from __future__ import annotations

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
"""Options of Python that run what follows (a file, or ``-m`` and a module) in two processes."""
