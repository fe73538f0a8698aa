"""Cost of work: a ratio of processor times measured together, not a time."""

import time
from collections.abc import Callable


def cost(*works: Callable[[], object]) -> list[float]:
    """Processor seconds that each piece of work takes at least; they take turns."""
    least = [float("inf")] * len(works)
    for _ in range(5):
        for number, work in enumerate(works):
            began = time.process_time()
            work()
            least[number] = min(least[number], time.process_time() - began)
    return least
