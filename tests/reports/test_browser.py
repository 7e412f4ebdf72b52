"""The report in headless Chromium: nothing on its console, every picture loaded, an interval on hover and on focus."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000"),
)

ROOM_AROUND_THE_TIP = """
const tip = arguments[0].querySelector('.tip').getBoundingClientRect();
const table = arguments[0].closest('.scroll').getBoundingClientRect();
return [tip.left - table.left, tip.top - table.top, table.right - tip.right, table.bottom - tip.bottom];
"""

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no chromium and chromedriver here to open the report with"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


def open_page(browser: webdriver.Chrome, page: Path) -> None:
    browser.get_log("browser")  # empties it
    browser.get(page.as_uri())


def tip_is_seen(value: WebElement) -> bool:
    tip = value.find_element(By.CLASS_NAME, "tip")
    return tip.value_of_css_property("visibility") == "visible" and "95 % interval" in tip.text


@pytest.mark.parametrize("which", ["reports", "other_reports"])
def test_the_console_stays_empty_and_every_picture_loads(which, request, browser):
    open_page(browser, request.getfixturevalue(which) / "report.html")
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 6
    assert min(widths) > 100
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("which", ["reported_run", "other_run"])
def test_the_page_of_a_run_loads_quietly_and_never_scrolls_sideways(which, width, request, browser):
    browser.set_window_size(width, 900)
    open_page(browser, request.getfixturevalue(which) / "report" / "report.html")
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    overflow = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    browser.set_window_size(1400, 1000)
    assert len(widths) == 3
    assert min(widths) > 100
    assert overflow <= 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("name", ["report.html", "table1.html"])
@pytest.mark.parametrize("position", [0, -1])
def test_a_figure_of_table_1_shows_its_interval_on_hover(name, position, reports, browser):
    open_page(browser, reports / name)
    value = browser.find_elements(By.CSS_SELECTOR, ".wild-row .value")[position]
    assert not value.find_element(By.CLASS_NAME, "tip").is_displayed()
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', inline: 'end', behavior: 'instant'})", value
    )
    ActionChains(browser).move_to_element(value).perform()
    WebDriverWait(browser, 5).until(lambda _: tip_is_seen(value))
    left, top, right, bottom = browser.execute_script(ROOM_AROUND_THE_TIP, value)
    assert min(left, top, right, bottom) > -1  # pixels, which may be halves


def test_a_figure_of_table_1_shows_its_interval_to_the_keyboard(reports, browser):
    open_page(browser, reports / "report.html")
    value = browser.find_element(By.CSS_SELECTOR, ".wild-row .value")
    browser.execute_script("arguments[0].focus()", value)
    WebDriverWait(browser, 5).until(lambda _: tip_is_seen(value))
    assert browser.switch_to.active_element == value


@pytest.mark.parametrize("width", [1400, 700, 420])
def test_the_page_never_scrolls_sideways(width, reports, browser):
    open_page(browser, reports / "report.html")
    browser.set_window_size(width, 900)
    overflow = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    browser.set_window_size(1400, 1000)
    assert overflow <= 0
