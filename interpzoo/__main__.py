"""``python -m interpzoo`` is the command ``interpzoo``; ``accelerate launch -m interpzoo train`` runs on many."""

from interpzoo.cli import main

main()
