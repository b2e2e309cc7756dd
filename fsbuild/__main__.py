"""`python -m fsbuild` is the command line."""

from fsbuild.cli import main

main()
