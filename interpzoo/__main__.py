"""``python -m interpzoo`` is the command ``interpzoo``, so that ``accelerate launch -m interpzoo train`` works."""

from interpzoo.cli import main

main()
