"""What every algorithm of the stack shares: the container contract, data, split, encoder, evaluation, serving.

Importing it comes before importing a native library: OpenMP reads its settings once, when it is loaded. Its threads
spin while they wait for each other, which on a machine with other work to do made training thirty times slower (two
processors, load 8: 30 s against 1 s); asleep, they cost microseconds.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
