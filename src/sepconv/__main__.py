"""``python -m sepconv`` is the command ``sepconv``."""

from sepconv.cli import main

main()
