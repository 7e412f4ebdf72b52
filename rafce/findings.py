"""What a source answers to a sentence of the paper's section 3.2: one function a kind of sentence."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rafce.bootstrap import DRAWS
from rafce.evidence import (
    OBSERVED,
    PROTOTYPICAL,
    UNOBSERVED,
    VARIANT,
    BoolArray,
    Evidence,
    FloatArray,
    Where,
    with_component,
)
from rafce.intervals import Reals, wilson
from rafce.statistics import Counts, category_index
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS

# E the fourteen emotions in the paper's order, A action units
MOST = 0.5
WHERES: tuple[Where, Where] = ("wild", "lab")


class Estimate(NamedTuple):
    """A figure, and its 95 % interval where images stand behind it."""

    value: float
    low: float = np.nan
    high: float = np.nan


class Finding(NamedTuple):
    """What a source answers, whether that bears the sentence out (None: it cannot tell), and an interval."""

    text: str
    holds: bool | None
    low: float = np.nan
    high: float = np.nan


# --- figures: each takes a source and gives an estimate


def equals(figure: str, measure: Callable[[Evidence], Estimate], source: Evidence) -> Finding:
    """Whether a measure gives the paper's figure, to the decimals that the paper gives."""
    value, low, high = measure(source)
    if np.isnan(value):
        return Finding("nothing known", None)
    decimals = len(figure.partition(".")[2])
    shown = f"{value:.{max(decimals, 2) if decimals else 0}f}"
    return Finding(shown, f"{value:.{decimals}f}" == figure, low, high)


def mean_summed(where: Where, among: Sequence[int], source: Evidence) -> Estimate:
    """The summed frequency of an emotion's AUs of these categories, averaged over the emotions that are known."""
    return _mean_summed(where, among, source.of(where).known_E(), source)


def summed_in(emotion: str, where: Where, source: Evidence) -> Estimate:
    """The summed frequency of the observed AUs of one emotion: how many of them an average face shows."""
    chosen_E = np.logical_and(_emotion(emotion), source.of(where).known_E())
    return _mean_summed(where, OBSERVED, chosen_E, source)


def _mean_summed(where: Where, among: Sequence[int], chosen_E: BoolArray, source: Evidence) -> Estimate:
    environment, n_chosen = source.of(where), int(chosen_E.sum())
    if n_chosen == 0:
        return Estimate(np.nan)
    value = float(environment.summed_E(among)[chosen_E].mean())
    if where == "lab" or source.images is None or source.images.covariance_EAA is None:
        return Estimate(value)
    covariance_EAA = source.images.covariance_EAA[chosen_E]
    if np.isnan(covariance_EAA).any():  # of a single image
        return Estimate(value)
    random = np.random.default_rng(0)
    pairs = zip(environment.frequency_EA[chosen_E], covariance_EAA, strict=True)
    drawn_R = sum(_drawn_sums(f_A, covariance_AA, among, random) for f_A, covariance_AA in pairs) / n_chosen
    low, high = np.percentile(drawn_R, [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value))


def _drawn_sums(
    frequency_A: FloatArray, covariance_AA: FloatArray, among: Sequence[int], random: np.random.Generator
) -> FloatArray:
    """Summed frequencies of other samples of an emotion's images, shape (R,), each AU in its category there.

    Frequencies are drawn from the normal distribution that their covariance says. An AU near 20 or 70 % is in the sum
    of some samples and not of others, which moves it more than its frequency does.
    """
    drawn_RA: Reals = random.multivariate_normal(
        np.nan_to_num(frequency_A), covariance_AA, DRAWS, check_valid="ignore", method="eigh"
    )
    category_RA = category_index(Counts(~np.isnan(frequency_A), drawn_RA))
    summed_R: FloatArray = np.where(np.isin(category_RA, among), drawn_RA.clip(0, 1), 0).sum(1)
    return summed_R


def au_classes(where: Where, source: Evidence) -> Estimate:
    """How many AUs are observed in at least one emotion."""
    return Estimate(int(source.of(where).observed_EA().any(0).sum()))


def emotions_with(au: int, where: Where, among: Sequence[int], source: Evidence) -> Estimate:
    """In how many emotions an AU has one of these categories."""
    return Estimate(int(_has(au, where, source, among).sum()))


# --- sentences without a figure: each takes a source and gives a finding


def few_images(emotions: Sequence[str], figures: Sequence[int], source: Evidence) -> Finding:
    """Whether these emotions have as many images as the paper says, which Table 1 does not."""
    if source.images is None:
        return Finding("no numbers of images", None)
    found = [int(source.images.n_E[COMPOUND_EMOTIONS.index(emotion)]) for emotion in emotions]
    return Finding(", ".join(map(str, found)), found == list(figures))


def rarely_seen(au: int, components: Sequence[str], source: Evidence) -> Finding:
    """Whether the wild has the AU among the observed of no emotion that blends one of the components."""
    among_E = with_component(*components)
    seen_E = among_E & _has(au, "wild", source)
    text = f"observed in {_rates(au, seen_E, source)}{_pooled(au, among_E, source)}"
    return Finding(text, not seen_E.any() if (among_E & source.wild.known_E()).any() else None)


def never_seen(au: int, source: Evidence) -> Finding:
    """Whether no image has the AU; nothing can tell where it was not coded, and a table only of 20 % and more."""
    if not source.wild.known_EA()[:, source.column(au)].any():
        n_coded = int(source.wild.known_EA().any(0).sum())
        return Finding(f"not testable: AU {au} is not among the {n_coded} AUs coded", None)
    if source.images is None:
        seen_E = _has(au, "wild", source)
        return Finding(f"observed in {_rates(au, seen_E, source)}", False if seen_E.any() else None)
    n_known, n_active = (int(table[:, source.column(au)].sum()) for table in source.images.counts)
    return Finding(f"in {n_active:,} of {n_known:,} images", n_active == 0)


def less_active(au: int, components: Sequence[str], source: Evidence) -> Finding:
    """Whether the wild is below the lab in every emotion of these components in which the lab observes the AU."""
    blend_E = with_component(*components)
    in_lab_E = blend_E & _has(au, "lab", source)
    among_E = in_lab_E & _known(au, source)
    n_below, n = int(_below(source)[among_E, source.column(au)].sum()), int(among_E.sum())
    nothing = "nothing known in the wild" if in_lab_E.any() else "the lab observes it in no such emotion"
    text = f"lower in {n_below} of {n} emotions" if n else nothing
    return Finding(text + _pooled(au, blend_E, source), n_below == n if n else None)


def none_observed(aus: Sequence[int], source: Evidence) -> Finding:
    """Whether none of these AUs is observed in any emotion in the wild."""
    seen = {au: _has(au, "wild", source) for au in aus}
    texts = [f"AU {au} in {_rates(au, seen_E, source)}" for au, seen_E in seen.items() if seen_E.any()]
    return Finding("; ".join(texts) or "none is observed", not texts)


def new_in_wild(au: int, source: Evidence) -> Finding:
    """Whether an AU is observed in the wild and in no emotion of the lab."""
    n_wild, n_lab = (int(_has(au, where, source).sum()) for where in WHERES)
    return Finding(f"wild in {n_wild} emotions, lab in {n_lab}", n_wild > 0 and n_lab == 0)


def variant_in_all(au: int, component: str, source: Evidence) -> Finding:
    """Whether the lab has the AU as a variant in every emotion that blends the component."""
    among_E = with_component(component) & source.lab.known_E()
    variant_E = among_E & _has(au, "lab", source, (VARIANT,))
    n_variant, n = int(variant_E.sum()), int(among_E.sum())
    return Finding(f"variant in {n_variant} of {n}", n_variant == n if n else None)


def only_with(au: int, component: str, source: Evidence) -> Finding:
    """Whether the lab observes the AU in emotions that blend the component, and in no other."""
    seen_E = _has(au, "lab", source)
    outside_E = seen_E & ~with_component(component)
    return Finding(f"in {_named(seen_E)}", bool(seen_E.any()) and not outside_E.any())


def only_in(where: Where, au: int, emotion: str, source: Evidence) -> Finding:
    """Whether one environment observes the AU in the emotion and the other does not."""
    at = COMPOUND_EMOTIONS.index(emotion), source.column(au)
    seen = {name: bool(source.of(name).observed_EA()[at]) for name in WHERES}
    known = all(source.of(name).known_EA()[at] for name in WHERES)
    text = ", ".join(f"{name} {_percent(source.of(name).frequency_EA[at])}" for name in WHERES)
    return Finding(text, seen == {name: name == where for name in WHERES} if known else None)


def differs_both_ways(au: int, source: Evidence) -> Finding:
    """Whether some emotion observes the AU in the lab only and some other in the wild only."""
    wild_E, lab_E = (_has(au, where, source) for where in WHERES)
    known_E = _known(au, source)
    n_lab, n_wild = int((known_E & lab_E & ~wild_E).sum()), int((known_E & wild_E & ~lab_E).sum())
    return Finding(f"lab only in {n_lab} emotions, wild only in {n_wild}", n_lab > 0 and n_wild > 0)


def no_more_classes(source: Evidence) -> Finding:
    """Whether the wild observes no more different AUs than the lab."""
    n_wild, n_lab = (int(au_classes(where, source).value) for where in WHERES)
    return Finding(f"wild {n_wild}, lab {n_lab}", n_wild <= n_lab)


def lab_classes(figure: str, source: Evidence) -> Finding:
    """Whether the lab observes as many different AUs as the paper says, and how many RAF-AU's coders could see."""
    seen = [au for au in source.aus if _has(au, "lab", source).any()]
    uncoded = [au for au in seen if au not in AUS]
    text = str(len(seen))
    if uncoded:
        without = ", ".join(f"AU {au}" for au in uncoded)
        text += f"; {len(seen) - len(uncoded)} without {without}, not among RAF-AU's {len(AUS)}"
    return Finding(text, str(len(seen)) == figure)


def mostly_shared(source: Evidence) -> Finding:
    """Whether most AUs that the wild observes in an emotion are observed there in the lab too."""
    wild_EA = source.wild.observed_EA() & source.lab.known_EA()
    return _share(source.lab.observed_EA()[wild_EA], "of {n}")


def mostly_variants(source: Evidence) -> Finding:
    """Whether most AUs observed in one environment only, emotion by emotion, are variant there."""
    known_EA = source.wild.known_EA() & source.lab.known_EA()
    changed_EA = known_EA & (source.wild.observed_EA() != source.lab.observed_EA())
    variant_EA = source.wild.observed_EA((VARIANT,)) | source.lab.observed_EA((VARIANT,))
    return _share(variant_EA[changed_EA], "of {n} changes")


def prototypes_stay(source: Evidence) -> Finding:
    """Whether most prototypical AUs of the lab are still observed in the wild."""
    prototypical_EA = source.lab.observed_EA((PROTOTYPICAL,)) & source.wild.known_EA()
    return _share(source.wild.observed_EA()[prototypical_EA], "of {n}")


def mostly_lower(source: Evidence) -> Finding:
    """Whether most frequencies that the lab lists are lower in the wild."""
    listed_EA = ~np.isnan(source.lab.frequency_EA) & source.wild.known_EA()
    return _share(_below(source)[listed_EA], "of {n} are lower")


def most_reclassified(aus: Sequence[int], source: Evidence) -> Finding:
    """Whether no AU turns from prototypical in the lab to variant in the wild in more emotions than these do."""
    turned_EA = source.lab.observed_EA((PROTOTYPICAL,)) & source.wild.observed_EA((VARIANT,))
    by_au = dict(zip(source.aus, turned_EA.sum(0).tolist(), strict=True))
    others = max(n for au, n in by_au.items() if au not in aus)
    named = ", ".join(f"AU {au} in {by_au[au]} emotions" for au in aus)
    text = f"{named}, any other in {others} at most; {turned_EA.sum()} in all"
    return Finding(text, min(by_au[au] for au in aus) >= max(others, 1))


def some_drop_out(aus: Sequence[int], source: Evidence) -> Finding:
    """Whether each of these AUs is variant in the lab and below 20 % in the wild in at least one emotion."""
    dropped_EA = source.lab.observed_EA((VARIANT,)) & (source.wild.category_EA == UNOBSERVED)
    by_au = {au: int(dropped_EA[:, source.column(au)].sum()) for au in aus}
    text = ", ".join(f"AU {au} in {n} emotions" for au, n in by_au.items())
    return Finding(text, all(by_au.values()))


def more_variants(source: Evidence) -> Finding:
    """Whether emotions have more variant AUs in the wild than in the lab."""
    n_wild, n_lab = (int(source.of(where).observed_EA((VARIANT,)).sum()) for where in WHERES)
    return Finding(f"wild {n_wild}, lab {n_lab}, over all emotions", n_wild > n_lab)


def only_exception(emotion: str, source: Evidence) -> Finding:
    """Whether this is the one emotion whose observed AUs sum to more in the wild than in the lab."""
    known_E = source.wild.known_E() & source.lab.known_E()
    above_E = known_E & (source.wild.summed_E() > source.lab.summed_E())
    holds = bool((above_E == _emotion(emotion)).all())
    return Finding(f"more in {_named(above_E)}", holds if known_E[_emotion(emotion)].all() else None)


# --- what the findings share


def _emotion(name: str) -> BoolArray:
    """Which of the fourteen is this one, shape E."""
    return np.equal(COMPOUND_EMOTIONS, name)


def _has(au: int, where: Where, source: Evidence, among: Sequence[int] = OBSERVED) -> BoolArray:
    """In which emotions the AU has one of these categories, shape E."""
    return np.isin(source.of(where).category_EA[:, source.column(au)], among)


def _known(au: int, source: Evidence) -> BoolArray:
    """In which emotions both environments know something of the AU, shape E."""
    both_EA: BoolArray = source.wild.known_EA() & source.lab.known_EA()
    return both_EA[:, source.column(au)]


def _below(source: Evidence) -> BoolArray:
    """Where the wild is below a figure of the lab, shape (E, A); a blank is below every figure of 20 % and more."""
    wild, lab = source.wild, source.lab
    blank_EA: BoolArray = (wild.category_EA == UNOBSERVED) & np.isnan(wild.frequency_EA) & lab.observed_EA()
    below_EA: BoolArray = wild.frequency_EA < lab.frequency_EA
    return below_EA | blank_EA


def _share(holds: BoolArray, of_n: str) -> Finding:
    if not holds.size:
        return Finding("nothing to compare", None)
    return Finding(f"{holds.sum()} {of_n.format(n=holds.size)}", bool(holds.mean() > MOST))


def _named(chosen_E: BoolArray) -> str:
    names = [emotion for emotion, chosen in zip(COMPOUND_EMOTIONS, chosen_E, strict=True) if chosen]
    return ", ".join(names) or "no emotion"


def _rates(au: int, chosen_E: BoolArray, source: Evidence) -> str:
    """The emotions chosen, each with the AU's frequency in the wild."""
    rates_E = source.wild.frequency_EA[:, source.column(au)]
    emotions = zip(COMPOUND_EMOTIONS, chosen_E, rates_E, strict=True)
    return (
        ", ".join(f"{name} ({_percent(rate)})" for name, chosen, rate in emotions if chosen) or "no emotion"
    )


def _percent(frequency: float) -> str:
    return "blank" if np.isnan(frequency) else f"{100 * frequency:.0f} %"


def _pooled(au: int, among_E: BoolArray, source: Evidence) -> str:
    """How often the AU is active over all images of these emotions, with Wilson's interval; "" for a table."""
    if source.images is None:
        return ""
    known, active = (int(table[among_E, source.column(au)].sum()) for table in source.images.counts)
    if known == 0:
        return ""
    low, high = wilson(active, known)
    return f"; {100 * active / known:.1f} % of {known:,} images [{100 * low:.1f}, {100 * high:.1f}]"
