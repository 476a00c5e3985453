"""Reports of results: self-contained, and safe with hostile names."""

from fewact.lab.evaluation import compare, evaluate_method
from fewact.lab.evaluation.report import result_page
from fewact.report.document import Page
from tests.lab.evaluation.made_up import Constant, Nearest, problem
from tests.report.test_explanation import HOSTILE, check_hostile_name_is_text


def of_results(name: str) -> Page:
    arguments = problem(noise=0.2)
    results = [
        evaluate_method(method(), *arguments, flags=(name,)).model_copy(update={"command": name})
        for method in (Nearest, Constant)
    ]
    labels = list(results[0].per_class)
    results = [
        one.model_copy(
            update={
                "per_class": dict(zip((name, *labels[1:]), one.per_class.values(), strict=True))
            }
        )
        for one in results
    ]
    names = [name, "second.json"]
    return result_page(results, names, [(names, compare(results))])


def test_hostile_names_are_text() -> None:
    check_hostile_name_is_text(of_results(HOSTILE))


def test_a_page_of_results_has_intervals_settings_flags_and_comparisons() -> None:
    found = of_results("modified list")
    results = found.sections[0].tables[0].rows
    assert results[0][-1] == "modified list"
    assert found.sections[1].title == "Comparisons"
    assert found.sections[1].tables[0].rows[0][:2] == ("modified list", "second.json")
    settings = dict(row for row in found.sections[2].tables[0].rows)  # type: ignore[misc]
    assert len(settings["Episodes"].rpartition(" ")[2]) == 64
    assert found.sections[0].bars[0].text == f"{results[0][2]} %"


def test_a_page_of_one_result_has_no_comparison() -> None:
    page = result_page([evaluate_method(Nearest(), *problem())], ["a.json"])
    assert page.title == "a.json"
    assert [one.title for one in page.sections] == [
        "Accuracy",
        "Settings: a.json",
        "Classes: a.json",
    ]
