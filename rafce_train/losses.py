"""The losses of section 4 of the paper (Li et al., RAF-CE), one pure function an equation, each for every sample.

B batch, K emotions, A action units (AUs). frequency_KA is p(AU | emotion), zero where the AU is not observed in the
emotion; p_emotion_BK is a softmax and p_au_BA a sigmoid, and gradients flow into both.
"""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

FLOOR = 1e-8
"""Added inside a logarithm of a probability that can be 0."""


def au_loss(au_logits_BA: Tensor, active_BA: Tensor) -> Tensor:
    """Eq. 1, shape B: the binary cross-entropy summed over AUs; an AU that is NaN is unknown and adds nothing."""
    known_BA = (~active_BA.isnan()).to(au_logits_BA.dtype)
    bce_BA = F.binary_cross_entropy_with_logits(
        au_logits_BA, active_BA.nan_to_num(), weight=known_BA, reduction="none"
    )
    return bce_BA.sum(1)


def emotion_loss(
    emotion_logits_BK: Tensor, emotion_B: Tensor, class_weight_K: Tensor | None = None
) -> Tensor:
    """Eq. 2, shape B: the cross-entropy, times the weight of the sample's emotion if there are weights."""
    return F.cross_entropy(emotion_logits_BK, emotion_B, weight=class_weight_K, reduction="none")


def expected_aus(p_emotion_BK: Tensor, frequency_KA: Tensor) -> Tensor:
    """Eq. 4, t in [0, 1], shape BA: how often each AU is active, given what the emotion may be."""
    return p_emotion_BK @ frequency_KA


def wild_aus(p_emotion_BK: Tensor, frequency_KA: Tensor) -> Tensor:
    """Eq. 5, q_AU from 1/2 to sigmoid(1), shape BA: the expected sigmoid of the frequency; an unobserved AU has 0.5."""
    return p_emotion_BK @ frequency_KA.sigmoid()


def lab_aus(p_emotion_BK: Tensor, observed_KA: Tensor) -> Tensor:
    """Section 5.3, q_AU from 1/2 to sigmoid(1), shape BA: Eq. 5 with ones for frequencies and the sigmoid outside."""
    return expected_aus(p_emotion_BK, observed_KA).sigmoid()


def first_matching_loss(p_au_BA: Tensor, q_au_BA: Tensor) -> Tensor:
    """Eq. 6, L_DM1, shape B. Without the AUs' own loss it is lowest where no AU is predicted."""
    return -(p_au_BA * (q_au_BA + FLOOR).log()).sum(1)


def emotions_from_aus(p_au_BA: Tensor, frequency_KA: Tensor) -> Tensor:
    """Eq. 7, q_emo in [0, 1], shape BK: the share of an emotion's AU frequencies that the prediction carries.

    The shares of a sample do not sum to 1. An emotion in which no AU is observed has 0.
    """
    total_K = frequency_KA.sum(1)
    return p_au_BA @ frequency_KA.T / total_K.where(total_K > 0, 1.0)


def second_matching_loss(p_emotion_BK: Tensor, q_emotion_BK: Tensor) -> Tensor:
    """Eq. 8, L_DM2, shape B."""
    return -(p_emotion_BK * (q_emotion_BK + FLOOR).log()).sum(1)


def wild_alignment_loss(emotion_logits_BK: Tensor, au_logits_BA: Tensor, frequency_KA: Tensor) -> Tensor:
    """Eq. 9, L_AM = Eq. 6 + Eq. 8, shape B, with the frequencies in the wild."""
    p_emotion_BK, p_au_BA = emotion_logits_BK.softmax(1), au_logits_BA.sigmoid()
    au_part_B = first_matching_loss(p_au_BA, wild_aus(p_emotion_BK, frequency_KA))
    return au_part_B + second_matching_loss(p_emotion_BK, emotions_from_aus(p_au_BA, frequency_KA))


def lab_alignment_loss(emotion_logits_BK: Tensor, au_logits_BA: Tensor, observed_KA: Tensor) -> Tensor:
    """Eq. 9 as section 5.3 changes it for laboratory statistics, shape B: ones where observed, in Eq. 5 and 7."""
    p_emotion_BK, p_au_BA = emotion_logits_BK.softmax(1), au_logits_BA.sigmoid()
    au_part_B = first_matching_loss(p_au_BA, lab_aus(p_emotion_BK, observed_KA))
    return au_part_B + second_matching_loss(p_emotion_BK, emotions_from_aus(p_au_BA, observed_KA))


def distribution_matching_loss(
    emotion_logits_BK: Tensor, au_logits_BA: Tensor, frequency_KA: Tensor
) -> Tensor:
    """Distribution matching (Kollias et al. 2019, 2021), shape B: Eq. 6 with Eq. 4's t for q, without the sigmoid.

    An AU that no emotion's frequencies name has t = 0, so that the loss is p_AU times -log 1e-8 = 18.4: it is led to 0.
    """
    p_emotion_BK, p_au_BA = emotion_logits_BK.softmax(1), au_logits_BA.sigmoid()
    return first_matching_loss(p_au_BA, expected_aus(p_emotion_BK, frequency_KA))


def bayes_log_emotions(p_au_BA: Tensor, present_KA: Tensor, absent_KA: Tensor, class_K: Tensor) -> Tensor:
    """Not in the paper, log q_emo, shape BK: naive Bayes' posterior of the emotion, AUs weighed by their probability.

    q_emo = softmax_k(log π_k + Σ_j [p_AU,j log P_kj + (1 - p_AU,j) log(1 - P_kj)]), where present_KA is P and absent_KA
    is 1 - P, both inside (0, 1), and class_K is π. It uses what Eq. 7 ignores: absent AUs and class sizes.
    """
    evidence_BK = p_au_BA @ present_KA.log().T + (1 - p_au_BA) @ absent_KA.log().T
    return (evidence_BK + class_K.log()).log_softmax(1)


def bayes_alignment_loss(
    emotion_logits_BK: Tensor, au_logits_BA: Tensor, present_KA: Tensor, absent_KA: Tensor, class_K: Tensor
) -> Tensor:
    """Not in the paper, shape B: cross-entropy of p_AU against Eq. 4, plus that of p_emo against Bayes' posterior."""
    p_emotion_BK, p_au_BA = emotion_logits_BK.softmax(1), au_logits_BA.sigmoid()
    # 1 - q_AU as an expectation of its own: a difference could round below 0
    log_q_au_BA = (expected_aus(p_emotion_BK, present_KA) + FLOOR).log()
    log_not_q_au_BA = (expected_aus(p_emotion_BK, absent_KA) + FLOOR).log()
    au_part_B = -(p_au_BA * log_q_au_BA + (1 - p_au_BA) * log_not_q_au_BA).sum(1)
    log_q_emotion_BK = bayes_log_emotions(p_au_BA, present_KA, absent_KA, class_K)
    return au_part_B - (p_emotion_BK * log_q_emotion_BK).sum(1)
