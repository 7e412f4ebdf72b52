"""What a source says of one environment, in the shape that the paper's sentences ask."""

import numpy as np

from rafce.evidence import PROTOTYPICAL, UNKNOWN, UNOBSERVED, VARIANT, Environment

FREQUENCY_EA = np.array([[0.9, 0.5, 0.1], [0.75, 0.8, 0.25], [np.nan, np.nan, np.nan]])
CATEGORY_EA = np.array(
    [[PROTOTYPICAL, VARIANT, UNOBSERVED], [PROTOTYPICAL, PROTOTYPICAL, VARIANT], [UNKNOWN, UNKNOWN, UNKNOWN]]
)


def test_summed_frequencies_are_of_the_categories_that_are_asked_for():
    environment = Environment(FREQUENCY_EA, CATEGORY_EA)
    np.testing.assert_allclose(environment.summed_E(), [1.4, 1.8, 0])
    np.testing.assert_allclose(environment.summed_E((PROTOTYPICAL,)), [0.9, 1.55, 0])
    np.testing.assert_allclose(environment.summed_E((VARIANT,)), [0.5, 0.25, 0])
    assert environment.known_E().tolist() == [True, True, False]
