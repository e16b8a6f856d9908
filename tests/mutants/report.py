"""Faults of what a page claims: verdicts, counts, intervals, baselines, ceilings, cuts."""

# fmt: off
from __future__ import annotations

OF_CLAIMS, OF_SPREAD, OF_ACCEPTABLE, OF_REGIMES, OF_SENTENCES = (
    f"tests/report/{name}.py::test_"
    for name in (
        "test_claims", "test_spread", "chiang2021/test_acceptable", "chiang2021/test_regimes",
        "test_sentences",
    )
)
ONE_MODEL = f"{OF_CLAIMS}one_model_otherwise_claims_nothing_but_says_its_rank"
RANK = f"{OF_CLAIMS}of_one_model_the_rank_among_its_random_masks_decides"
COUNTED = f"{OF_CLAIMS}only_differences_over_several_seeds_are_counted_together"
CORRECTED = f"{OF_CLAIMS}counts_are_corrected_for_their_number_or_said_not_to_be"
CHANCE = f"{OF_CLAIMS}a_model_is_at_chance_unless_its_seeds_lie_clearly_above_the_baseline"
TOGETHER = f"{OF_SPREAD}the_row_of_all_seeds_speaks_for_them"
UNBOUNDED = f"{OF_SENTENCES}without_bounds_nothing_is_claimed"
ONE_SEED = f"{OF_SENTENCES}one_seed_claims_nothing_of_orders_and_trainings"
AT_CHANCE = f"{OF_SENTENCES}models_at_chance_claim_nothing_of_heads"
NEEDED = "tests/report/chiang2021/test_answers.py::test_" + (
    "no_head_is_marked_as_needed_where_none_is_or_a_constant_answer_does"
)
NO_K95 = "tests/report/chiang2021/test_answers.py::test_" + (
    "a_model_whose_seeds_are_not_clearly_above_chance_is_no_answer"
)
TOP = f"{OF_SENTENCES}models_at_a_ceiling_say_so_and_claim_nothing"

CLAIMS, BASELINE, SPREAD, ACCEPTABLE, DEDUCTION, REGIMES, ANSWERS, DEPENDENCIES, LUO, COMPARISON = (
    f"jaxheads/report/{name}.py"
    for name in (
        "claims", "baseline", "spread", "chiang2021/acceptable", "chiang2021/deduction",
        "chiang2021/regimes_answer", "chiang2021/answers", "htut2019/dependencies",
        "luo2021/constituency", "li2021/differences",
    )
)
QUESTIONS, HUMOR, MAPS, SINGLE = (
    f"jaxheads/report/{name}.py"
    for name in ("questions", "peyrard2021/answer", "agreement", "michel2019/single")
)
ABOVE_ALL = "tests/report/htut2019/test_dependencies.py::test_" + (
    "whole_trees_lie_above_every_head_that_sees_no_word_or_not"
)
(NOT_ROUNDED, PRINTED, HELD, UNLEARNED, MORE_THAN, IDLE_MAPS, TWO_SIGNS, OF_PRUNERS, FURTHER,
 MARKS) = (
    f"tests/report/{file}.py::test_{name}"
    for file, name in (
        ("chiang2021/test_answers", "heads_that_can_go_are_not_rounded_up_and_one_model_is_not_"
         "counted_with_several"),
        ("chiang2021/test_answers", "reliability_and_floors_are_printed"),
        ("luo2021/test_constituency", "a_change_is_held_against_the_hypothesis"),
        ("luo2021/test_constituency", "changes_by_tasks_that_models_did_not_learn_are_named_or_not_"
         "counted"),
        ("peyrard2021/test_humor", "what_a_head_is_more_than_is_told_by_the_intervals_over_seeds"),
        ("test_agreement", "importance_in_models_at_chance_is_not_counted"),
        ("test_agreement", "a_seed_of_the_other_sign_or_without_a_p_value_claims_nothing"),
        ("zhang2020/test_meta", "the_answer_counts_only_intervals_that_leave_zero_out"),
        ("li2021/test_comparison", "what_goes_further_is_told_beside_learned_subsets"),
        ("li2021/test_comparison", "differences_are_marked_where_the_model_is_at_chance"),
    )
)

FAULTS = (
    # one difference
    ("an unknown number of models claims", CLAIMS,
     f"{OF_CLAIMS}a_difference_of_an_unknown_number_of_models_claims_nothing",
     "found * (row.seeds is not None)", "found"),
    ("a few draws are enough", CLAIMS, ONE_MODEL, "draws >= FEWEST and", "draws and"),
    ("most draws are enough", CLAIMS, ONE_MODEL, "<= LEVEL * draws", "<= 0.2 * draws"),
    ("all draws are asked for", CLAIMS, RANK, "<= LEVEL * draws", "<= 0"),
    ("what is not ahead is behind", CLAIMS, ONE_MODEL,
     "(row.ahead if found > 0 else row.behind) or 0", "(row.ahead or 0 if found > 0 else 99)"),
    ("draws of neither way count", CLAIMS,
     f"{OF_SENTENCES}one_seed_with_enough_draws_claims_its_rank_and_is_not_counted",
     "draws *= _is_drawn(row.method, row.reading) or _is_drawn(row.other_method, "
     "row.other_reading)",
     "draws *= 1"),
    ("what did not vary is certain", SPREAD, f"{OF_SPREAD}bounds_without_any_variation_are_none",
     "if row.low == row.high:", "if row.low == row.high == row.p_value:"),
    ("a missing bound is 0", CLAIMS, f"{OF_CLAIMS}of_several_seeds_the_interval_decides",
     "low, high = interval_of(row) or (0.0, 0.0)", "low, high = row.low or 0.0, row.high or 0.0"),
    # many
    ("one model is counted", CLAIMS, COUNTED, "(row.seeds or 0) > 1]", "(row.seeds or 0) > 0]"),
    ("models at chance are counted", CLAIMS, CHANCE,
     "known = [row for row in rows if not idle(row)]", "known = list(rows)"),
    ("what is corrected is not asked for its sign", CLAIMS, CORRECTED, "own and p < LEVEL",
     "p < LEVEL"),
    ("a missing p-value is passed over", CLAIMS, CORRECTED, "if len(tested) < len(rows):",
     "if not tested:"),
    ("a p-value that is none is small", CLAIMS, CORRECTED, "[p if own else 1.0 for p",
     "[p if own else 0.0 for p"),
    # intervals
    ("few seeds have z", SPREAD, f"{OF_SPREAD}a_mean_over_seeds_has_students_interval",
     "scipy.special.stdtrit(len(values) - 1, 0.975)", "1.96"),
    ("the first seed speaks for all", SPREAD, TOGETHER, "if _models(row) > 1]",
     "if _models(row) == 1][:1]"),
    ("all seeds together are one more", SPREAD, TOGETHER,
     "together if len(together) == 1 else rows", "rows"),
    ("several seeds have the interval of the first", SPREAD,
     f"{OF_SPREAD}single_seeds_with_intervals_have_a_range", "if others:", "if not rows:"),
    # baselines and ceilings
    ("the mean alone is above the baseline", BASELINE, CHANCE,
     "mean_of(list(values.values())).low", "mean_of(list(values.values())).mean"),
    ("no bound is above the baseline", BASELINE,
     f"{OF_CLAIMS}the_studys_own_interval_above_the_baseline_comes_first",
     "row.low is None or not row.low > 0", "row.low is not None and row.low <= 0"),
    ("a loss is at chance", BASELINE, f"{OF_CLAIMS}a_loss_has_no_chance_and_no_ceiling",
     ' or metric == "loss"', ""),
    ("all budgets have one baseline", BASELINE,
     f"{OF_CLAIMS}each_place_and_regime_has_its_own_baseline",
     'rows = study.at(Stage.ABOVE_BASELINE, **where, **(regime or {"place": place}))',
     'rows = study.at(Stage.ABOVE_BASELINE, **where, **({**regime, "budget": None} if '
     'regime else {"place": place}))'),
    # the acceptable deduction
    ("a bound at the deepest cut is a limit", ACCEPTABLE,
     f"{OF_ACCEPTABLE}at_the_deepest_cut_it_is_at_least_that",
     "unsurely < max(each.cuts)", "unsurely <= max(each.cuts)"),
    ("one cut is a range of cuts", ACCEPTABLE,
     f"{OF_ACCEPTABLE}one_cut_is_named_as_the_only_one", "if first == last:", "if first > last:"),
    ("a task at chance needs its heads", ACCEPTABLE,
     f"{OF_ACCEPTABLE}a_task_at_chance_or_near_a_constant_answer_says_nothing_of_heads",
     "suffices or at_chance(study, each.model, task)", "suffices"),
    ("without bounds no cut is safe", ACCEPTABLE,
     f"{OF_ACCEPTABLE}without_bounds_nothing_is_sure",
     '"" if each.surely is None else f"; {safe}, {deep}"', 'f"; {safe}, {deep}"'),
    ("the figure has the mean of shares", DEDUCTION,
     f"{OF_ACCEPTABLE}the_figure_averages_as_the_answer_does",
     "shares._replace(mean=top / bottom)", "shares._replace(mean=mean(shares[:1]))"),
    # regimes
    ("one regime at chance silences both", REGIMES,
     f"{OF_REGIMES}one_regime_at_chance_is_marked_and_still_less_than_one_that_is_not",
     "return all(at_chance(", "return any(at_chance("),
    ("regimes at chance answer", REGIMES, f"{OF_REGIMES}two_regimes_at_chance_answer_nothing",
     "if _both_idle(study, row):", "if not row:"),
    ("a whole model at chance silences its regimes", REGIMES,
     f"{OF_REGIMES}a_whole_model_at_chance_does_not_silence_regimes_that_are_not",
     "lambda row: _both_idle(study, row)", "None"),
    ("regimes at the ceiling are not said to be", REGIMES,
     f"{OF_REGIMES}two_regimes_at_the_ceiling_are_said_to_be", "found.mean >= TOP",
     "found.mean > 1"),
    # pages
    ("a change without bounds is clear", DEPENDENCIES, UNBOUNDED,
     "if found.kind == INTERVAL and not found.holds(0.0):", "if not found.holds(0.0):"),
    ("a change of one model is clear", DEPENDENCIES, ONE_SEED, "if found.number == 1:",
     "if found.number == 0:"),
    # answers from the table of questions, and what else is counted
    ("questions count models at chance", QUESTIONS, AT_CHANCE,
     "several, left_out = counted(study, rows)", 'several, left_out = list(rows), ""'),
    ("questions call a way better by its mean", QUESTIONS, UNBOUNDED, "if side(row) > 0",
     "if row.value > 0"),
    ("what is worse is better", QUESTIONS, OF_PRUNERS, "worse=clear_in(rows, -1)",
     "worse=clear_in(rows)"),
    ("what is subtracted is not told apart", QUESTIONS, OF_PRUNERS,
     "if other_way(row) == other], of=other", "if other_way(row)], of=other"),
    ("what goes further is compared with the gradient", QUESTIONS, FURTHER,
     "(row.other_method != OWN) == further", "(row.other_method == OWN) == further"),
    ("models at chance go further", COMPARISON, AT_CHANCE,
     "several, left_out = counted(study, rows)", 'several, left_out = rows, ""'),
    ("differences at chance are not marked", COMPARISON, MARKS,
     "CROSS * at_chance(study, row.model, row.task)", '""'),
    ("changes by tasks that no model learned", LUO, AT_CHANCE,
     "counted(study, rows, lambda row: row.model not in able)",
     "counted(study, rows, lambda row: not row.model)"),
    ("changes of one seed", LUO, ONE_SEED,
     "several, left_out = counted(study, rows, lambda row: row.model not in able)",
     'several, left_out = rows, ""'),
    ("changes against the hypothesis are for it", LUO, HELD,
     "clear_in(several, -1)", "clear_in(several)"),
    ("some tasks that were not learned are not named", LUO, UNLEARNED,
     "if model in able)", "if model not in able)"),
    ("one control is enough", HUMOR, MORE_THAN,
     "all(side_of_interval(row)", "any(side_of_interval(row)"),
    ("the other form of the task is a control", HUMOR, MORE_THAN,
     "if row.other_method and row.other_task not in forms", "if row.other_method"),
    ("a head without which accuracy rises matters", HUMOR, MORE_THAN,
     "Metric.ACCURACY, CHOSEN, -1)", "Metric.ACCURACY, CHOSEN, 1)"),
    ("a head of one seed is more than its controls", HUMOR, ONE_SEED,
     "if (r.seeds or 0) > 1]", "if r]"),
    ("heads at chance are more than their controls", HUMOR, AT_CHANCE,
     "able = [place for place in found if not at_chance(study, *place)]", "able = found"),
    ("maps go with importance at chance", MAPS, IDLE_MAPS,
     "if at_chance(study, each.model, each.task):", "if not each.rows:"),
    ("maps of two signs go with importance", MAPS, TWO_SIGNS,
     "1.0 if p is None or not same > 0 else p", "1.0 if p is None else p"),
    ("an unknown p-value is passed over", SPREAD, TWO_SIGNS,
     "1.0 if math.isnan(p) else p", "0.0 if math.isnan(p) else p"),
    ("trees above one head that sees no word", DEPENDENCIES,
     ABOVE_ALL, "and all(\n", "and any(\n"),
    ("heads of models at chance help", SINGLE, AT_CHANCE,
     "idle = at_chance(study, model, task)", "idle = False"),
    ("heads are needed that a constant answer does without", "jaxheads/report/maps.py", NEEDED,
     "if floor_suffices(study, model, task, 0.95):", "if not study:"),
    ("heads are marked where none is needed", "jaxheads/report/maps.py", NEEDED,
     "k95.mean >= score_LH.size or", ""),
    ("one model is the least or the most", ANSWERS, NOT_ROUNDED,
     "if share.has_bounds} or asked", "} or asked"),
    ("a mean of heads is rounded", ANSWERS, NOT_ROUNDED,
     "(mean {short(spread.mean)}", "(mean {round(spread.mean)}"),
    ("an unsure whole model is above its floors", ANSWERS, PRINTED,
     "at_chance(study, model, task) or whole.mean <= highest", "whole.mean <= highest"),
    ("k95 of models at chance is the answer", ANSWERS, NO_K95,
     "not at_chance(study, *place)\n        and not floor", "not floor"),
    ("k95 of models that need no head is the answer", ANSWERS, TOP, "and share.mean < 1\n", "\n"),
)
