"""The sentences of section 3.2: what the paper's tables give is known; a dataset's answers follow its images."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce import findings
from rafce.evidence import (
    OBSERVED,
    PROTOTYPICAL,
    UNOBSERVED,
    VARIANT,
    Evidence,
    NotApplicableError,
    dataset_evidence,
    paper_evidence,
    with_component,
)
from rafce.paper.lab_source import moves, printed_lab_cells
from rafce.reference import LabCell, lab_cells, paper_wild_cells
from rafce.sentences import SENTENCES, check_sentences, move_evidence
from rafce.statistics import PairCounts, count
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS

PRINTED, CORRECTED = paper_evidence(printed_lab_cells()), paper_evidence(lab_cells())


def images_as_printed(n: int = 100):
    """n images an emotion with exactly the printed frequencies, 0 in the blanks."""
    emotion_N = np.repeat(np.arange(len(COMPOUND_EMOTIONS)), n)
    active_NA = np.zeros((len(emotion_N), len(AUS)), np.bool_)
    for cell in paper_wild_cells():
        start = COMPOUND_EMOTIONS.index(cell.emotion) * n
        active_NA[start : start + round(cell.percent * n / 100), AUS.index(cell.au)] = True
    return emotion_N, active_NA, np.ones_like(active_NA)


def evidence_of(
    emotion_N,
    active_NA,
    known_NA,
    *,
    emotions=COMPOUND_EMOTIONS,
    aus=AUS,
    lab=lab_cells(),  # noqa: B008
) -> Evidence:
    n_E = np.bincount(emotion_N, minlength=len(emotions))
    counts = count(emotion_N, active_NA, known_NA, len(emotions))
    return dataset_evidence(
        n_E, counts, pairs_of(emotion_N, active_NA, known_NA, len(emotions)), emotions, aus, lab
    )


def pairs_of(emotion_N, active_NA, known_NA, n_emotions) -> PairCounts:
    products: list[list[np.ndarray]] = []
    for emotion in range(n_emotions):
        known = known_NA[emotion_N == emotion].astype(int)
        active = known * active_NA[emotion_N == emotion]
        products.append([known.T @ known, active.T @ known, active.T @ active])
    return PairCounts(*map(np.array, zip(*products, strict=True)))


def answers(evidence: Evidence):
    return check_sentences(evidence).set_index(["sentence", "paper"])


@pytest.mark.parametrize(
    ("measure", "figure"),
    [
        (partial(findings.mean_summed, "lab", (PROTOTYPICAL,)), "3.34"),
        (partial(findings.mean_summed, "lab", (VARIANT,)), "1.46"),
        (partial(findings.mean_summed, "lab", OBSERVED), "4.80"),
        (partial(findings.mean_summed, "wild", (PROTOTYPICAL,)), "0.73"),
        (partial(findings.mean_summed, "wild", (VARIANT,)), "2.12"),
        (partial(findings.mean_summed, "wild", OBSERVED), "2.85"),
        (partial(findings.summed_in, "fearfully angry", "lab"), "4.23"),
        (partial(findings.summed_in, "fearfully angry", "wild"), "5.54"),
        (partial(findings.au_classes, "lab"), "16"),
        (partial(findings.au_classes, "wild"), "13"),
        (partial(findings.emotions_with, 12, "wild", OBSERVED), "10"),
        (partial(findings.emotions_with, 12, "lab", OBSERVED), "4"),
        (partial(findings.emotions_with, 25, "wild", OBSERVED), "14"),
        (partial(findings.emotions_with, 25, "lab", OBSERVED), "11"),
        (partial(findings.emotions_with, 11, "lab", (VARIANT,)), "4"),
    ],
)
def test_the_corrected_table_gives_these_figures(measure, figure):
    assert findings.equals(figure, measure, CORRECTED).text == figure


FAIL_IN_EITHER = {"3.30", "1.35", "4.65", "3.9", "15", "AU 17, 20 and 24 observed in no wild emotion"}


def claims_where(table, source, holds):
    found = table[f"{source}_holds"]
    return set(table.loc[found.isna() if holds is None else found.eq(holds).fillna(False), "paper"])


def test_the_text_as_printed_contradicts_two_sentences_more_than_the_corrected_table_and_cannot_tell_of_au_24():
    table = check_sentences(CORRECTED)
    literal = {"AU 16 new in the wild", "lab: AU 12 with happiness only"}
    assert claims_where(table, "printed", False) == FAIL_IN_EITHER | literal
    assert claims_where(table, "corrected", False) == FAIL_IN_EITHER
    untold = {"36, 29, 11", "AU 11 never in the wild"}
    assert claims_where(table, "printed", None) == untold | {"AU 24 lower in the wild"}
    assert claims_where(table, "corrected", None) == untold
    assert (table["corrected"] == table["dataset"]).all()
    assert not (table["printed"] == table["corrected"]).all()


def test_each_sources_verdict_says_in_words_whether_it_holds():
    table = check_sentences(PRINTED)
    for source in ("printed", "corrected", "dataset"):
        words = table[f"{source}_holds"].map({True: "holds", False: "fails"}).fillna("cannot tell")
        assert (table[f"{source}_verdict"] == words).all()


@pytest.mark.parametrize(
    ("claim", "printed", "corrected", "moved"),
    [
        ("AU 16 new in the wild", "wild in 5 emotions, lab in 2", "wild in 5 emotions, lab in 0", "3, 5"),
        (
            "AU 24 lower in the wild",
            "the lab observes it in no such emotion",
            "lower in 2 of 2 emotions",
            "4, 6",
        ),
        ("AU 17 lower in the wild", "lower in 2 of 2 emotions", "lower in 4 of 4 emotions", "3, 5"),
        (
            "AU 20 lower in the wild with surprise or fear",
            "lower in 5 of 5 emotions",
            "lower in 4 of 4 emotions",
            "6",
        ),
        ("AU 27 new in the wild", "wild in 7 emotions, lab in 0", "wild in 7 emotions, lab in 0", ""),
    ],
)
def test_the_moves_on_which_a_sentence_rests_are_numbered(claim, printed, corrected, moved):
    row = answers(CORRECTED).xs(claim, level="paper").iloc[0]
    assert (row["printed"], row["corrected"], row["moves"]) == (printed, corrected, moved)


def test_au_12_beside_fear_is_why_the_literal_sentence_fails_and_the_source_says_where_it_belongs():
    row = answers(CORRECTED).xs("lab: AU 12 with happiness only", level="paper").iloc[0]
    assert "fearfully surprised" in row["printed"]
    assert "fearfully surprised" not in row["corrected"]
    assert row["evidence"] == (
        "fearfully surprised 22 %: printed under AU 12, moved to AU 11 "
        "(Du et al. 2014: AU 11 variant 22 %, AU 12 unobserved)"
    )
    assert row["unsourced"] == "happily fearful, happily sad (equal to happily surprised)"


def test_every_move_stands_with_its_evidence_beside_the_sentences_that_it_changes():
    table = check_sentences(CORRECTED)
    for number, words in enumerate(move_evidence(), start=1):
        rests = table["moves"].map(lambda moved, n=number: str(n) in moved.split(", "))
        assert rests.any()
        assert (table["evidence"].str.contains(words, regex=False) == rests).all()
    assert len(move_evidence()) == len(moves()) == 6


def test_a_sentence_rests_on_an_unsourced_row_where_leaving_that_out_changes_its_answer():
    table = check_sentences(CORRECTED).set_index("paper")["unsourced"]
    both = "happily fearful, happily sad (equal to happily surprised)"
    # AU 25 is in 11 rows, these two among them; AU 1 turns variant in happily sad, in happily fearful it drops out
    assert table["11"] == both
    assert table["AU 1 and AU 4 most often turn variant"] == "happily sad (equal to happily surprised)"
    for claim in ("AU 2 in sadly fearful: lab only", "0.73", "AU 16 new in the wild"):
        assert table[claim] == ""


def test_fifteen_classes_are_sixteen_less_au_11():
    row = answers(CORRECTED).xs("15", level="paper").iloc[0]
    for source in ("printed", "corrected"):
        assert row[source] == "16; 15 without AU 11, not among RAF-AU's 32"
        assert row[f"{source}_verdict"] == "fails"
    coded = [cell for cell in lab_cells() if cell.au != 11]
    assert findings.lab_classes("15", paper_evidence(coded))[:2] == ("15", True)


def test_every_sentence_is_asked_once():
    keys = [(sentence.quote, sentence.claim) for sentence in SENTENCES]
    assert len(keys) == len(set(keys)) == 40


def test_a_dataset_with_the_printed_frequencies_gives_the_printed_answers():
    table = check_sentences(evidence_of(*images_as_printed()))
    told = table[table["corrected_holds"].notna()]
    assert (told["corrected_holds"] == told["dataset_holds"]).all()
    figures = table["paper"].str.fullmatch(r"[0-9.]+")
    assert (table.loc[figures, "corrected"] == table.loc[figures, "dataset"]).all()


def test_au_17_in_sadly_disgusted_is_named_with_its_frequency():
    row = answers(CORRECTED).xs("AU 17, 20 and 24 observed in no wild emotion", level="paper").iloc[0]
    assert row["printed"] == row["corrected"] == "AU 17 in sadly disgusted (29 %)"


def swapped() -> Evidence:
    return CORRECTED._replace(wild=CORRECTED.lab, lab=CORRECTED.wild)


@pytest.mark.parametrize(
    "find",
    [
        partial(findings.rarely_seen, 7, ()),
        partial(findings.rarely_seen, 15, ("sadness",)),
        partial(findings.less_active, 17, ()),
        partial(findings.new_in_wild, 16),
        partial(findings.only_with, 12, "happiness"),
        partial(findings.only_in, "lab", 2, "sadly fearful"),
        partial(findings.only_in, "wild", 2, "fearfully angry"),
        partial(findings.variant_in_all, 7, "anger"),
        findings.no_more_classes,
        findings.mostly_lower,
        partial(findings.most_reclassified, (1, 4)),
        partial(findings.some_drop_out, (2, 17)),
        findings.more_variants,
        partial(findings.only_exception, "fearfully angry"),
    ],
)
def test_a_verdict_is_computed_it_turns_when_lab_and_wild_are_swapped(find):
    assert find(CORRECTED).holds is True
    assert find(swapped()).holds is False


def test_sharing_and_changing_are_counted_cell_by_cell():
    wild = {(cell.emotion, cell.au): cell.percent for cell in paper_wild_cells()}
    lab = {(cell.emotion, cell.au): cell.percent for cell in lab_cells()}
    shared, changed = wild.keys() & lab.keys(), wild.keys() ^ lab.keys()
    changed = {cell for cell in changed if cell[1] != 11}  # not coded in the wild
    variant = [cell for cell in changed if (wild | lab)[cell] < 70]
    assert findings.mostly_shared(CORRECTED).text == f"{len(shared)} of {len(wild)}"
    assert findings.mostly_variants(CORRECTED).text == f"{len(variant)} of {len(changed)} changes"
    stay = [cell for cell in shared if lab[cell] >= 70]
    assert findings.prototypes_stay(CORRECTED).text == f"{len(stay)} of {sum(p >= 70 for p in lab.values())}"


def test_where_the_wild_observes_nothing_no_majority_is_claimed():
    blank = CORRECTED.wild._replace(category_EA=np.full_like(CORRECTED.wild.category_EA, UNOBSERVED))
    silent = CORRECTED._replace(wild=blank)
    assert findings.mostly_shared(silent)[:2] == ("nothing to compare", None)
    assert findings.prototypes_stay(silent)[:2] == ("0 of 51", False)
    assert findings.mostly_variants(silent)[:2] == ("48 of 99 changes", False)
    assert findings.differs_both_ways(6, silent)[:2] == ("lab only in 6 emotions, wild only in 0", False)


def test_few_images_compares_counts_and_a_table_cannot_tell():
    emotions = ("fearfully disgusted", "happily fearful")
    evidence = evidence_of(*images_as_printed())
    assert findings.few_images(emotions, (100, 100), evidence)[:2] == ("100, 100", True)
    assert findings.few_images(emotions, (36, 11), evidence).holds is False
    assert findings.few_images(emotions, (36, 11), CORRECTED).holds is None


def with_au_11(active_N, known_N) -> Evidence:
    """The images of the table, coded for 33 AUs."""
    emotion_N, active_NA, known_NA = images_as_printed()
    active_NA, known_NA = np.c_[active_NA, active_N], np.c_[known_NA, known_N]
    return evidence_of(emotion_N, active_NA, known_NA, aus=(*AUS, 11))


def test_one_image_with_au_11_would_be_seen():
    active_N, known_N = np.zeros(1400, np.bool_), np.ones(1400, np.bool_)
    assert findings.never_seen(11, with_au_11(active_N, known_N))[:2] == ("in 0 of 1,400 images", True)
    active_N[5] = True
    assert findings.never_seen(11, with_au_11(active_N, known_N))[:2] == ("in 1 of 1,400 images", False)


def test_only_images_that_know_au_11_are_counted():
    active_N, known_N = np.zeros(1400, np.bool_), np.arange(1400) < 300
    assert findings.never_seen(11, with_au_11(active_N, known_N))[:2] == ("in 0 of 300 images", True)


def test_au_11_cannot_be_found_absent_where_it_was_not_coded():
    untestable = ("not testable: AU 11 is not among the 32 AUs coded", None)
    nobody = np.zeros(1400, np.bool_)
    for source in (
        PRINTED,
        CORRECTED,
        evidence_of(*images_as_printed()),
        with_au_11(nobody, nobody),
    ):
        assert findings.never_seen(11, source)[:2] == untestable
        assert findings.less_active(11, (), source)[:2] == ("nothing known in the wild", None)


def test_a_blank_of_a_table_is_no_proof_of_never():
    assert findings.never_seen(43, CORRECTED)[:2] == ("observed in no emotion", None)
    assert findings.never_seen(25, CORRECTED).holds is False


def test_frequencies_of_an_au_that_was_not_coded_are_not_compared():
    # 99 laboratory cells, four of them AU 11's
    for source in (CORRECTED, evidence_of(*images_as_printed())):
        assert findings.mostly_lower(source).text == "91 of 95 are lower"


def test_rates_of_a_dataset_carry_wilsons_interval():
    text = findings.rarely_seen(17, ("sadness",), evidence_of(*images_as_printed())).text
    # 29 of 500 images with sadness; scipy.stats.binomtest(29, 500).proportion_ci(method="wilson")
    assert text == "observed in sadly disgusted (29 %); 5.8 % of 500 images [4.1, 8.2]"


def resampled_sums(emotion_N, active_NA, known_NA, n_draws, among=(0, 1)):
    """Mean over emotions of the summed frequencies, of images drawn anew within each emotion; a loop."""
    rng = np.random.default_rng(3)
    means = []
    for _ in range(n_draws):
        sums = []
        for emotion in np.unique(emotion_N):
            rows = rng.choice(np.flatnonzero(emotion_N == emotion), (emotion_N == emotion).sum())
            known_A, active_A = known_NA[rows].sum(0), (active_NA & known_NA)[rows].sum(0)
            f_A = np.divide(active_A, known_A, out=np.zeros(len(known_A)), where=known_A > 0)
            chosen_A = {(0, 1): f_A >= 0.2, (0,): f_A >= 0.7, (1,): (f_A >= 0.2) & (f_A < 0.7)}[among]
            sums.append(f_A[chosen_A].sum())
        means.append(np.mean(sums))
    return np.array(means)


@pytest.mark.parametrize("among", [(0, 1), (0,), (1,)])
def test_the_interval_of_a_sum_is_that_of_resampled_images_with_categories_of_their_own(among):
    emotion_N, active_NA, known_NA = images_as_printed(100)
    found = findings.mean_summed("wild", among, evidence_of(emotion_N, active_NA, known_NA))
    low, high = np.percentile(resampled_sums(emotion_N, active_NA, known_NA, 400, among), [2.5, 97.5])
    tolerance = 0.1 * (high - low)
    assert found.low == pytest.approx(min(low, found.value), abs=tolerance)
    assert found.high == pytest.approx(max(high, found.value), abs=tolerance)


def test_far_from_every_threshold_the_interval_of_a_sum_is_that_of_a_mean():
    rng = np.random.default_rng(0)
    emotion_N = np.repeat(np.arange(14), 200)
    active_NA = rng.random((len(emotion_N), len(AUS))) < np.where(np.arange(len(AUS)) < 4, 0.45, 0.02)
    evidence = evidence_of(emotion_N, active_NA, np.ones_like(active_NA))
    sum_N = active_NA[:, :4].sum(1)
    error = np.sqrt(np.mean([sum_N[emotion_N == e].var(ddof=1) / 200 for e in range(14)]) / 14)
    found = findings.mean_summed("wild", OBSERVED, evidence)
    assert found.value == pytest.approx(sum_N.mean())
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.1)
    assert found.value - found.low == pytest.approx(1.96 * error, rel=0.1)


def test_an_unknown_au_counts_neither_way():
    emotion_N, active_NA, known_NA = images_as_printed()
    rng = np.random.default_rng(1)
    known_NA = rng.random(active_NA.shape) < 0.5
    evidence = evidence_of(emotion_N, active_NA, known_NA)
    counts = np.array([known_NA[emotion_N == 0].sum(0), (active_NA & known_NA)[emotion_N == 0].sum(0)])
    columns = [evidence.column(au) for au in AUS]
    assert evidence.wild.frequency_EA[0, columns] == pytest.approx(counts[1] / counts[0])


def test_the_interval_with_unknown_aus_is_as_wide_as_resampled_images_say():
    rng = np.random.default_rng(2)
    emotion_N, active_NA, _ = images_as_printed()
    known_NA = rng.random(active_NA.shape) < 0.5
    found = findings.summed_in("happily surprised", "wild", evidence_of(emotion_N, active_NA, known_NA))
    first = emotion_N == 0
    sums = resampled_sums(emotion_N[first], active_NA[first], known_NA[first], 1000)
    low, high = np.percentile(sums, [2.5, 97.5])
    assert found.low == pytest.approx(min(low, found.value), abs=0.1 * (high - low))
    assert found.high == pytest.approx(max(high, found.value), abs=0.1 * (high - low))


@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([0.0, 0.3, 0.9]))
@settings(max_examples=20, deadline=None)
def test_the_covariance_from_pairs_is_the_sum_of_the_images_squared_residuals(seed, n, unknown):
    rng = np.random.default_rng(seed)
    emotion_N = rng.integers(0, len(COMPOUND_EMOTIONS), 10 * n)
    active_NA = rng.random((len(emotion_N), len(AUS))) < rng.random(len(AUS))
    known_NA = rng.random(active_NA.shape) >= unknown
    evidence = evidence_of(emotion_N, active_NA, known_NA)
    assert evidence.images is not None
    assert evidence.images.covariance_EAA is not None
    columns = [evidence.column(au) for au in AUS]
    for emotion, wide_AA in enumerate(evidence.images.covariance_EAA):
        active, known = active_NA[emotion_N == emotion], known_NA[emotion_N == emotion]
        n_known = np.maximum(known.sum(0), 1)
        residual = known * (active - (active & known).sum(0) / n_known) / n_known
        correction = np.nan if len(active) == 1 else len(active) / (len(active) - 1)
        expected = correction * residual.T @ residual
        found = wide_AA[np.ix_(columns, columns)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
        assert not wide_AA[evidence.column(11)].any()


def test_without_pairs_sums_have_no_interval():
    emotion_N, active_NA, known_NA = images_as_printed()
    counts = count(emotion_N, active_NA, known_NA, len(COMPOUND_EMOTIONS))
    evidence = dataset_evidence(np.bincount(emotion_N), counts, None, COMPOUND_EMOTIONS, AUS, lab_cells())
    full = check_sentences(evidence_of(emotion_N, active_NA, known_NA))
    table = check_sentences(evidence)
    assert table["ci_low"].isna().all()
    assert table["dataset"].equals(full["dataset"])


def test_a_figure_outside_the_interval_is_told_from_one_inside():
    verdicts = {}
    for n in (5, 2000):
        emotion_N, active_NA, known_NA = images_as_printed(n)
        rng = np.random.default_rng(0)
        for e in range(14):  # break up the blocks in which AUs of an emotion go together
            for a in range(len(AUS)):
                rng.shuffle(active_NA[emotion_N == e, a])
        active_NA[emotion_N == 6, AUS.index(43)] = True
        row = answers(evidence_of(emotion_N, active_NA, known_NA)).xs("2.85", level="paper").iloc[0]
        verdicts[n] = row["dataset_verdict"]
        assert row["printed_verdict"] == row["corrected_verdict"] == "holds"
    assert verdicts == {5: "fails (but within its interval)", 2000: "fails"}


def test_emotions_without_images_are_left_out_of_the_mean():
    emotion_N, active_NA, known_NA = images_as_printed()
    kept = emotion_N != COMPOUND_EMOTIONS.index("fearfully angry")
    evidence = evidence_of(emotion_N[kept], active_NA[kept], known_NA[kept])
    assert findings.mean_summed("wild", OBSERVED, evidence).value == pytest.approx(
        (14 * 2.8542857 - 5.54) / 13
    )
    assert findings.equals("5.54", partial(findings.summed_in, "fearfully angry", "wild"), evidence)[:2] == (
        "nothing known",
        None,
    )
    assert findings.only_exception("fearfully angry", evidence).holds is None
    assert findings.only_in("wild", 2, "fearfully angry", evidence).holds is None


def test_a_single_image_gives_a_figure_without_interval():
    emotion_N, active_NA, known_NA = (table[::100] for table in images_as_printed())
    found = findings.mean_summed("wild", OBSERVED, evidence_of(emotion_N, active_NA, known_NA))
    assert found.value > 0
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_the_laboratory_is_the_table_in_force():
    lab = [cell._replace(percent=50.0) for cell in lab_cells()]
    evidence = evidence_of(*images_as_printed(), lab=lab)
    assert findings.mean_summed("lab", (PROTOTYPICAL,), evidence).value == 0
    assert findings.mean_summed("lab", (VARIANT,), evidence).value == pytest.approx(0.5 * 99 / 14)
    below = [LabCell("sadly angry", 4, 19.9, "")]
    assert not evidence_of(*images_as_printed(), lab=below).lab.observed_EA().any()


def test_a_laboratory_of_ones_own_changes_the_dataset_column_alone():
    usual = check_sentences(evidence_of(*images_as_printed()))
    own = check_sentences(evidence_of(*images_as_printed(), lab=printed_lab_cells()))
    changed = [name for name in usual if not usual[name].equals(own[name])]
    assert changed == ["dataset", "dataset_holds", "dataset_verdict"]
    told = own["printed_holds"].notna()
    assert (own["dataset_holds"] == own["printed_holds"])[told].all()
    assert not own.set_index("paper").loc["lab: AU 12 with happiness only", "dataset_holds"]


def test_order_and_extra_emotions_of_the_dataset_do_not_matter():
    emotion_N, active_NA, known_NA = images_as_printed()
    emotions = ("awed", *COMPOUND_EMOTIONS[::-1])
    other_N = np.array([emotions.index(COMPOUND_EMOTIONS[e]) for e in emotion_N])
    awed = np.ones((7, len(AUS)), np.bool_)
    columns = np.arange(len(AUS))[::-1]
    turned = evidence_of(
        np.concatenate([other_N, np.zeros(7, np.int64)]),
        np.concatenate([active_NA, awed])[:, columns],
        np.concatenate([known_NA, awed])[:, columns],
        emotions=emotions,
        aus=AUS[::-1],
    )
    expected = evidence_of(emotion_N, active_NA, known_NA)
    assert check_sentences(turned).equals(check_sentences(expected))


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"emotions": COMPOUND_EMOTIONS[1:]}, "happily surprised"),
        ({"aus": AUS[:-2]}, "AU 39, AU 43"),
        ({"aus": AUS[4:]}, "4 of the AUs"),
        ({"lab": ()}, "a laboratory table of them"),
        ({"lab": [LabCell("awed", 1, 50.0, "")]}, "a laboratory table of them"),
    ],
)
def test_a_dataset_of_which_the_paper_does_not_speak_is_told_apart(change, lacking):
    table_NA = np.ones((3, len(AUS)), np.bool_)
    with pytest.raises(NotApplicableError, match=rf"; this dataset lacks {lacking}$"):
        evidence_of(np.zeros(3, np.int64), table_NA, table_NA, **change)


def test_a_dataset_without_images_is_told_apart():
    nothing = np.zeros((0, len(AUS)), np.bool_)
    with pytest.raises(NotApplicableError, match=r"; this dataset lacks images$"):
        evidence_of(np.zeros(0, np.int64), nothing, nothing)


def test_components_choose_emotions():
    names = np.array(COMPOUND_EMOTIONS)
    assert list(names[with_component("happiness")]) == [
        "happily surprised",
        "happily disgusted",
        "happily fearful",
        "happily sad",
    ]
    assert with_component().all()
