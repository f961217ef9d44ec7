#!/usr/bin/env python3
"""Tests the clients for browsers, waybill-upload.js and waybill-download.js, in headless chromium against a running server.

  upload_test.py --url http://127.0.0.1:8080 --token TOKEN

TOKEN is of a user who may upload, and has no files yet. The last line is "N passed, N failed"; the exit status is 0 if none
failed. Needs PyPI's playwright and Debian's chromium (or CHROMIUM=path).
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--url", required=True, help="where the server is")
parser.add_argument("--token", required=True, help="a token of somebody who may upload")
options = parser.parse_args()
url = options.url.rstrip("/")
chunk_bytes = 5 << 20
file_bytes = 6 * chunk_bytes + 12_345
checks = []

# A page of one's own, with nothing on it but the client. It is answered in the server's name, so that it has its origin.
PAGE = """<!doctype html><meta charset="utf-8"><title>upload</title><input type="file" id="file">
<script type="module">
import { Sha256, Upload } from "/client/waybill-upload.js";
import { Download } from "/client/waybill-download.js";
window.Sha256 = Sha256;
window.load = (id, options) => {
  const download = new Download(id, { token: window.token, ...options });
  window.download = download;
  window.seen = [];
  download.addEventListener("progress", (event) => window.seen.push(event.detail));
  window.result = download.start().then(async (blob) => {
    const hash = new Sha256();
    hash.update(new Uint8Array(await blob.arrayBuffer()));
    return { size: blob.size, hash: hash.hex() };
  }, (error) => ({ error: error.message, code: error.code ?? null }));
};
window.begin = (options) => {
  const upload = new Upload(document.querySelector("#file").files[0], { token: window.token, ...options });
  window.upload = upload;
  window.seen = [];
  upload.addEventListener("progress", (event) => window.seen.push(event.detail));
  window.result = upload.start().then((file) => ({ file }), (error) => ({ error: error.message, code: error.code ?? null }));
};
window.isReady = true;
</script>"""


def check(sentence):
    """A check is a function named by a sentence; they run in the order in which they stand, in one tab."""
    def add(function):
        checks.append((sentence, function))
        return function
    return add


def ask(path, method="GET"):
    request = urllib.request.Request(url + path, method=method, headers={"authorization": f"Bearer {options.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def tasks(status):
    return json.loads(ask(f"/api/files/upload/tasks?status={status}"))


def make_file(folder, seed, size=file_bytes):
    path = Path(folder) / f"film-{seed}.mp4"
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def open_page(page, path):
    page.goto(url + "/own-page")
    page.wait_for_function("window.isReady")
    page.evaluate("token => { window.token = token }", options.token)
    page.set_input_files("#file", path)


def result(page):
    return page.evaluate("window.result")


def check_file(page, path):
    """What the server has is what was chosen."""
    outcome = result(page)
    assert outcome.get("file"), outcome
    file = outcome["file"]
    data = path.read_bytes()
    assert file["name"] == path.name and file["size"] == len(data), file
    assert file["hash"] == hashlib.sha256(data).hexdigest(), file
    assert ask(f"/api/files/{file['id']}/content") == data, "the bytes are others"
    last = page.evaluate("window.seen.at(-1)")
    assert last["state"] == "completed" and last["bytes"] == last["total"] == len(data) and last["percent"] == 100, last


@check("the client's SHA-256 is that of everybody else, however the bytes are cut")
def _(page, folder):
    open_page(page, make_file(folder, 0, 10))
    for size in [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]:
        found = page.evaluate("""size => {
            const bytes = Uint8Array.from({ length: size }, (_, index) => index * 31 & 255);
            const hash = new Sha256();
            for (let at = 0; at < size; at += 7) hash.update(bytes.subarray(at, at + 7));
            return hash.hex();
        }""", size)
        assert found == hashlib.sha256(bytes(index * 31 & 255 for index in range(size))).hexdigest(), size


@check("a file arrives as it is, four chunks side by side, and progress never falls")
def _(page, folder):
    path = make_file(folder, 1)
    open_page(page, path)
    page.evaluate("window.begin({})")
    check_file(page, path)
    states = page.evaluate("window.seen.map((seen) => seen.state)")
    assert {"hashing", "sending", "completing", "completed"} <= set(states), set(states)
    sent = page.evaluate("window.seen.filter((seen) => seen.state === 'sending').map((seen) => seen.bytes)")
    assert sent == sorted(sent), "progress fell"


@check("a file that is there is not sent again")
def _(page, folder):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.begin({})")
    check_file(page, Path(folder) / "film-1.mp4")
    assert not any("/chunk/" in address for address in asked), asked


@check("an upload that a reload breaks off goes on where it was")
def _(page, folder):
    path = make_file(folder, 2)
    open_page(page, path)
    page.evaluate("window.begin({ parallel: 1 })")
    page.wait_for_function("window.seen.some((seen) => seen.state === 'sending' && seen.bytes > 6e6)")
    open_page(page, path)
    begun = [task for task in tasks("InProgress") if task["fileName"] == path.name]
    assert len(begun) == 1, begun
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.begin({})")
    check_file(page, path)
    assert result(page)["file"]["id"] == begun[0]["taskId"], "another upload was begun"
    chunks = [address for address in asked if "/chunk/" in address]
    assert len(chunks) <= 7 - begun[0]["chunksUploaded"], (begun, chunks)


@check("while it is paused nothing is sent, and then it goes on")
def _(page, folder):
    path = make_file(folder, 3)
    open_page(page, path)
    page.evaluate("window.begin({ parallel: 2 })")
    page.wait_for_function("window.seen.some((seen) => seen.state === 'sending' && seen.bytes > 6e6)")
    page.evaluate("window.upload.pause()")
    assert page.evaluate("window.upload.state") == "paused"
    # What had arrived just before may still be stored.
    page.wait_for_timeout(500)
    before = [task["uploadedBytes"] for task in tasks("InProgress") if task["fileName"] == path.name]
    page.wait_for_timeout(500)
    assert before == [task["uploadedBytes"] for task in tasks("InProgress") if task["fileName"] == path.name]
    page.evaluate("window.upload.resume()")
    check_file(page, path)


@check("an empty file arrives as well, once, also when the answer to it is lost")
def _(page, folder):
    path = make_file(folder, 7, 0)
    open_page(page, path)
    lost = []

    def lose(route):
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().status)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/api/files?**", lose)
    page.evaluate("window.begin({})")
    check_file(page, path)
    page.unroute("**/api/files?**")
    assert lost == [201], lost
    open_page(page, path)
    page.evaluate("window.begin({})")
    check_file(page, path)
    found = [file for file in json.loads(ask("/api/files?limit=200")) if file["name"] == path.name]
    assert len(found) == 1, found


@check("chunks whose connection breaks are sent again")
def _(page, folder):
    path = make_file(folder, 4)
    open_page(page, path)
    broken = []

    def break_off(route):
        if len(broken) < 3:
            broken.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/api/files/upload/chunk/**", break_off)
    page.evaluate("window.begin({})")
    check_file(page, path)
    page.unroute("**/api/files/upload/chunk/**")
    assert len(broken) == 3


@check("an aborted upload is cancelled at the server")
def _(page, folder):
    path = make_file(folder, 5)
    open_page(page, path)
    page.evaluate("window.begin({ parallel: 1 })")
    page.wait_for_function("window.seen.some((seen) => seen.state === 'sending' && seen.bytes > 3e6)")
    page.evaluate("window.upload.abort()")
    assert result(page).get("error") == "The upload was aborted.", result(page)
    assert page.evaluate("window.upload.state") == "aborted"
    assert [task["status"] for task in tasks("Cancelled") if task["fileName"] == path.name] == ["Cancelled"]


@check("a refusal is told with the server's code")
def _(page, folder):
    open_page(page, make_file(folder, 6, 100))
    page.evaluate("window.begin({ token: 'x.y.z' })")
    outcome = result(page)
    assert outcome.get("code") == "UNAUTHORIZED", outcome
    assert page.evaluate("window.upload.state") == "failed"


def check_download(page, path):
    """What has arrived is what was sent."""
    data = path.read_bytes()
    outcome = result(page)
    assert outcome == {"size": len(data), "hash": hashlib.sha256(data).hexdigest()}, outcome
    last = page.evaluate("window.seen.at(-1)")
    assert last["state"] == "completed" and last["bytes"] == last["total"] == len(data), last


def sent(page, folder, seed, options="{}"):
    """A file that the server has, and its id."""
    path = make_file(folder, seed)
    open_page(page, path)
    page.evaluate(f"window.begin({options})")
    outcome = result(page)
    assert outcome.get("file"), outcome
    return path, outcome["file"]["id"]


@check("a file comes back as it went, by ranges side by side, and progress never falls")
def _(page, folder):
    path, id = sent(page, folder, 8)
    page.evaluate("id => window.load(id, {})", id)
    check_download(page, path)
    states = page.evaluate("window.seen.map((seen) => seen.state)")
    assert {"receiving", "verifying", "completed"} <= set(states), set(states)
    received = page.evaluate("window.seen.filter((seen) => seen.state === 'receiving').map((seen) => seen.bytes)")
    assert received == sorted(received), "progress fell"


@check("a download that breaks off and is then left by a reload goes on where it was")
def _(page, folder):
    path, id = sent(page, folder, 9)
    asked = []

    def break_off(route):
        asked.append(route.request.headers.get("range"))
        if len(asked) == 2 or len(asked) > 5:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/content", break_off)
    page.evaluate("id => window.load(id, { parallel: 1 })", id)
    page.wait_for_function("window.seen.some((seen) => seen.bytes >= 12e6)")
    open_page(page, path)
    page.unroute("**/content")
    ranges = []
    page.on("request", lambda request: ranges.append(request.headers.get("range")) if request.url.endswith("/content") else None)
    page.evaluate("id => window.load(id, {})", id)
    check_download(page, path)
    # The one byte by which the file is known, and those of eight ranges that had not come.
    assert 1 < len(ranges) <= 6, (asked, ranges)


@check("a paused download goes on, an aborted one leaves nothing, and one of nothing is told with the server's code")
def _(page, folder):
    path, id = sent(page, folder, 10)
    page.evaluate("id => window.load(id, { parallel: 1, storage: null })", id)
    page.wait_for_function("window.seen.some((seen) => seen.bytes > 5e6)")
    page.evaluate("window.download.pause()")
    assert page.evaluate("window.download.state") == "paused"
    page.evaluate("window.download.resume()")
    check_download(page, path)
    page.evaluate("id => window.load(id, { parallel: 1 })", id)
    page.wait_for_function("window.seen.some((seen) => seen.bytes > 5e6)")
    page.evaluate("window.download.abort()")
    assert result(page).get("error") == "The download was aborted.", result(page)
    page.evaluate("window.load('0198c000-0000-7000-8000-000000000001', {})")
    assert result(page).get("code") == "NOT_FOUND", result(page)


@check("an encrypted file comes back with its password alone")
def _(page, folder):
    path, id = sent(page, folder, 11, "{ password: 'grüne Wörter' }")
    page.evaluate("id => window.load(id, {})", id)
    assert result(page).get("code") == "PASSWORD_REQUIRED", result(page)
    page.evaluate("id => window.load(id, { password: 'grüne Wörter' })", id)
    check_download(page, path)


def main():
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not executable:
        sys.exit("There is no chromium: apt-get install chromium")
    passed = failed = 0
    complaints = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.route("**/own-page", lambda route: route.fulfill(body=PAGE, content_type="text/html; charset=utf-8"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for sentence, function in checks:
            try:
                function(page, folder)
                assert not complaints, f"the page complained: {complaints}"
                passed += 1
                print(f"ok      {sentence}", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED  {sentence}\n        {error}", flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
                complaints.clear()
        browser.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
