"""Faults that say something wrong in silence, each with the tests that must notice it; `run_mutants.py` tries them.

A fault is named by a definition (function, `Class.method`, constant, macro of a template) and a snippet of it, so that
it stays when its module moves. Where several definitions have the name, the snippet tells them apart. `of` is what
would be wrong: a figure or table by the name of the function that makes it, or a module of statistics by its subject.
"""

from typing import NamedTuple

INHERITED = (
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.metrics",
    "seaborn",
    "torchvision",
    "hypothesis",
)
"""What the tests import from elsewhere: loaded once for all of them."""


class Fault(NamedTuple):
    """A snippet of a definition, what takes its place, and the tests that own the place."""

    of: str
    place: str
    old: str
    new: str
    tests: tuple[str, ...]


def faults(of: str, *rows: tuple[str, str, str, str]) -> list[Fault]:
    """Faults of one figure, table or module: place, old, new, and the owning tests between blanks."""
    return [Fault(of, place, old, new, tuple(tests.split())) for place, old, new, tests in rows]


DATASET_FIGURES = [
    *faults(
        "draw_figure1",
        (
            "_bars",
            "left += ordered[partition]",
            "left += ordered['n']",
            "test_every_bar_of_figure_1_begins_where_the_one_before_ends_in_its_partitions_colour",
        ),
        (
            "_bars",
            "color=PARTITION_COLOURS[partition]",
            "color=PARTITION_COLOURS['test']",
            "test_every_bar_of_figure_1_begins_where_the_one_before_ends_in_its_partitions_colour",
        ),
        (
            "_numbers",
            'f"{row.n:,}{groups}"',
            'f"{row.train:,}{groups}"',
            "test_the_numbers_beside_a_bar_of_figure_1_are_those_of_its_emotion",
        ),
        (
            "_faces",
            "strip.imshow(faces[emotion]",
            "strip.imshow(faces[emotions[-1]]",
            "test_figure_1_shows_each_emotions_own_face_beside_its_bar",
        ),
        (
            "class_counts",
            'frame["n"] / total',
            'frame["train"] / total',
            "test_class_counts_equal_counting_rows",
        ),
    ),
    *faults(
        "draw_figure2",
        (
            "_box",
            "geometry.regions(au, points_P2=points_P2)",
            "geometry.regions(12, points_P2=points_P2)",
            "test_each_box_lies_on_the_region_of_the_au_that_its_label_names",
        ),
        (
            "draw_figure2",
            "caption = environment if",
            "caption = ('wild' if environment == 'lab' else 'lab') if",
            "test_each_face_is_captioned_with_the_environment_whose_aus_it_shows",
        ),
        (
            "_box",
            "geometry.SIDES.index(side) % len(boxes)",
            "(1 + geometry.SIDES.index(side)) % len(boxes)",
            "test_a_label_stands_on_the_side_of_its_box_and_its_line_leads_there",
        ),
        (
            "_draw_box",
            'if mark == "differs" else "-"',
            'if mark == "shared" else "-"',
            "test_each_box_is_red_or_dashed_as_its_own_mark_says",
        ),
        (
            "_draw_panel",
            "for au, box, row in zip(column, boxes, rows, strict=True)",
            "for au, box, row in zip(column, boxes[::-1], rows, strict=True)",
            "test_each_box_lies_on_the_region_of_the_au_that_its_label_names",
        ),
        (
            "_draw_panel",
            "points_P2 = geometry.face_P2(actions)",
            "points_P2 = geometry.face_P2([])",
            "test_a_face_moves_as_its_aus_say",
        ),
        ("marks", '("lab", lab, wild)', '("lab", lab, lab)', "test_marks_tell_the_pair_from_the_environment"),
        (
            "write_figures",
            'draw_figure2(drawn["wild"], drawn["lab"])',
            'draw_figure2(drawn["lab"], drawn["wild"])',
            "test_each_figure_is_saved_under_its_own_name",
        ),
    ),
    *faults(
        "draw_frequencies",
        (
            "draw_frequencies",
            "frame(comparison, side, emotions, aus)",
            'frame(comparison, "wild", emotions, aus)',
            "test_every_cell_of_both_heat_maps_is_that_of_its_environment_emotion_and_au",
        ),
        (
            "draw_frequencies",
            "axes.set_title(title)",
            "axes.set_title(sides['wild'] if side == 'lab' else sides.get('lab', title))",
            "test_every_cell_of_both_heat_maps_is_that_of_its_environment_emotion_and_au",
        ),
        (
            "_heat",
            "[str(au) for au in values.columns]",
            "[str(au) for au in values.columns[::-1]]",
            "test_every_cell_of_both_heat_maps_is_that_of_its_environment_emotion_and_au",
        ),
    ),
    *faults(
        "draw_difference",
        (
            "draw_difference",
            'difference = frame(comparison, "difference", emotions, aus)',
            'difference = -frame(comparison, "difference", emotions, aus)',
            "test_every_cell_of_the_difference_is_wild_minus_laboratory_red_where_the_wild_has_more",
        ),
        (
            "DIFFERENCE_MAP",
            '"RdBu_r"',
            '"RdBu"',
            "test_every_cell_of_the_difference_is_wild_minus_laboratory_red_where_the_wild_has_more",
        ),
        (
            "_embolden",
            "bold_EA[int(row), int(column)]",
            "bold_EA[::-1][int(row), int(column)]",
            "test_every_cell_of_the_difference_is_wild_minus_laboratory_red_where_the_wild_has_more",
        ),
        (
            "draw_difference",
            "significant_EA & difference.isna().to_numpy()",
            "difference.isna().to_numpy()",
            "test_every_cell_of_the_difference_is_wild_minus_laboratory_red_where_the_wild_has_more",
        ),
        (
            "write_figures",
            "save_figure(draw_difference(analysis.comparison, emotions, aus)",
            "save_figure(draw_frequencies(analysis.comparison, emotions, aus)",
            "test_each_figure_is_saved_under_its_own_name",
        ),
    ),
    *faults(
        "draw_information",
        (
            "draw_information",
            'known[chosen], np.flatnonzero(chosen), "excess"',
            'known[chosen], np.flatnonzero(chosen), "bits"',
            "test_each_aus_bits_and_interval_stand_at_its_name_grey_where_they_may_be_none",
        ),
        (
            "draw_information",
            "((sure, FOR), (~sure, MUTED))",
            "((sure, MUTED), (~sure, FOR))",
            "test_each_aus_bits_and_interval_stand_at_its_name_grey_where_they_may_be_none",
        ),
        (
            "_intervals",
            'axes.hlines(positions, rows["ci_low"]',
            'axes.hlines(positions, 0 * rows["ci_low"]',
            "test_each_aus_bits_and_interval_stand_at_its_name_grey_where_they_may_be_none",
        ),
    ),
    *faults(
        "draw_telling",
        (
            "draw_telling",
            'sure[sure["emotion"] == emotion]',
            'sure[sure["emotion"] == emotions[0]]',
            "test_each_emotions_surest_aus_stand_in_its_panel_with_their_log_odds",
        ),
        (
            "_telling_panel",
            "((speaks_for, FOR), (~speaks_for, AGAINST))",
            "((speaks_for, AGAINST), (~speaks_for, FOR))",
            "test_telling_aus_are_coloured_by_what_they_speak_for",
        ),
        (
            "_telling_panel",
            "power * TICK_STEP for power",
            "2 * power * TICK_STEP for power",
            "test_each_emotions_surest_aus_stand_in_its_panel_with_their_log_odds",
        ),
    ),
    *faults(
        "draw_cooccurrence",
        (
            "_pair_panel",
            'pair_matrix(pairs[sure], "phi", aus)',
            'pair_matrix(pairs[sure], "frequency", aus)',
            "test_pairs_show_frequency_below_the_diagonal_and_sure_correlation_above",
        ),
        (
            "_pair_panel",
            'pair_matrix(pairs[sure], "phi", aus)',
            'pair_matrix(pairs, "phi", aus)',
            "test_pairs_show_frequency_below_the_diagonal_and_sure_correlation_above",
        ),
        (
            "draw_cooccurrence",
            "zip(maps, (0.06, 0.56), legends, ends",
            "zip(maps, (0.06, 0.56), legends[::-1], ends",
            "test_pairs_show_frequency_below_the_diagonal_and_sure_correlation_above",
        ),
        (
            "pair_matrix",
            'index="au_1", columns="au_2"',
            'index="au_2", columns="au_1"',
            "test_the_pair_matrix_holds_each_pair_above_its_diagonal",
        ),
    ),
    *faults(
        "draw_sides",
        (
            "draw_sides",
            '(("left", -1, LEFT), ("right", 1, RIGHT))',
            '(("right", -1, LEFT), ("left", 1, RIGHT))',
            "test_left_and_right_bars_are_the_subjects_left_and_right",
        ),
        (
            "draw_sides",
            'label=f"{place} side only"',
            "label=f\"{dict(left='right', right='left')[place]} side only\"",
            "test_left_and_right_bars_are_the_subjects_left_and_right",
        ),
        (
            "draw_sides",
            '(sides["place"] == "one side") & (sides["count"] > 0)',
            'sides["place"] == "one side"',
            "test_sides_show_only_aus_that_are_ever_one_sided",
        ),
    ),
]

RUN_FIGURES = [
    *faults(
        "draw_curves",
        (
            "draw_scores",
            '_line(axes, percent, name, f"{label}, validation"',
            '_line(axes, percent, "accuracy", f"{label}, validation"',
            "test_each_line_of_the_curves_is_the_column_that_its_label_names",
        ),
        (
            "draw_losses",
            "_line(axes, history, LOSS + term, WEIGHT_NAMES",
            '_line(axes, history, LOSS + term + "_weighted", WEIGHT_NAMES',
            "test_each_line_of_the_curves_is_the_column_that_its_label_names",
        ),
        (
            "draw_weights",
            "mean - spread, mean + spread",
            "mean - 2 * spread, mean + spread",
            "test_each_line_of_the_curves_is_the_column_that_its_label_names",
        ),
        (
            "draw_curves",
            'run.metrics["selected"]["epoch"]',
            'run.history["epoch"].max()',
            "test_curves_are_the_history_with_the_picked_epoch_marked",
        ),
    ),
    *faults(
        "draw_confusion",
        (
            "draw_confusion",
            "axes.imshow(share_KK,",
            "axes.imshow(share_KK.T,",
            "test_each_cell_of_the_confusion_is_the_share_of_its_true_emotion",
        ),
        (
            "draw_confusion",
            "support_K = counts_KK.sum(1)",
            "support_K = counts_KK.sum(0)",
            "test_each_cell_of_the_confusion_is_the_share_of_its_true_emotion",
        ),
        (
            "draw_confusion",
            "_rate(test['accuracy'])",
            "_rate(test['uar'])",
            "test_beside_each_row_of_the_confusion_stand_its_images_and_recall",
        ),
        (
            "_label",
            'xlabel="predicted", ylabel="true (images)"',
            'xlabel="true (images)", ylabel="predicted"',
            "test_each_cell_of_the_confusion_is_the_share_of_its_true_emotion",
        ),
        (
            "_label",
            '_rate(row["recall"])',
            '_rate(row["f1"])',
            "test_beside_each_row_of_the_confusion_stand_its_images_and_recall",
        ),
    ),
    *faults(
        "draw_reliability",
        (
            "draw_reliability",
            'below.bar(100 * bins["from"]',
            'below.bar(100 * bins["to"]',
            "test_bins_of_the_reliability_diagram_are_those_of_the_predictions",
        ),
        (
            "_draw_points",
            "axes.plot(confidence, accuracy,",
            "axes.plot(accuracy, confidence,",
            "test_bins_of_the_reliability_diagram_are_those_of_the_predictions",
        ),
        (
            "_draw_points",
            'percent["ci_low"], percent["ci_high"]',
            'percent["ci_low"], accuracy',
            "test_bins_of_the_reliability_diagram_are_those_of_the_predictions",
        ),
    ),
    *faults(
        "draw_figure4",
        (
            "_draw_card",
            "_draw_heat(axes, beside, view.map_hh)",
            "_draw_heat(axes, beside, example.views[0].map_hh)",
            "test_each_card_holds_its_own_face_maps_boxes_and_words",
        ),
        (
            "_draw_card",
            "FOR if view.right else AGAINST",
            "AGAINST if view.right else FOR",
            "test_each_card_holds_its_own_face_maps_boxes_and_words",
        ),
        (
            "_draw_boxes",
            '"-" if au in example.observed else _DASHES',
            '_DASHES if au in example.observed else "-"',
            "test_each_card_holds_its_own_face_maps_boxes_and_words",
        ),
        (
            "_write_numbers",
            "zip(aus, boxes, rows, middles, strict=True)",
            "zip(aus[::-1], boxes, rows, middles, strict=True)",
            "test_each_number_is_joined_to_a_box_of_its_own_au",
        ),
        ("_draw_heat", "map_hh / map_hh.max()", "map_hh", "test_a_map_is_scaled_to_its_own_maximum"),
        (
            "heading",
            'zip("AB", looks, strict=False)',
            'zip("BA", looks, strict=False)',
            "test_figure_4_is_headed_by_what_is_asked_of_which_runs",
        ),
        (
            "explanation",
            "{outcome.n_candidates} test images",
            "{len(outcome.examples)} test images",
            "test_figure_4_is_headed_by_what_is_asked_of_which_runs",
        ),
    ),
    *faults(
        "draw_figure5",
        (
            "draw_accuracy",
            'curve(system.runs, "accuracy")',
            'curve(system.runs, "uar")',
            "test_figure_5_draws_each_systems_own_accuracy_in_its_panel_and_the_others_behind",
        ),
        (
            "draw_accuracy",
            "draw_curve(panel, found, WILD)",
            "draw_curve(panel, curves[0], WILD)",
            "test_figure_5_draws_each_systems_own_accuracy_in_its_panel_and_the_others_behind",
        ),
        (
            "draw_weights",
            "handles = [Line2D([], [], color=colour(term)",
            "handles = [Line2D([], [], color=colour('emo')",
            "test_figure_5_draws_the_learned_weights_in_the_colours_of_its_legend",
        ),
        (
            "panels",
            "axes.set_title(system.name,",
            "axes.set_title(systems[-1].name,",
            "test_figure_5_draws_each_systems_own_accuracy_in_its_panel_and_the_others_behind",
        ),
        (
            "curve",
            "ddof=0 if column.startswith(WEIGHT) else 1",
            "ddof=1 if column.startswith(WEIGHT) else 0",
            "test_the_spread_of_accuracy_is_that_over_seeds",
        ),
    ),
]

DATASET_TABLES = [
    *faults(
        "funnel_grid",
        (
            "funnel_grid",
            "f\"{counts['joined']:,}\"",
            "f\"{counts['kept']:,}\"",
            "test_the_funnel_counts_lines_reasons_and_images_kept",
        ),
        (
            "REASON_WORDS",
            '"no AU label: the image is not in RAF-AU"',
            '"no emotion label: the image is not in RAF-ML"',
            "test_the_funnel_counts_lines_reasons_and_images_kept",
        ),
    ),
    *faults(
        "classes_grid",
        (
            "classes_grid",
            '(*PARTITIONS, "all",',
            '(*PARTITIONS[::-1], "all",',
            "test_images_per_emotion_and_partition_are_those_of_the_samples",
        ),
        (
            "classes_grid",
            "percent(row.share, 1)",
            "percent(row.ci_low, 1)",
            "test_images_per_emotion_and_partition_are_those_of_the_samples",
        ),
        (
            "classes_grid",
            'f"{row.n_groups:,}"',
            'f"{row.n:,}"',
            "test_images_in_groups_are_counted_beside_the_images",
        ),
    ),
    *faults(
        "certainty_grid",
        (
            "_certainty_row",
            "str(sum(not cell.observed for cell in unsure))",
            "str(sum(cell.observed for cell in unsure))",
            "test_each_rows_sureness_is_counted_over_its_cells",
        ),
        (
            "_certainty_row",
            "key=lambda found: found[1] - found[0]",
            "key=lambda found: found[1]",
            "test_each_rows_sureness_is_counted_over_its_cells",
        ),
        (
            "Cell.unsure",
            "self.mass < SURE",
            "self.mass > SURE",
            "test_each_rows_sureness_is_counted_over_its_cells",
        ),
    ),
    *faults(
        "differences_grid",
        (
            "differences_grid",
            "points(row.difference),",
            "points(-row.difference),",
            "test_the_largest_differences_are_wild_minus_laboratory",
        ),
        (
            "differences_grid",
            '["wild, %", "95 % interval", "lab, %"',
            '["lab, %", "95 % interval", "wild, %"',
            "test_the_largest_differences_are_wild_minus_laboratory",
        ),
        (
            "differences_grid",
            'known["difference"].abs()',
            'known["difference"]',
            "test_the_largest_differences_are_wild_minus_laboratory",
        ),
    ),
    *faults(
        "surpassed_grid",
        (
            "surpassed_grid",
            'comparison["q"] < SIGNIFICANT',
            'comparison["q"] > SIGNIFICANT',
            "test_blanks_that_the_wild_surpasses_are_significant_and_the_highest_come_first",
        ),
        (
            "surpassed_grid",
            "percent(row.wild)",
            "percent(row.wild_ci_high)",
            "test_blanks_that_the_wild_surpasses_are_significant_and_the_highest_come_first",
        ),
    ),
    *faults(
        "classifiers_grid",
        (
            "classifiers_grid",
            "percent(row.uar, 1)",
            "percent(row.accuracy, 1)",
            "test_each_classifier_has_its_own_accuracy_and_uar",
        ),
        (
            "classifiers_grid",
            "between(row.accuracy_low, row.accuracy_high, 1)",
            "between(row.uar_low, row.uar_high, 1)",
            "test_each_classifier_has_its_own_accuracy_and_uar",
        ),
    ),
    *faults(
        "pairs_grid",
        (
            "_pair_row",
            "percent(row.frequency)",
            'f"{100 * row.phi:.0f}"',
            "test_pairs_that_go_together_are_counted_in_the_samples",
        ),
        (
            "_pair_row",
            "percent(row.expected)",
            "percent(row.frequency)",
            "test_pairs_that_go_together_are_counted_in_the_samples",
        ),
        (
            "pairs_grid",
            'sort_values("log_odds_low", ascending=False',
            'sort_values("log_odds_low", ascending=True',
            "test_pairs_that_go_together_are_counted_in_the_samples",
        ),
    ),
    *faults(
        "lips_grid",
        (
            "lips_grid",
            "row.place,",
            '{"top lip": "bottom lip", "bottom lip": "top lip"}[row.place],',
            "test_lips_are_named_as_the_labels_say",
        ),
        (
            "lips_grid",
            'f"{row.n_there:,} of {row.n:,}"',
            'f"{row.n:,} of {row.n:,}"',
            "test_lips_are_named_as_the_labels_say",
        ),
    ),
    *faults(
        "inputs_grid",
        (
            "inputs_grid",
            "f\"{entry['lines']:,}\"",
            "f\"{entry['lines'] + 1:,}\"",
            "test_the_funnel_counts_lines_reasons_and_images_kept",
        ),
        (
            "INPUT_WORDS",
            '"raf_au": "RAF-AU"',
            '"raf_au": "RAF-ML"',
            "test_the_funnel_counts_lines_reasons_and_images_kept",
        ),
    ),
    *faults(
        "moves_grid",
        (
            "moves_grid",
            'str(row["printed_au"])',
            'str(row["au"])',
            "test_the_six_moves_stand_on_the_page_with_what_the_source_has_at_both_places",
        ),
        (
            "moves_grid",
            'in_source(row, "_as_printed")',
            "in_source(row)",
            "test_the_six_moves_stand_on_the_page_with_what_the_source_has_at_both_places",
        ),
    ),
    *faults(
        "sentence_row",
        (
            "verdict_class",
            'return "holds" if holds else "fails"',
            'return "fails" if holds else "holds"',
            "test_each_sentence_shows_the_answer_and_the_verdict_of_each_source",
        ),
        (
            "sentence_row",
            'low, high = record["ci_low"], record["ci_high"]',
            'high, low = record["ci_low"], record["ci_high"]',
            "test_each_sentence_shows_the_answer_and_the_verdict_of_each_source",
        ),
    ),
    *faults(
        "table1",
        (
            "wild_cell",
            'percent=100 * record["frequency"]',
            'percent=100 * record["ci_low"]',
            "test_cells_equal_a_count_over_the_samples",
        ),
        (
            "table1",
            '"wild") | dict.fromkeys(lab_aus - wild_aus, "lab")',
            '"lab") | dict.fromkeys(lab_aus - wild_aus, "wild")',
            "test_the_papers_numbers_give_its_columns_and_exclusive_aus",
        ),
        (
            "Cell.rounded",
            "(200 * self.count + self.n) // (2 * self.n)",
            "100 * self.count // self.n",
            "test_halves_round_up",
        ),
        (
            "Cell.prototypical",
            'self.category == "prototypical"',
            'self.category == "variant"',
            "test_markdown_reads_back_as_the_table",
        ),
        (
            "lab_rows",
            'setdefault(record["emotion"], {})[record["au"]]',
            'setdefault(record["emotion"], {})[record["au"] + 1]',
            "test_table_1_of_the_page_prints_the_counts_of_the_samples",
        ),
        (
            "_markdown_cells",
            'text = "?" if au in row.unknown else ""',
            'text = ""',
            "test_a_question_mark_stands_where_no_image_knows_the_au",
        ),
        (
            "_coloured",
            r"\textcolor{{rafce{environment}}}",
            r"\textcolor{{rafcewild}}",
            "test_exclusive_aus_are_underlined_and_coloured_in_latex_and_html",
        ),
        (
            "SCOPE_WORDS",
            '"training images only"',
            '"test images only"',
            "test_the_caption_says_what_was_counted",
        ),
        (
            "_label",
            'row.environment == "wild"',
            'row.environment == "lab"',
            "test_each_row_is_named_by_its_emotion_and_environment_in_markdown_and_latex",
        ),
        (
            "_latex_rows",
            'escaped(row.emotion) if row.environment == "wild"',
            'escaped(row.emotion) if row.environment == "lab"',
            "test_each_row_is_named_by_its_emotion_and_environment_in_markdown_and_latex",
        ),
        (
            "table_context",
            '"n_train_observed": len(train)',
            '"n_train_observed": len(everything)',
            "test_the_page_says_what_is_counted_and_how_many_cells_training_images_give",
        ),
    ),
]

PAGES = [
    *faults(
        "grid on a page",
        (
            "grid",
            "{{ column.head }}",
            "{{ table.columns[0].head }}",
            "test_the_largest_differences_are_wild_minus_laboratory",
        ),
        (
            "grid",
            "{% for value in table.foot %}",
            "{% for value in table.rows[0] %}",
            "test_images_per_emotion_and_partition_are_those_of_the_samples",
        ),
    ),
    *faults(
        "table 1 on a page",
        (
            "tip",
            '"in the wild" if row.environment == "wild"',
            '"in the wild" if row.environment != "wild"',
            "test_table_1_of_the_page_prints_the_counts_of_the_samples",
        ),
        (
            "tip",
            "{{ cell.count }} of {{ cell.n }} images",
            "{{ cell.n }} of {{ cell.count }} images",
            "test_table_1_of_the_page_prints_the_counts_of_the_samples",
        ),
        (
            "table1_grid",
            "{{ row.size }}",
            "{{ table.rows[0].size }}",
            "test_table_1_of_the_page_prints_the_counts_of_the_samples",
        ),
    ),
    *faults(
        "printed table on a page",
        (
            "printed",
            "{{ cell.interval }}</span>",
            "{{ row.cells[0].interval }}</span>",
            "test_table_2_means_the_runs_and_the_page_prints_them_in_their_rows_and_columns",
        ),
        (
            "printed",
            "{{ group.title }}",
            "{{ table.groups[0].title }}",
            "test_table_2_means_the_runs_and_the_page_prints_them_in_their_rows_and_columns",
        ),
    ),
]

RUN_TABLES = [
    *faults(
        "figures_grid",
        (
            "figures_grid",
            '"uar": "UAR, mean recall over emotions"',
            '"accuracy": "UAR, mean recall over emotions"',
            "test_the_table_of_figures_names_each_of_them",
        ),
        (
            "figures_grid",
            '_rate(aus["mean_average_precision"])',
            '_rate(aus["macro_f1"])',
            "test_the_table_of_figures_names_each_of_them",
        ),
        (
            "figures_grid",
            '"accuracy": "accuracy",',
            '"uar": "accuracy",',
            "test_the_table_of_figures_names_each_of_them",
        ),
    ),
    *faults(
        "emotions_grid",
        (
            "emotions_grid",
            '*_rate(row["recall"]),\n            *_rate(row["f1"])',
            '*_rate(row["f1"]),\n            *_rate(row["recall"])',
            "test_the_table_of_emotions_has_recall_f1_and_the_commonest_mistake_of_each",
        ),
        (
            "most_taken_for",
            "for row_K in wrong_KK:",
            "for row_K in wrong_KK.T:",
            "test_the_most_frequent_mistake_of_each_emotion_is_counted_right",
        ),
    ),
    *faults(
        "aus_grid",
        (
            "aus_grid",
            '*_rate(row["average_precision"])',
            '*_rate(row["f1"])',
            "test_the_table_of_aus_has_each_aus_own_figures_and_what_guessing_would_have",
        ),
        (
            "aus_grid",
            "f\"{row['train_positives']:,}\"",
            "f\"{row['positives']:,}\"",
            "test_the_table_of_aus_has_each_aus_own_figures_and_what_guessing_would_have",
        ),
        (
            "is_tuned",
            'bool(row.get("validation_positives", 1))',
            "True",
            "test_thresholds_that_were_not_tuned_are_marked",
        ),
    ),
    *faults(
        "mistakes_grid",
        (
            "mistakes",
            "rank_true=1 + (probability_NK",
            "rank_true=(probability_NK",
            "test_mistakes_are_the_wrong_predictions_the_surest_first",
        ),
        (
            "mistakes_grid",
            "percent(row.p_true, 1)",
            "percent(1 - row.p_predicted, 1)",
            "test_the_table_of_mistakes_shows_what_was_predicted_and_how_surely",
        ),
        (
            "mistakes_grid",
            "row.emotion,\n            row.predicted,",
            "row.predicted,\n            row.emotion,",
            "test_the_table_of_mistakes_shows_what_was_predicted_and_how_surely",
        ),
    ),
    *faults(
        "trials_grid",
        (
            "trials_grid",
            "f\"{row['rho_align']:g}\"",
            "f\"{row['rho_au']:g}\"",
            "test_the_table_of_trials_marks_the_weights_that_were_chosen",
        ),
        (
            "trials_grid",
            'row == run.metrics["chosen"]',
            'row != run.metrics["chosen"]',
            "test_the_table_of_trials_marks_the_weights_that_were_chosen",
        ),
    ),
    *faults(
        "run page",
        (
            "key_figures",
            '"UAR": test["uar"]',
            '"UAR": test["accuracy"]',
            "test_the_figures_at_the_head_of_a_runs_page_are_what_they_are_called",
        ),
        (
            "against_majority",
            'accuracy["ci_low"] > always',
            'accuracy["value"] > always',
            "test_the_page_says_how_accuracy_stands_to_the_majority_class",
        ),
        (
            "too_sure",
            'row["confidence"] - row["accuracy"]["value"]',
            'row["accuracy"]["value"] - row["confidence"]',
            "test_calibration_is_that_of_the_predictions",
        ),
        (
            "lede",
            "f\"{sizes['test']:,}{in_groups(run.test)}",
            "f\"{sizes['validation']:,}{in_groups(run.test)}",
            "test_the_first_sentences_of_a_runs_page_count_each_partition",
        ),
        (
            "PRIOR_WORDS",
            '"train": "the training images alone',
            '"train": "all images',
            "test_the_page_says_on_which_images_the_statistics_were_counted",
        ),
        (
            "frame_of",
            'f"{name}_low": figure["ci_low"]',
            'f"{name}_low": figure["ci_high"]',
            "test_the_files_beside_a_runs_page_hold_its_metrics",
        ),
    ),
    *faults(
        "model card",
        (
            "_figures",
            '("UAR, mean recall over emotions", *_rate(test["uar"])',
            '("UAR, mean recall over emotions", *_rate(test["accuracy"])',
            "test_the_card_prints_each_figure_of_the_test_images_under_its_name",
        ),
        (
            "_figures",
            '_rate(aus["mean_average_precision"])',
            '_rate(aus["macro_f1"])',
            "test_the_card_prints_each_figure_of_the_test_images_under_its_name",
        ),
        (
            "_emotions",
            '*_rate(row["recall"]),\n            *_rate(row["f1"])',
            '*_rate(row["f1"]),\n            *_rate(row["recall"])',
            "test_every_emotion_stands_beside_its_images_and_intervals",
        ),
        (
            "_action_units",
            '*_rate(row["average_precision"])',
            '*_rate(row["f1"])',
            "test_the_card_prints_precision_and_intervals_of_each_au",
        ),
        (
            "_action_units",
            "{row['positives']} of {row['n']}",
            "{row['n']} of {row['positives']}",
            "test_every_au_stands_beside_its_support_and_threshold",
        ),
    ),
]

COMPARISON_TABLES = [
    *faults(
        "systems_grid",
        (
            "systems_grid",
            'run.metrics["selected"]["validation"]',
            'run.test["accuracy"]["value"]',
            "test_systems_stand_with_their_seeds_epochs_and_validation_figures",
        ),
        (
            "_percent_over",
            "percents.std(ddof=1)",
            "percents.std(ddof=0)",
            "test_systems_stand_with_their_seeds_epochs_and_validation_figures",
        ),
    ),
    *faults(
        "against_grid",
        (
            "against_grid",
            "of[system, reference]",
            "of[reference, system]",
            "test_each_system_less_the_reference_is_seen_from_the_system",
        ),
        (
            "_mirrored",
            "-row.difference, -row.high, -row.low",
            "-row.difference, -row.low, -row.high",
            "test_each_system_less_the_reference_is_seen_from_the_system",
        ),
        (
            "transfer_grids",
            'first_of(systems, "stl")',
            'first_of(systems, "mtl")',
            "test_each_system_less_the_reference_is_seen_from_the_system",
        ),
    ),
    *faults(
        "bayes_grid",
        (
            "bayes_grid",
            "*_versus_texts(of[bayes, paper])",
            "*_versus_texts(of[paper, bayes])",
            "test_bayes_is_set_against_the_papers_alignment",
        ),
        (
            "bayes_grid",
            "MEASURES[measure], *_versus",
            '"accuracy", *_versus',
            "test_bayes_is_set_against_the_papers_alignment",
        ),
    ),
    *faults(
        "matrix",
        (
            "matrix",
            "pairs.get((name, other))",
            "pairs.get((other, name))",
            "test_the_matrix_has_the_row_less_the_column_coloured_by_its_verdict",
        ),
        (
            "_mirrored",
            "{BETTER: WORSE, WORSE: BETTER}",
            "{}",
            "test_the_matrix_has_the_row_less_the_column_coloured_by_its_verdict",
        ),
    ),
    *faults(
        "pairs of a comparison",
        (
            "pairs_grid",
            'q_value(row["p"]),\n            q_value(row["p_holm"])',
            'q_value(row["p_holm"]),\n            q_value(row["p"])',
            "test_all_pairs_stand_by_rising_p_with_their_own_numbers",
        ),
        (
            "pairs_grid",
            'row["a"],\n            row["b"],',
            'row["b"],\n            row["a"],',
            "test_all_pairs_stand_by_rising_p_with_their_own_numbers",
        ),
        (
            "pairs_grid",
            '.sort_values("p", kind="stable")',
            '.sort_values("p", kind="stable", ascending=False)',
            "test_all_pairs_stand_by_rising_p_with_their_own_numbers",
        ),
        (
            "in_words",
            "key=lambda row: -row.difference",
            "key=lambda row: row.difference",
            "test_the_sentences_put_the_winner_first_and_the_largest_difference_on_top",
        ),
        (
            "tally",
            "(verdicts != INSIDE).sum()",
            "(verdicts == INSIDE).sum()",
            "test_the_head_of_the_page_counts_what_is_sure",
        ),
    ),
    *faults(
        "printed_table2",
        (
            "_paper_rows",
            'rows[rows["method"] == method]',
            'rows[rows["method"] == "MML"].assign(method=method)',
            "test_table_2_means_the_runs_and_the_page_prints_them_in_their_rows_and_columns",
        ),
        (
            "_cells",
            "_cell(rows[column])",
            "_cell(rows[columns[0]])",
            "test_table_2_means_the_runs_and_the_page_prints_them_in_their_rows_and_columns",
        ),
        (
            "_latex_row",
            "row.cells[position] for position in kept",
            "row.cells[kept[0]] for position in kept",
            "test_markdown_and_latex_print_the_cells_of_the_page",
        ),
    ),
    *faults(
        "printed_table3",
        (
            "printed_table3",
            "Group(MEASURES[measure],",
            'Group(MEASURES["uar"],',
            "test_table_3_has_each_measure_of_each_system_beside_the_papers",
        ),
        (
            "_paper_percents",
            'str(row["measure"]),\n        ): float(row["percent"])',
            '"accuracy" if row["measure"] == "uar" else "uar",\n        ): float(row["percent"])',
            "test_table_3_has_each_measure_of_each_system_beside_the_papers",
        ),
        (
            "better_mal",
            "return max(",
            "return min(",
            "test_table_3_goes_by_statistics_and_takes_the_mal_that_validation_prefers",
        ),
    ),
]

STATISTICS = [
    *faults(
        "frequencies",
        (
            "category_index",
            "100 * active >= 70 * known",
            "100 * active > 70 * known",
            "test_the_category_obeys_the_papers_rule_at_exactly_its_limits",
        ),
        (
            "category_index",
            "100 * active >= 20 * known",
            "100 * active >= 25 * known",
            "test_the_category_obeys_the_papers_rule_at_exactly_its_limits",
        ),
        ("count", "(active_NA & known_NA)", "active_NA", "test_counts_equal_counting_by_hand"),
        (
            "sureness",
            "rising[..., ::-1]",
            "rising",
            "test_where_the_frequency_lies_far_from_every_limit_its_category_is_sure",
        ),
    ),
    *faults(
        "counting",
        (
            "_spread",
            ".reshape(histogram_QCX.shape[1], -1)[:, :n_aus]",
            ".reshape(histogram_QCX.shape[1], -1)[:, :n_aus][:, ::-1]",
            "test_any_number_of_aus_is_counted",
        ),
        (
            "count_au_pairs",
            "first_CAA += _products(active, known)",
            "first_CAA += _products(known, active)",
            "test_co_occurrence_equals_counting_pairs_by_hand",
        ),
        (
            "over_partitions",
            "table_P[chosen].sum(0)",
            "table_P.sum(0)",
            "test_a_scope_counts_its_partition_only",
        ),
    ),
    *faults(
        "sides of the face",
        (
            "SIDES",
            '{"L": "left", "R": "right"}',
            '{"L": "right", "R": "left"}',
            "test_a_label_says_where_its_au_is_confined_to",
        ),
        (
            "LIPS",
            '{"T": "top lip", "B": "bottom lip"}',
            '{"T": "bottom lip", "B": "top lip"}',
            "test_a_label_says_where_its_au_is_confined_to",
        ),
        ("au_sides", "n[au] += 1", "n[au] += len(tokens)", "test_images_are_counted_once_per_au_and_place"),
    ),
    *faults(
        "association",
        (
            "information_bits",
            "p_ES.sum(1, keepdims=True) * p_ES.sum(0, keepdims=True)",
            "p_ES.mean(1, keepdims=True) * p_ES.sum(0, keepdims=True)",
            "test_mutual_information_and_its_chance_level_equal_scikit_learns",
        ),
        (
            "information_interval",
            "Z_95**2 * v1 / 2",
            "Z_95**2 * v1",
            "test_the_interval_of_bits_solves_the_equation_of_its_score",
        ),
        (
            "log_odds_ratio",
            "np.log(a * d / (b * c))",
            "np.log(b * c / (a * d))",
            "test_log_odds_are_the_textbook_ratio_of_the_cells_plus_a_half",
        ),
        (
            "log_odds_ratio",
            "1 / a + 1 / b + 1 / c + 1 / d",
            "1 / a + 1 / b + 1 / c",
            "test_with_many_images_log_odds_and_interval_are_scipys",
        ),
        (
            "_in_and_rest",
            "np.array(emotions)[ids]",
            "np.array(emotions)[ids[::-1]]",
            "test_each_emotion_is_held_against_all_the_others",
        ),
        (
            "_joint_rates",
            "expected=expected",
            "expected=frequency",
            "test_cooccurrence_equals_counting_pairs_image_by_image",
        ),
        (
            "_joint_rates",
            "phi=((frequency - expected) / spread)",
            "phi=frequency",
            "test_cooccurrence_equals_counting_pairs_image_by_image",
        ),
    ),
    *faults(
        "groups",
        (
            "GroupTally.n_groups_EA",
            "np.count_nonzero(self.known_GEA",
            "np.count_nonzero(self.active_GEA",
            "test_every_table_by_emotion_and_au_says_of_how_many_groups_n_is",
        ),
        (
            "_category_shares",
            "numerator)",
            "numerator + 1)",
            "test_intervals_and_category_shares_equal_a_bootstrap_by_hand",
        ),
        (
            "grouped_sureness",
            "n_EA[..., None] < 2",
            "n_EA[..., None] < 1",
            "test_an_au_that_one_group_knows_has_neither_interval_nor_masses",
        ),
    ),
    *faults(
        "association over groups",
        (
            "mutual_information_over_groups",
            "np.maximum(2 * bits_A - bound_A, 0)",
            "np.maximum(bound_A, 0)",
            "test_information_takes_off_what_draws_add_and_turns_their_percentiles_round",
        ),
        (
            "_rest",
            "table.sum(1, keepdims=True) - table",
            "table.sum(1, keepdims=True) + 0 * table",
            "test_log_odds_have_the_percentiles_of_their_draws",
        ),
    ),
    *faults(
        "laboratory against wild",
        (
            "compare_lab_and_wild",
            'table["difference"] = table["wild"] -',
            'table["difference"] = table["wild_ci_high"] -',
            "test_a_printed_cell_is_compared_by_fishers_test",
        ),
        (
            "compare_lab_and_wild",
            "transform(false_discovery_control)",
            "transform(lambda p: false_discovery_control(p, method='by'))",
            "test_q_values_are_benjamini_hochbergs_within_each_family",
        ),
        (
            "newcombe",
            "np.divide(count_2, n_2)",
            "np.divide(count_1, n_2)",
            "test_the_interval_of_a_difference_is_the_published_one",
        ),
        (
            "_p_values",
            'binom.sf(table["count"] - 1,',
            'binom.sf(table["count"],',
            "test_a_blank_cell_is_tested_against_20_percent_only",
        ),
    ),
    *faults(
        "AUs as a classifier",
        (
            "equation_7",
            "out=np.zeros_like(matched_NE), where=possible_NE > 0",
            "out=np.ones_like(matched_NE), where=possible_NE > 0",
            "test_equation_7_gives_nothing_to_an_emotion_without_observed_aus",
        ),
        (
            "naive_bayes_uniform",
            "np.log(1 - p_EA)",
            "np.log(p_EA)",
            "test_naive_bayes_gives_scikit_learns_probabilities",
        ),
        (
            "naive_bayes_class",
            "known.n_E + 1",
            "known.n_E + 100",
            "test_naive_bayes_gives_scikit_learns_probabilities",
        ),
        ("_answers", ".sum(1) > 1 for", ".sum(1) > 0 for", "test_ties_are_counted_and_go_to_the_lowest_id"),
        (
            "largest_class",
            "known.n_E.astype(float)",
            "-known.n_E.astype(float)",
            "test_the_largest_class_is_the_commonest_emotion_whatever_the_image_shows",
        ),
    ),
    *faults(
        "intervals",
        ("wilson", "(p + z * z / (2 * n))", "(p + z * z / n)", "test_wilson_equals_scipy"),
        ("wilson", "p * (1 - p)", "p", "test_wilson_equals_scipy"),
        (
            "posterior_masses",
            "betainc(count + 0.5, n - count + 0.5, cut)",
            "betainc(count + 1, n - count + 1, cut)",
            "test_posterior_masses_equal_the_beta_distribution_and_sum_to_one",
        ),
        (
            "interval_of_draws",
            "(1 - confidence) / 2, (1 + confidence) / 2",
            "1 - confidence, confidence",
            "test_the_interval_over_groups_equals_a_bootstrap_by_hand",
        ),
        (
            "alike_groups",
            "np.where(total == 0, 0, n_groups)",
            "np.where(total == 0, n_groups, 0)",
            "test_an_au_that_is_never_or_always_active_is_as_sure_as_so_many_images_would_make_it",
        ),
    ),
    *faults(
        "paired tests",
        (
            "mcnemar",
            ">= abs(difference_N.sum())",
            "> abs(difference_N.sum())",
            "test_one_net_each_gives_mcnemars_exact_test",
        ),
        (
            "net_difference",
            "n_a // shared * right_b_NS",
            "n_b // shared * right_b_NS",
            "test_the_difference_weighs_systems_alike_however_many_nets_they_have",
        ),
        (
            "holm",
            "np.arange(len(p), 0, -1)",
            "np.arange(1, len(p) + 1)",
            "test_holm_reproduces_a_worked_example",
        ),
    ),
    *faults(
        "metrics",
        (
            "recall",
            "confusion_KK.sum(1)",
            "confusion_KK.sum(0)",
            "test_epoch_metrics_equal_the_full_ones_at_one_half",
        ),
        (
            "uar",
            "_mean(recall(confusion_KK))",
            "accuracy(confusion_KK)",
            "test_epoch_metrics_equal_the_full_ones_at_one_half",
        ),
        (
            "average_precision",
            "np.maximum(known_NA.cumsum(0), 1)",
            "np.maximum(known_NA.sum(0), 1)",
            "test_average_precision_equals_scikit_learns_with_sample_weights",
        ),
        (
            "au_cells",
            "au_NA == 1, au_NA == 0",
            "au_NA == 1, au_NA != 1",
            "test_au_metrics_equal_scikit_learns_on_the_known_images",
        ),
        (
            "calibration",
            'row["n"] * abs(row["confidence"]',
            'abs(row["confidence"]',
            "test_calibration_error_equals_bins_filled_by_hand",
        ),
        (
            "majority_baseline",
            "train_count_K.argmax()",
            "train_count_K.argmin()",
            "test_the_majority_baseline_says_the_most_frequent_training_emotion",
        ),
    ),
    *faults(
        "bootstrap",
        (
            "group_weights",
            "random.integers(max(1, n_groups), size=(n, n_groups))",
            "random.integers(max(1, n_groups), size=(n, n_groups)) // 2",
            "test_the_interval_over_groups_equals_a_bootstrap_by_hand",
        ),
        (
            "Resampling.can_vary",
            "n_groups is None or n_groups > 1",
            "n_groups is None or n_groups > 0",
            "test_images_of_a_single_group_have_no_interval",
        ),
    ),
    *faults(
        "the paper's sentences",
        (
            "Environment.summed_E",
            "self.observed_EA(among), self.frequency_EA, 0",
            "self.observed_EA(), self.frequency_EA, 0",
            "test_summed_frequencies_are_of_the_categories_that_are_asked_for",
        ),
        (
            "only_in",
            "name == where for name in WHERES",
            "name != where for name in WHERES",
            "test_a_verdict_is_computed_it_turns_when_lab_and_wild_are_swapped",
        ),
        (
            "_covariance",
            "pairs.known_EAA * f_EA1 * f_E1A",
            "n_E[:, None, None] * f_EA1 * f_E1A",
            "test_the_covariance_from_pairs_is_the_sum_of_the_images_squared_residuals",
        ),
    ),
    *faults(
        "where maps lie",
        (
            "region_mask",
            "mask_HH |= rows_H[:, None] & columns_H",
            "mask_HH |= columns_H[:, None] & rows_H",
            "test_a_mask_is_the_pixels_whose_centre_lies_in_a_box",
        ),
        (
            "shares",
            "(mass_Nhh.sum(0) - mass_Nhh)",
            "(mass_Nhh.sum(0) + 0 * mass_Nhh)",
            "test_the_average_is_that_of_the_other_images_maps",
        ),
    ),
    *faults(
        "intervals",
        (
            "difference",
            "np.hypot(a.value - a.low, b.high - b.value)",
            "np.hypot(a.value - a.low, b.value - b.low)",
            "test_the_difference_of_two_rates_is_newcombes_written_out",
        ),
        (
            "recall",
            "n >= WILSON_FROM",
            "n >= 1",
            "test_a_recall_of_fewer_than_three_images_has_the_exact_interval_and_any_other_wilsons",
        ),
        ("clopper_pearson", "misses + 1, tail", "misses + 1, 2 * tail", "test_clopper_pearson_equals_scipy"),
        (
            "f1_of",
            "2 * jaccard / (1 + jaccard)",
            "jaccard",
            "test_f1_has_wilsons_limits_of_the_jaccard_index",
        ),
    ),
    *faults(
        "bootstrap",
        (
            "interval_of_draws",
            "np.where(is_still, as_images, of_draws)",
            "np.where(is_still & (n > 99), as_images, of_draws)",
            "test_groups_that_are_all_alike_count_as_one_image_each",
        ),
        (
            "mean_of_draws",
            "np.where(np.isnan(drawn_RK), one_K.value, drawn_RK)",
            "np.nan_to_num(drawn_RK)",
            "test_a_mean_of_figures_that_vary_has_the_percentiles_of_its_draws",
        ),
    ),
    *faults(
        "paired tests",
        (
            "flip_test",
            ">= observed",
            "> observed",
            "test_ties_are_hits_though_thirds_and_sixths_add_up_to_other_floats",
        ),
        (
            "flip_test",
            "max((1 + hits) / (1 + draws)",
            "max(hits / draws",
            "test_p_counts_the_observation_among_the_draws_and_knows_its_least",
        ),
        (
            "uar_differences",
            "scale // n if n else 0",
            "n",
            "test_what_images_add_to_uar_is_exact_in_a_common_unit",
        ),
        (
            "_PairOfSystems._swapped",
            "b.append(whole_b - gained)",
            "b.append(whole_b + 0 * gained)",
            "test_p_of_au_macro_f1_is_the_share_of_all_swaps_that_reach_the_difference",
        ),
    ),
    *faults(
        "AUs as a classifier",
        (
            "_over_images",
            "mean_of(recall_E)",
            "Estimate(*(of.mean() for of in recall_E))",
            "test_uar_has_the_interval_of_a_mean_recall_and_one_of_the_largest_class_has_a_width",
        ),
    ),
    *faults(
        "metrics",
        (
            "label_f1",
            "2 * hits_X + false_alarms_X + misses_X",
            "2 * hits_X + 2 * misses_X",
            "test_epoch_metrics_equal_the_full_ones_at_one_half",
        ),
    ),
]

LEARNING = [
    *faults(
        "ties",
        (
            "map_to_frequent",
            "(-n_untied[candidate], candidate)",
            "(n_untied[candidate], candidate)",
            "test_frequent_goes_by_the_untied_images_of_the_classes_that_the_tie_allows",
        ),
        (
            "map_to_frequent",
            "(-n_untied[candidate], candidate)",
            "(-n_untied[candidate], -candidate)",
            "test_frequent_takes_the_lower_id_where_classes_are_as_frequent",
        ),
        (
            "mapper",
            "if m.emotion_id is not None and not m.tied",
            "if m.emotion_id is not None",
            "test_frequent_goes_by_the_untied_images_of_the_classes_that_the_tie_allows",
        ),
        (
            "mapper",
            '{"first": map_first, "discard": map_discarding}',
            '{"first": map_first, "discard": map_first}',
            "test_each_policy_decides_a_tie_its_own_way",
        ),
    ),
    *faults(
        "split",
        (
            "_order",
            "-np.frexp(size_G)[1]",
            "np.frexp(size_G)[1]",
            "test_small_groups_even_out_what_a_large_one_leaves",
        ),
        (
            "class_sizes",
            "(sizes[i] - exact[i], i)",
            "(exact[i] - sizes[i], i)",
            "test_largest_remainders_round_up",
        ),
        (
            "_deal",
            "images_E - 2 * lacking_PE",
            "images_E - lacking_PE",
            "test_equal_groups_are_dealt_as_seats_are_by_websters_rule",
        ),
    ),
    *faults(
        "weights report",
        ("DEEPER", "0.05", "0.10", "test_as_many_tensors_more_as_three_or_a_twentieth_are_no_deeper_network"),
        ("DEEPER", "0.05", "0.06", "test_as_many_tensors_more_as_three_or_a_twentieth_are_no_deeper_network"),
        ("NEEDED", "0.95", "0.90", "test_a_twentieth_of_the_tensors_may_be_missing_and_no_more"),
        (
            "match",
            "if found[key].shape != own[key].shape",
            "if found[key].shape == own[key].shape",
            "test_what_keeps_its_random_start_is_named",
        ),
    ),
    *faults(
        "schedule",
        (
            "train",
            "done=iteration / (config.epochs",
            "done=(iteration + 1) / (config.epochs",
            "test_each_step_is_taken_at_the_rate_of_the_share_of_steps_before_it",
        ),
        (
            "train",
            "done=iteration / (config.epochs",
            "done=max(iteration - 1, 0) / (config.epochs",
            "test_each_step_is_taken_at_the_rate_of_the_share_of_steps_before_it",
        ),
        (
            "SCHEDULES",
            "(done >= 0.5)",
            "(done > 0.5)",
            "test_each_step_is_taken_at_the_rate_of_the_share_of_steps_before_it",
        ),
    ),
    *faults(
        "base learning",
        (
            "base_learning",
            "learner.losses_at(theta_star, batch, seed)",
            "learner.losses_at(theta_star, batch, seed + 1)",
            "test_base_learning_draws_the_random_masks_of_the_first_pass",
        ),
        (
            "base_learning",
            "raw_BT[:, 1:], weight_BT[:, 1:]",
            "raw_BT[:, 1:], weight_BT[:, :1]",
            "test_base_learning_draws_the_random_masks_of_the_first_pass",
        ),
    ),
    *faults(
        "losses",
        ("au_loss", "weight=known_BA", "weight=None", "test_unknown_aus_add_neither_loss_nor_gradient"),
        (
            "lab_aus",
            "expected_aus(p_emotion_BK, observed_KA).sigmoid()",
            "p_emotion_BK @ observed_KA.sigmoid()",
            "test_worked_example_with_lab_statistics",
        ),
        (
            "emotions_from_aus",
            "frequency_KA.sum(1)",
            "(frequency_KA > 0).sum(1).to(frequency_KA)",
            "test_worked_example_with_wild_statistics",
        ),
    ),
]

FAULTS = [
    *DATASET_FIGURES,
    *RUN_FIGURES,
    *DATASET_TABLES,
    *PAGES,
    *RUN_TABLES,
    *COMPARISON_TABLES,
    *STATISTICS,
    *LEARNING,
]
