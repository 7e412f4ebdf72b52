"""The methods that section 5.3 compares, one recipe each."""

from rafce_train.learner import Method, meta_step, plain_step
from rafce_train.weighting import fixed_weights, learned_weights

METHODS = {
    "stl": Method(("emo",), fixed_weights, plain_step),
    "mtl": Method(("emo", "au"), fixed_weights, plain_step),
    "am": Method(("emo", "au", "align"), fixed_weights, plain_step),
    "mal": Method(("emo", "au"), learned_weights(1), meta_step, needs_validation=True),
    "mal2": Method(("emo", "au"), learned_weights(2), meta_step, needs_validation=True),
    "mml": Method(("emo", "au", "align"), learned_weights(2), meta_step, needs_validation=True),
}
"""By `--method`: single-task; Eq. 3; Eq. 10; one and two learned weights (ablation study); Eq. 11."""
