#!/usr/bin/env python3
"""Tests the dashboard in headless chromium against a running server.

  dashboard_test.py --url http://127.0.0.1:8080 --link 'http://127.0.0.1:8080/#signin=CODE' --export '{"contentType": …}'

--link is a one-time sign-in link that nobody has used. --export is the body of POST /content/export for an export that takes
some seconds: it is started three times: listed, watched to its end, and paused, resumed and cancelled. Instead, --job ID
and --control ID name jobs that run already; without any of these the newest job is opened, and what needs a running one is
left out. --shots FOLDER keeps a picture of each view.

The last line is "N passed, N failed"; the exit status is 0 if none failed. Needs PyPI's playwright and Debian's chromium (or
CHROMIUM=path).
"""

import argparse
import os
import shutil
import sys
import traceback
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--url", required=True, help="where the server is")
parser.add_argument("--link", required=True, help="an unused one-time sign-in link")
parser.add_argument("--export", metavar="JSON", help="what to export, as the body of POST /content/export")
parser.add_argument("--job", help="the id of a job to open and watch")
parser.add_argument("--control", help="the id of a job to pause, resume and cancel")
parser.add_argument("--shots", type=Path, help="a folder for pictures of each view")
options = parser.parse_args()
url = options.url.rstrip("/")
patience_ms = 15_000
checks = []


def check(sentence):
    """A check is a function named by a sentence; they run in the order in which they stand, in one tab."""
    def add(function):
        checks.append((sentence, function))
        return function
    return add


def shoot(page, name):
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=options.shots / f"{name}.png", full_page=True)


@check("without a session the page asks to sign in and loads no job")
def _(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url + "/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not any(address.startswith(url + "/jobs") for address in asked), asked
    shoot(page, "signin")


@check("a token that is wrong leads back to the sign-in")
def _(page):
    page.get_by_role("textbox").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="session is over")).to_be_visible()


@check("the one-time link signs in, and its code is gone from the address")
def _(page):
    page.goto("about:blank")
    page.goto(options.link)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert "signin" not in page.url, page.url
    assert page.evaluate("localStorage.length") == 0, "something was kept in localStorage"


@check("the list shows jobs with their state and an accessible progress bar")
def _(page):
    if options.export:
        start_export(page)
    row = page.locator(".jobs li").first
    expect(row).to_be_visible()
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-label", "Progress of " + title_of(row))
    expect(row.locator(".percent")).to_contain_text("%")
    shoot(page, "jobs")


def start_export(page):
    """Starts an export as the user who is signed in, and returns its id."""
    return page.evaluate("""async (body) => {
        const token = JSON.parse(sessionStorage.getItem("waybill.session")).token;
        const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
        const response = await fetch("/content/export", { method: "POST", headers, body });
        if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
        return (await response.json()).jobId;
    }""", options.export)


def title_of(row):
    return row.locator("a.name").evaluate("link => link.firstChild.textContent")


@check("a state filter is kept in the address and over a reload")
def _(page):
    page.get_by_role("navigation", name="State").get_by_role("link", name="Cancelled").click()
    expect(page).to_have_url(f"{url}/#/jobs?state=cancelled")
    page.reload()
    expect(page.get_by_role("navigation", name="State").get_by_role("link", name="Cancelled")).to_have_attribute(
        "aria-current", "page")
    page.get_by_role("navigation", name="State").get_by_role("link", name="All").click()
    expect(page.locator(".jobs li").first).to_be_visible()


@check("a job opens by keyboard, and the focus lands on its heading")
def _(page):
    if options.export:
        options.job = start_export(page)
    if options.job:
        page.goto(f"{url}/#/jobs/{options.job}")
    else:
        page.locator(".jobs a.name").first.focus()
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator("dl.facts")).to_contain_text("Created")


@check("its progress bar moves, never back, until the job has ended")
def _(page):
    state = page.locator(".meter.large .state")
    if state.get_attribute("data-state") in ("completed", "failed", "cancelled", "expired"):
        assert not options.job, f"the job {options.job} had ended before it could be watched"
        return
    seen = page.evaluate("""async () => {
        const bar = document.querySelector(".meter.large progress"), state = document.querySelector(".meter.large .state");
        const final = ["completed", "failed", "cancelled", "expired"], seen = [bar.value];
        for (let frames = 0; frames < 60 * 120 && !final.includes(state.dataset.state); frames += 1) {
            await new Promise(requestAnimationFrame);
            if (bar.value !== seen.at(-1)) seen.push(bar.value);
        }
        return seen;
    }""")
    shoot(page, "job")
    assert len(seen) >= 2, f"the bar stood still at {seen}"
    assert seen == sorted(seen), f"the bar went back: {seen}"
    expect(state).to_have_attribute("data-state", "completed")
    assert seen[-1] == 100, f"the job ended at {seen[-1]} %"


@check("its events are listed with their numbers")
def _(page):
    expect(page.locator(".events li").first).to_be_visible()
    numbers = page.locator(".events li").evaluate_all("lines => lines.map((line) => line.value)")
    assert numbers == sorted(set(numbers), reverse=True) and numbers[-1] > 0, numbers
    expect(page.locator(".events")).to_contain_text("Created")


@check("what an ended job can't do is disabled")
def _(page):
    for action in ("Pause", "Resume", "Cancel"):
        expect(page.get_by_role("button", name=action, exact=True)).to_be_disabled()


@check("the file of a completed export is downloaded by a click")
def _(page):
    if page.locator(".meter.large .state").get_attribute("data-state") != "completed":
        return
    if "content.export" not in page.locator("dl.facts").inner_text():
        return
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).stat().st_size > 0, "the file is empty"


@check("a running job is paused, resumed, and cancelled once that is confirmed")
def _(page):
    if options.export:
        options.control = start_export(page)
    if not options.control:
        return
    page.goto(f"{url}/#/jobs/{options.control}")
    state = page.locator(".meter.large .state")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(state).to_have_attribute("data-state", "paused")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(state).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    shoot(page, "confirm")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(state).to_have_attribute("data-state", "cancelled")
    expect(page.get_by_role("button", name="Retry", exact=True)).to_be_enabled()


@check("on a telephone nothing is wider than the screen")
def _(page):
    page.set_viewport_size({"width": 360, "height": 740})
    for address in (page.url, f"{url}/#/jobs", f"{url}/#/notices"):
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{address} is {width} wide"
        shoot(page, "phone-" + (address.rsplit("/", 1)[1] if "jobs/" not in address else "job"))
    page.set_viewport_size({"width": 1280, "height": 800})


@check("the dark scheme is followed")
def _(page):
    def background():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(f"{url}/#/jobs")
    light = background()
    page.emulate_media(color_scheme="dark")
    assert background() != light
    shoot(page, "dark")
    page.emulate_media(color_scheme="light")


@check("an unknown job says so")
def _(page):
    page.goto(f"{url}/#/jobs/00000000-0000-7000-8000-000000000000")
    expect(page.locator("#trouble")).to_be_visible()
    page.goto(f"{url}/#/jobs")
    expect(page.locator("#trouble")).to_be_hidden()


@check("signing out forgets the token")
def _(page):
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


@check("the link works only once")
def _(page):
    page.goto("about:blank")
    page.goto(options.link)
    expect(page.get_by_role("alert").filter(has_text="used up")).to_be_visible()


def main():
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not executable:
        sys.exit("There is no chromium: apt-get install chromium")
    passed = failed = 0
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.set_default_timeout(patience_ms)
        expect.set_options(timeout=patience_ms)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
        for sentence, function in checks:
            try:
                function(page)
                assert not complaints, f"the page complained: {complaints}"
                passed += 1
                print(f"ok      {sentence}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED  {sentence}\n        {error}", flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
                shoot(page, f"failed-{failed}")
                complaints.clear()
        browser.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
