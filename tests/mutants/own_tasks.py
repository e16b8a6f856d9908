"""Faults of tasks of one's own: labels, columns, words, what is measured and written."""

# fmt: off
from __future__ import annotations

OWN = "tests/data/tasks/test_own.py::test_"
SEVERAL = "tests/data/tasks/test_several_labels.py::test_"
READING = "tests/data/tasks/test_examples.py::test_"
VERBS = "tests/cli/test_own_tasks.py::test_"
TREES = "tests/data/treebanks/test_constituency.py::test_"
STUDIES = "tests/studies/workbench/test_tasks.py::test_"

VALUES, LABELS = "jaxheads/data/tasks/values.py", "jaxheads/data/tasks/labels.py"
FOUND, EXAMPLES = "jaxheads/data/tasks/found.py", "jaxheads/data/tasks/examples.py"
TASK, ENCODE = "jaxheads/data/tasks/task.py", "jaxheads/data/encode.py"
LINES, TREEBANK = "jaxheads/data/lines.py", "jaxheads/data/treebanks/constituency.py"
WORKBENCH = "jaxheads/studies/workbench/tasks.py"

FAULTS = (
    ("classes meet in the order of the model", LABELS,
     f"{OWN}classes_meet_by_name_and_numbers_by_number",
     "return tuple(theirs.index(name) for name in ours)", "return tuple(range(len(ours)))"),
    ("capitals make no difference", LABELS, f"{OWN}names_that_differ_by_capitals_alone_stay_apart",
     "for _ in range(2):", "theirs, ours = map(lambda n: [*map(plain_name, n)], (theirs, ours))\n"
     "    for _ in range(2):"),
    ("numbers are places of names that are numbers", LABELS,
     f"{OWN}numbers_that_are_names_are_no_places_however_they_are_written",
     "if numbers and not any(map(str.isdecimal, theirs)):", "if numbers:"),
    ("1.0 is another name than 1", VALUES,
     f"{OWN}numbers_that_are_names_are_no_places_however_they_are_written",
     "if number.is_integer():", "if False:"),
    ("a place is a name where names are numbers", VALUES,
     f"{OWN}names_that_are_numbers_are_no_places",
     "or named:", "or False:"),
    ("numbers are not told", EXAMPLES, f"{OWN}numbers_of_classes_that_have_names_are_told",
     "if not count and reader.labelled", "if False and reader.labelled"),
    ("labels of data in the order of the data", FOUND,
     f"{OWN}labels_of_data_are_their_sorted_names",
     "sorted(counts, key=int) if whole else sorted(counts)", "counts"),
    ("-1 is a class", FOUND, f"{OWN}a_label_that_may_be_none_is_asked_about",
     'in ("-1", "-", "-100")', 'in ("-", "-100")'),
    ("-100 is a class", FOUND, f"{SEVERAL}words_without_a_label_are_no_class",
     'in ("-1", "-", "-100")', 'in ("-1", "-")'),
    ("identifiers are classes", FOUND, f"{OWN}a_column_that_holds_no_classes_is_not_taken_for_one",
     "if len(counts) > MANY and", "if len(counts) > 10 * MANY and"),
    ("likeness of labels is not told", FOUND,
     f"{SEVERAL}labels_that_differ_by_capitals_or_spaces_are_told",
     "plain_name(name.strip())", "name.strip()"),
    ("columns of 0 and 1 in the order of the model", TASK,
     f"{SEVERAL}columns_of_0_and_1_meet_the_model_by_their_names",
     'object.__setattr__(self, "labels", self.answers)', "pass"),
    ("a list of 0 and 1 holds numbers of labels", VALUES,
     f"{SEVERAL}lists_of_0_and_1_for_each_label_are_read_as_such",
     "    if are_flags(names):\n        wanted", "    if False:\n        wanted"),
    ("labels of words are one word late", ENCODE,
     f"{SEVERAL}the_first_piece_of_a_word_has_its_label",
     "example.label[word]", "example.label[word - 1]"),
    ("all pieces of a word have its label", ENCODE,
     f"{SEVERAL}the_first_piece_of_a_word_has_its_label",
     "opens = word >= 0 and word != before", "opens = word >= 0"),
    ("several labels in the order of the task", ENCODE,
     f"{SEVERAL}classes_of_several_labels_are_the_readouts_by_name",
     "several_NC[row, number_C[list(label or ())]] = 1", "several_NC[row, list(label or ())] = 1"),
    ("a word that is a number sign is a comment", LINES,
     "tests/data/test_lines.py::test_lines_of_a_number_sign_are_comments_or_words",
     "(named or len(values) != len(names))", "True"),
    ("unlabelled rows are left out unasked", EXAMPLES,
     f"{READING}rows_without_a_label_are_left_out_on_request",
     "left_out = dict.fromkeys(reading.skip, 0)", 'left_out = {"unlabelled": 0, "broken": 0}'),
    ("words of unknown tags are not counted", TREEBANK,
     f"{TREES}words_of_unknown_tags_are_counted_by_tag",
     "self.unknown.append(tag)", "pass"),
    ("any tag set will do", TREEBANK, f"{TREES}another_tag_set_is_an_error_that_says_so",
     "if len(counts) > len(known):", "if len(counts) > 10 * len(known) + 10:"),
    ("tags are not permuted", WORKBENCH,
     f"{STUDIES}a_study_takes_words_with_tags_and_permutes_them_word_by_word",
     "tags[words] = np.random.default_rng(seed).permutation(tags[words])", "pass"),
    ("batches of words of one length alone", "jaxheads/inference/evaluate.py",
     "tests/inference/test_evaluate.py::test_words_count_alike_in_batches_of_any_length",
     "np.concatenate(_as_wide(column))", "np.concatenate(column)"),
    ("a log replaces any file", "jaxheads/cli/train.py",
     f"{VERBS}a_log_replaces_no_other_file",
     "return not start.strip() or start.startswith(b'{\"step\": ')", "return True"),
    ("evaluate does not warn", "jaxheads/cli/evaluate.py",
     f"{VERBS}a_model_below_the_baseline_is_told",
     "if value >= baseline:", "if value >= 0:"),
    ("another classifier is put in the place unasked", "jaxheads/cli/inputs.py",
     f"{VERBS}a_classifier_is_replaced_only_if_asked",
     "if model.readout.labels and not options.new_classifier:", "if False:"),
    ("labels in the data that the model lacks", "jaxheads/cli/inputs.py",
     f"{VERBS}a_model_is_not_trained_on_labels_that_it_lacks",
     "if strange := [name for name in names if class_number(own.labels, name) is None]:",
     "if strange := []:"),
)
