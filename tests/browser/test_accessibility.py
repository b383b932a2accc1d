"""The widgets for everybody: axe-core looks at each of them, light and dark, and nothing moves by itself where that is not wanted."""

from __future__ import annotations

import pytest
from every_widget import WIDGETS
from looking import calm, wait_for_walk

import ikebook
from ikebook.widgets import ClipPlayer, PowerIterationStepper

FAULTS = """async (where) => {
    const { violations } = await axe.run(where, { resultTypes: ['violations'] });
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact)).flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary}`));
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, as a script."""
    package = pytest.importorskip(
        "axe_playwright_python.base", reason="axe-core is not installed: pip install axe-playwright-python"
    )
    return package.AXE_SCRIPT


def faults(page, axe: str, where: str) -> list[str]:
    """What axe-core calls serious or critical, of what a selector finds."""
    page.evaluate(axe)
    calm(page)  # while colours fade, their contrast is neither that of before nor that of after
    return page.evaluate(FAULTS, where)


@pytest.mark.parametrize("name", WIDGETS)
def test_axe_finds_no_serious_fault_in_a_saved_page(disk, tmp_path, axe, monkeypatch, name) -> None:
    monkeypatch.setattr("ikebook.widgets.chain_explorer.GRID", (4, 2))
    widget = WIDGETS[name](ikebook.toy("disc"))
    if hasattr(widget, "wait"):
        widget.wait(60)
    widget.save_html(tmp_path / "page.html")
    page = disk(tmp_path / "page.html").page
    for help_button in page.get_by_role("button", name="Keys").all():
        help_button.click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page, axe, "html") == []


IN_A_NOTEBOOK = """
import ikebook
from ikebook.widgets import *
made = ikebook.toy("disc")
shown = [ClipPlayer(made.clip, masks=made.clip.masks), ChainExplorer(made.clip, made.flow), MatrixExplorer(made.clip, made.flow),
    PowerIterationStepper(made.clip, made.flow), SpectrumExplorer(made.clip, made.flow), InitialisationRace(made.clip, made.flow),
    CycleDashboard(made.clip, made.flow)]
for each in shown:
    if hasattr(each, "wait"):
        each.wait(60)
    display(each)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_a_notebook(lab, axe, scheme) -> None:
    watched = lab.open("everybody", [IN_A_NOTEBOOK], scheme=scheme)
    page = watched.page
    page.get_by_role("button", name="Start", exact=True).wait_for()
    page.get_by_role("slider", name="flow noise, measured levels").wait_for()  # in place of that of Python's
    assert faults(page, axe, ".jp-OutputArea") == []


def test_nothing_moves_by_itself_for_who_wants_no_motion(disk, tmp_path) -> None:
    made = ikebook.toy("disc")
    ClipPlayer(made.clip).save_html(tmp_path / "player.html")
    page = disk(tmp_path / "player.html").page
    say = "(playing) => ikebookPage.shown.children[0].children[0].model.receive({ playing })"
    moved = ".ike[data-frame]:not([data-frame='0'])"
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(say, True)
    page.wait_for_timeout(300)  # three frames
    assert page.locator(moved).count() == 0
    page.get_by_role("button", name="Play the video").click()
    page.wait_for_selector(moved)
    # The same for who has not asked for that.
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.emulate_media(reduced_motion="no-preference")
    page.evaluate(say, True)
    page.wait_for_selector(moved)


def test_painting_iterates_once_for_who_wants_no_motion(disk, tmp_path) -> None:
    made = ikebook.toy("disc")
    PowerIterationStepper(made.clip, made.flow, pace=0.02).save_html(tmp_path / "stepper.html")
    page = disk(tmp_path / "stepper.html").page
    page.emulate_media(reduced_motion="reduce")
    wait_for_walk(page.locator(".ike-iteration"))
    page.locator(".ike-canvas").first.click(position={"x": 20, "y": 20})
    page.wait_for_selector(".ike-iteration[data-iteration='1']")
    page.wait_for_timeout(300)  # five iterations
    assert page.locator(".ike-iteration").get_attribute("data-iteration") == "1"
    page.get_by_role("button", name="Iterate").click()
    page.get_by_text("Converged").wait_for()
