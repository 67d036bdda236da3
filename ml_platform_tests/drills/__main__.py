"""`python -m ml_platform_tests.drills`."""

import sys

from ml_platform_tests.drills.report import main

if __name__ == "__main__":
    sys.exit(main())
