"""The methods that can be compared, one recipe each: those of section 5.3, and others that section 2.2 builds on.

One of the others is not here. Self-paced multi-task learning (Li et al., AAAI 2017) learns from the weights that its
regularizer of tasks and samples asks for in closed form; that regularizer could not be had to the letter when this was
written, and a guess would be another method under its name.
"""

from rafce_train.dynamic_priority import dynamic_priority_step, priorities
from rafce_train.gradnorm import GRADNORM_PASSES, gradnorm_step, task_weights
from rafce_train.learner import META_PASSES, Method, meta_step, plain_step
from rafce_train.uncertainty import log_variances, uncertainty_step
from rafce_train.weighting import fixed_weights, learned_weights

LEARNING = ("meta_every", "lr_meta")


def _meta_method(terms: tuple[str, ...], n_learned: int) -> Method:
    return Method(
        terms,
        learned_weights(n_learned),
        meta_step,
        options=LEARNING,
        needs_validation=True,
        passes=META_PASSES,
        weights_are="learned for each image on the validation images",
    )


METHODS = {
    "stl": Method(("emo",), fixed_weights, plain_step),
    "mtl": Method(("emo", "au"), fixed_weights, plain_step, options=("rho_au",)),
    "am": Method(("emo", "au", "align"), fixed_weights, plain_step, options=("rho_au", "rho_align")),
    "mal": _meta_method(("emo", "au"), 1),
    "mal2": _meta_method(("emo", "au"), 2),
    "mml": _meta_method(("emo", "au", "align"), 2),
    "uncertainty": Method(
        ("emo", "au"),
        log_variances,
        uncertainty_step,
        options=LEARNING,
        alignment_options=(),
        weights_are="one for each loss, learned with the network as its variance",
    ),
    "gradnorm": Method(
        ("emo", "au"),
        task_weights,
        gradnorm_step,
        options=("gradnorm_alpha", *LEARNING),
        alignment_options=(),
        passes=GRADNORM_PASSES,
        weights_are="one for each loss, learned from gradient norms so that all fall at a like rate",
    ),
    "dtp": Method(
        ("emo", "au"),
        priorities,
        dynamic_priority_step,
        options=("dtp_gamma", "dtp_alpha", "meta_every"),
        alignment_options=("rho_align",),
        weights_are="of emotions and AUs the lower, the better they go in training; of others fixed",
    ),
    "dm": Method(
        ("emo", "au", "dm"),
        fixed_weights,
        plain_step,
        options=("rho_au", "rho_align"),
        alignment_options=(),
    ),
}
"""By `--method`: single-task; Eq. 3; Eq. 10; one and two learned weights (ablation study); Eq. 11; homoscedastic
uncertainty (Kendall 2018); GradNorm (Chen 2018); dynamic task prioritization (Guo 2018); distribution matching
(Kollias 2019, 2021)."""


def find_method(name: str, with_alignment: bool) -> Method:
    """The recipe of a name, `--with-alignment` heeded."""
    return METHODS[name].aligned() if with_alignment else METHODS[name]


def unused_options(method: Method) -> set[str]:
    """Options that change nothing with a method, because only others have what they are about."""
    unused = {
        name for other in METHODS.values() for name in (*other.options, *(other.alignment_options or ()))
    }.difference(method.options)
    unused |= set() if method.uses_statistics else {"statistics", "alignment", "prior_scope"}
    return unused if method.alignment_options is not None else unused | {"with_alignment"}
