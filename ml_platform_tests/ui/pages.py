"""The pages of Dagster's UI, by what is written on them.

Belongs here: how to get somewhere by clicking, and where on a page something stands. Does not: what it has to be
(`test_ui`).
"""

import re
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Locator, Page, expect

from ml_platform.settings import PROJECT_ROOT
from ml_platform_tests.ui.browser import SIZE

TALL = 12_000
SCREENSHOTS = PROJECT_ROOT / "build" / "ui"

_EDGES = """() => {
  const groups = [...document.querySelectorAll("foreignObject.group")].map(box => ({
    name: box.querySelector("[data-tooltip]")?.dataset.tooltip ?? box.textContent.trim(), // the text may be cut
    left: box.x.baseVal.value, right: box.x.baseVal.value + box.width.baseVal.value,
    top: box.y.baseVal.value, bottom: box.y.baseVal.value + box.height.baseVal.value}));
  const at = (side, {x, y}) => groups.find(
    group => Math.abs(group[side] - x) <= 10 && group.top <= y && y <= group.bottom)?.name;
  return [...document.querySelectorAll("path[marker-end]")].map(path => [
    at("right", path.getPointAtLength(0)), at("left", path.getPointAtLength(path.getTotalLength()))]);
}"""
"""(from, to) of each arrow that is drawn: the groups whose right and left side its ends touch."""


class Edge(NamedTuple):
    """One arrow of the lineage graph, between groups of assets."""

    upstream: str
    downstream: str


class DagsterUi(NamedTuple):
    """The UI at `url`, in one page of a browser."""

    page: Page
    url: str

    def open(self, path: str) -> None:
        """Go to a page by its address."""
        self.page.goto(f"{self.url}{path}")

    def go_to(self, name: str) -> None:
        """Go to a page by the navigation on the left."""
        self.page.get_by_role("navigation").get_by_role("link", name=name).click()

    def see_whole_lists(self) -> None:
        """Make the page so tall that every row of a list is in view: the others are not drawn."""
        self.page.set_viewport_size({"width": SIZE[0], "height": TALL})

    def materialize(self, asset: str, partitions: str) -> None:
        """From the asset's page, launch these by the dialog; the page is then that of the run or backfill."""
        self.open(f"/assets/{asset}")
        self.page.get_by_role("button", name="Materialize…").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill(partitions)
        dialog.get_by_role("textbox").press("Enter")
        dialog.get_by_role("button", name=re.compile("^Launch")).click()
        expect(dialog).to_be_hidden()
        self.go_to("Runs")  # the note that offers to lead there goes by itself, on a busy machine before it is clicked
        self.page.get_by_text("View", exact=True).first.click()
        self.page.wait_for_url("**/runs/**")

    def open_partitions(self, asset: str) -> None:
        """Go to the partitions of an asset."""
        self.open(f"/assets/{asset}")
        self.page.get_by_role("tab", name="Partitions").click()

    def choose_partition(self, key: str) -> None:
        """On the page of partitions, leave out those that are missing, and look at one of the others."""
        self.page.get_by_text(re.compile(r"^Missing \(")).click()
        self.page.get_by_title(key).first.click()

    def dot(self, partition: str) -> Locator:
        """The coloured dot beside a partition in the list, which comes before its heading."""
        return self.page.get_by_title(partition).first.locator("xpath=../following-sibling::div")

    def switch(self, automation: str) -> Locator:
        """The switch of a sensor or schedule: the last control of its row."""
        link = self.page.get_by_role("link", name=re.compile(rf"\b{automation}\b"))
        row = link.locator("xpath=ancestor::*[count(.//input[@type='checkbox'])=2][1]")
        return row.get_by_role("checkbox").last

    def edges(self) -> set[Edge]:
        """The arrows between the groups of the lineage graph, as they are drawn."""
        return {Edge(*ends) for ends in self.page.evaluate(_EDGES)}

    def shoot(self, name: str) -> Path:
        """A picture of the page as it is now, in `SCREENSHOTS`."""
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
