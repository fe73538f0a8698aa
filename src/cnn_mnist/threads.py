"""How this process spreads its threads over the cores; to be called before torch loads."""

import os


def bind() -> None:
    """Keep each of torch's threads on a core of its own, where torch may use all cores.

    Threads that wait for each other a hundred times a step are sometimes all put on one core by
    the system and left there, which makes training 25 times slower (docs/log.md). OpenMP reads
    the variable when torch loads; where the user or torchrun limits the threads, nothing is set.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OMP_PROC_BIND", "true")
