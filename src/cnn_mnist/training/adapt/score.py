"""How often a model errs, how sure that is, and whether one is worse than another."""

from dataclasses import dataclass
from typing import Any

OWN_LOSS = 1  # picture of a person, by which a model may be worse: that is chance
TEST_LOSS = 0.001  # of the test images, by which it may be worse at them
FEW = 3  # of few test images, so many


@dataclass(frozen=True)
class Score:
    """Errors among so many images, at least one."""

    error_count: int
    num_images: int

    @property
    def share(self) -> float:
        """The share of errors."""
        return self.error_count / self.num_images

    def to_dict(self) -> dict[str, Any]:
        """With the 95% interval of the share of errors (Wilson 1927)."""
        from scipy.stats import binomtest  # takes two seconds to load

        found = binomtest(self.error_count, self.num_images).proportion_ci(method="wilson")
        interval = [float(found.low), float(found.high)]
        return {"error_count": self.error_count, "num_images": self.num_images} | {
            "error_rate": self.share,
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
        """Why the new model should not replace the old one, or nothing."""
        if self.own and _more_errors(*self.own) > OWN_LOSS:
            return "it reads fewer of your pictures than the old one"
        before, after = self.test
        if _more_errors(before, after) > max(FEW, TEST_LOSS * after.num_images):
            return (
                f"it makes {after.error_count - before.error_count} more errors in the test images"
            )
        return ""


def _more_errors(before: Score, after: Score) -> float:
    """Than the model before would have made in as many images."""
    return after.error_count - before.error_count * (after.num_images / before.num_images)
