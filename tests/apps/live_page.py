"""Looks at the live page as people do: `live_page.py CHROMIUM URL EDGES PICTURES`.

URL has the token, EDGES is how many edges there are; pictures are put into the directory PICTURES. Ends with 1, and
says why, if something is not as it should be.
"""

import sys

from browser import Browser


def text(browser, name):
    return browser.run(f"document.getElementById({name!r}).innerText")


def expect(browser, expression):
    assert browser.run(expression), f"not true: {expression}"


def choose(browser, name, value):
    told = "choice.dispatchEvent(new Event('change'))"
    browser.run(f"{{ const choice = at({name!r}); choice.value = {value}; {told}; }}")


def look(browser, url, edges, pictures):
    browser.size(1200, 900)
    browser.open(url)
    # The token is not left in the address, which others may see.
    expect(browser, "location.hash === '' && !location.href.includes('token')")
    browser.until("document.getElementById('state').textContent === 'ready'")
    browser.until("document.getElementById('hot').rows.length > 0 && document.getElementById('dear').rows.length > 0")
    assert "/count/a" in text(browser, "hot"), text(browser, "hot")
    browser.until("past.length > 3 && past.at(-1)[''].rates.hit > 0 && past.at(-1)[''].times.p99 > 0")
    assert "/" in text(browser, "locations") and "%" in text(browser, "cached")
    if edges > 1:
        browser.until(f"document.getElementById('edges').rows.length === {edges}")
        browser.until("[...document.getElementById('edges').rows].every((row) => row.cells[1].textContent === 'ready')")
        # One of them alone, and all again.
        name = browser.run("others[0]")
        choose(browser, "edge", "others[0]")
        browser.until(f"at('edges').rows.length === 1 && at('edges').rows[0].cells[0].textContent === {name!r}")
        choose(browser, "edge", "''")
        browser.until(f"at('edges').rows.length === {edges}")
    # A single place, in the last hour.
    browser.until("[...at('place').options].some((option) => option.text.startsWith('server '))")
    choose(browser, "place", "[...choice.options].at(-1).value")
    browser.until("shown().steps.some((step) => step.rates.miss > 0 || step.rates.error >= 0)")
    choose(browser, "place", "''")
    browser.run("document.querySelector('input[value=hour]').click()")
    browser.until("longer && longer.hour.steps.length > 0 && sum(longer.hour.steps.at(-1).requests) > 0")
    browser.run("document.querySelector('input[value=minutes]').click()")
    browser.picture(f"{pictures}/light.png")
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.scheme("dark")
    assert browser.run("getComputedStyle(document.body).backgroundColor") != light
    browser.size(390, 844, mobile=True)
    expect(browser, "document.documentElement.scrollWidth <= 390")
    browser.picture(f"{pictures}/telephone-dark.png")
    browser.size(1200, 900)
    browser.scheme("light")


def press_until(browser, condition):
    for _ in range(80):
        browser.press("Tab")
        if browser.run(condition):
            return
    raise AssertionError(f"no Tab leads to it: {condition}")


def drain_and_add(browser):
    browser.until("document.querySelectorAll('#servers button').length === 1")
    press_until(browser, "document.activeElement.textContent === 'Drain'")
    # The only server of a pool cannot be drained by mistake: another one first.
    browser.run("at('address').value = 'nonsense://x'; at('add').requestSubmit()")
    browser.until("at('served').className === 'bad' && at('served').textContent !== ''")
    browser.run("at('address').value = 'uwsgi://127.0.0.1:1'; at('add').requestSubmit()")
    browser.until("at('servers').innerText.includes('127.0.0.1:1') && at('served').className !== 'bad'")
    press_until(browser, "document.activeElement.ariaLabel === 'Drain uwsgi://127.0.0.1:1'")
    browser.press("Enter", text="\r")
    browser.until("at('servers').innerText.includes('draining')")
    expect(browser, "document.activeElement.textContent === 'Resume'")


def without_token(browser, url):
    browser.run("sessionStorage.clear()")
    browser.open(url.split("#")[0] + "?again")
    browser.until("document.getElementById('state').textContent === 'ready'")
    expect(browser, "at('hotcard').hidden && at('edgecard').hidden && at('add').hidden && !at('unlock').hidden")
    browser.run("at('token').value = 'wrong'; at('unlock').requestSubmit()")
    browser.until("at('refusal').textContent !== '' && !at('unlock').hidden")


def main():
    chromium, url, edges, pictures = sys.argv[1:]
    browser = Browser(chromium)
    try:
        look(browser, url, int(edges), pictures)
        if int(edges) == 1:
            drain_and_add(browser)
        without_token(browser, url)
        assert not browser.errors, browser.errors
    finally:
        browser.close()


main()
