"""``python -m civicml``: the same as the ``civicml`` command."""

from civicml.cli import main

main()
