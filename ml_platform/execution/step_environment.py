"""Environment of isolated steps, set in the forkserver before any library reads it: first in the list of preloads.

OpenMP's threads wait by spinning unless told otherwise; two of them on cores that other steps use burn half the CPU.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
