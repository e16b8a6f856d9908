"""`python -m jaxheads` is `jaxheads`."""

import sys

from jaxheads.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
