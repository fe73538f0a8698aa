"""Error rates with confidence intervals, and whether one model is worse than another."""

from dataclasses import dataclass
from typing import Any

OWN_LOSS = 1  # additional error on the person's pictures that is accepted: it may be chance
TEST_LOSS = 0.001  # additional errors that are accepted, as a share of the test images
FEW = 3  # additional errors that are accepted if there are few test images


@dataclass(frozen=True)
class Score:
    """The number of errors among at least one image."""

    error_count: int
    num_images: int

    @property
    def error_rate(self) -> float:
        """The share of errors."""
        return self.error_count / self.num_images

    def to_dict(self) -> dict[str, Any]:
        """With the 95% interval of the share of errors (Wilson 1927)."""
        from scipy.stats import binomtest  # takes two seconds to load

        found = binomtest(self.error_count, self.num_images).proportion_ci(method="wilson")
        interval = [float(found.low), float(found.high)]
        return {"error_count": self.error_count, "num_images": self.num_images} | {
            "error_rate": self.error_rate,
            "interval": interval,
        }


@dataclass(frozen=True)
class Comparison:
    """A model before and after, on a person's pictures and on the data set's test images.

    `own` is None if there were too few pictures to hold any out.
    """

    own: tuple[Score, Score] | None
    test: tuple[Score, Score]

    @property
    def problem(self) -> str:
        """Why the new model should not replace the previous one, or an empty string."""
        if self.own and _more_errors(*self.own) > OWN_LOSS:
            return "it reads fewer of your pictures than the previous model"
        before, after = self.test
        if _more_errors(before, after) > max(FEW, TEST_LOSS * after.num_images):
            return (
                f"it makes {after.error_count - before.error_count} more errors on the test images"
            )
        return ""


def _more_errors(before: Score, after: Score) -> float:
    """How many more errors than the previous model would have made on as many images."""
    return after.error_count - before.error_count * (after.num_images / before.num_images)
