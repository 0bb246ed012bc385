# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from ansible_collections.market_intel.runbooks.plugins.module_utils._report import (
    index,
    render_html,
    render_markdown,
    text,
    timeline,
    wording,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import (
    MAX_EVENTS,
    STATES,
    Event,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.read import read_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._severity import LEVELS, ORDER
from support.report import example

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</pre></code></details></style><b>x",
    "<!-- x",
    "&lt;b&gt; &#x41; &amp;",
    "a|b||c\\|d",
    "`code` ``more`` ```sh",
    "*bold* _em_ **x** __y__ ~~gone~~ ~x~",
    "[x](javascript:alert(1)) ![i](http://example.com/i.png) [x]: /y",
    "# heading",
    "1. list",
    "2) list",
    "- list",
    "+ list",
    "> quote",
    "---",
    "===",
    "~~~",
    "$x$",
    "ends with \\",
    "\\",
    "    indented",
    "nul\x00 esc\x1b[31m del\x7f c1\x9b tab\t cr\r vt\x0b nel\x85",
    "\u202eright to left\u2028\u200b",
    "byte\udc80",
    "{{ template }} {% x %}",
]


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def visible_text(self) -> str:
        return "".join(self.texts)


def everywhere(word: str) -> dict[str, Any]:
    """A report with this text wherever text from outside can stand."""
    return example(
        title=word,
        host=word,
        operator={"awx_job_id": word, "user": word},
        asked={word: word, "list": [word, word], "map": {word: word}},
        plan={
            "summary": [word],
            "figures": {word: word, "list": [word]},
            "hash": word,
            "sample": [word, word],
            "not_verified": [word],
        },
        actions=[{"what": word, "changed": True, "detail": word}],
        cluster={"context": word, "server": word, "uid": word},
        headline=word,
        findings=[
            {"severity": severity, "what": word, "where": word, "evidence": word, "next_step": word}
            for severity in ORDER
        ],
        proofs=[{"claim": word, "result": result, "evidence": word} for result in ("proven", "failed", "unknown")],
        degraded=[word],
        undo={"command": word, "note": word},
        backup={"path": word, "sha256": word, "format": word, "note": word},
        figures=[{"name": word, "before": word, "after": word}, {"name": word, "after": 5, "unit": word}],
        series=[{"name": word, "unit": word, "points": [[0, 1], [1, 2]]}],
        timeline=[
            {"name": word, "start": "2026-11-23T10:15:02Z", "severity": severity, "note": word} for severity in LEVELS
        ],
        details={
            word: word,
            "map": {word: {word: word}},
            "list": [word],
            "rows": [{word: word, "n": 1}],
            "mixed": [{word: [word]}, word],
            "histogram": {word: 3},
        },
        summary=[word],
    )


def html_of(report: dict[str, Any]) -> str:
    return render_html.render(read_report(report), "a.json", "index.html")


def markdown_of(report: dict[str, Any]) -> str:
    return render_markdown.render(read_report(report), "a.json", "index.md")


def index_of(*reports: dict[str, Any]) -> index.Index:
    read = {f"host{number}": read_report(report) for number, report in enumerate(reports)}
    files = [name + suffix for name in read for suffix in (".json", ".md", ".html")]
    return index.build(read, [], files)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_html_shows_text_from_outside_as_text(hostile: str) -> None:
    page, plain = Page(html_of(everywhere(hostile))), Page(html_of(everywhere("x")))
    assert page.tags == plain.tags
    assert [(tag, name) for tag, name, _value in page.attributes] == [
        (tag, name) for tag, name, _value in plain.attributes
    ]
    shown = text.visible(hostile).strip()
    # title, h1, lead, evidence, code, ...: more places than a single one that happens to be right
    assert page.visible_text.count(shown) > 20


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markdown_shows_text_from_outside_as_text(hostile: str) -> None:
    shown = text.visible(hostile).strip()
    blocks, words = parse_markdown(markdown_of(everywhere(hostile)))
    plain, _words = parse_markdown(markdown_of(everywhere("x")))
    assert blocks == plain
    assert words.count(shown) > 20


def parse_markdown(source: str) -> tuple[list[str], str]:
    """The structure of a document as GitHub reads it, and all its text."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    structure, words = [], []
    for token in parser.parse(source):
        structure.append(f"{token.type} {token.tag}")
        if token.type == "fence":
            words.append(token.content)
        for child in token.children or []:
            if child.type == "text" and structure[-1] == "text":  # escapes cut a text into pieces
                words[-1] += child.content
                continue
            structure.append(child.type if child.type != "html_inline" else child.content)
            words.append(child.content)
    return structure, "\n".join(words)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_index_shows_text_from_outside_as_text(hostile: str) -> None:
    hostile_index, plain = index_of(everywhere(hostile)), index_of(everywhere("x"))
    assert Page(render_html.render_index(hostile_index)).tags == Page(render_html.render_index(plain)).tags
    assert (
        parse_markdown(render_markdown.render_index(hostile_index))[0]
        == parse_markdown(render_markdown.render_index(plain))[0]
    )
    shown = text.visible(hostile).strip()
    assert shown in Page(render_html.render_index(hostile_index)).visible_text
    assert shown in parse_markdown(render_markdown.render_index(hostile_index))[1]


def test_the_lines_of_a_message_stay_lines_and_nothing_more() -> None:
    message = "first\n# second\n\n| third |"
    report = example(degraded=[message], figures=[{"name": message, "after": 1}])
    assert "first<br># second<br><br>| third |" in html_of(report)
    blocks, words = parse_markdown(markdown_of(report))
    assert blocks.count("heading_open h2") == parse_markdown(markdown_of(example(degraded=["x"])))[0].count(
        "heading_open h2"
    )
    assert "# second" in words
    assert "first\\n# second" in html_of(report), "a name is one line, with its line breaks spelled out"


@pytest.mark.parametrize("state", STATES)
def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(state: str) -> None:
    for source in (html_of(example(state=state)), render_html.render_index(index_of(example(state=state)))):
        page = Page(source)
        assert not {"script", "iframe", "img", "object", "embed", "form", "base"} & set(page.tags)
        assert not [name for _tag, name, _value in page.attributes if name.startswith("on") or name in ("src", "style")]
        targets = {(tag, value) for tag, name, value in page.attributes if name in ("href", "xlink:href")}
        for tag, value in targets:
            assert (tag == "link" and value.startswith("data:image/svg+xml,")) or re.fullmatch(r"[\w.-]+", value)
        assert "url(" not in source
        assert "@import" not in source


def test_the_policy_of_a_page_allows_its_style_sheet_and_no_script() -> None:
    source = html_of(example())
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = (value for _tag, name, value in Page(source).attributes if name == "content" and "default" in value)
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_a_page_follows_the_colours_of_the_system_and_prints() -> None:
    source = html_of(example())
    assert "(prefers-color-scheme: dark)" in source
    assert "@media print" in source
    assert "color-scheme: light dark" in source


@pytest.mark.parametrize("state", STATES)
def test_the_state_is_told_by_word_symbol_and_colour(state: str) -> None:
    report = read_report(example(state=state))
    page = html_of(example(state=state))
    assert f'<div class="state">{state.replace("_", " ")} ' in page
    assert f'class="banner {state}"' in page
    banners = {other: re.findall(r"<header><svg.*?</svg>", html_of(example(state=other)))[0] for other in STATES}
    assert len(set(banners.values())) == len(STATES), "a symbol for each state"
    assert f"**{wording.SYMBOLS[state]} {state.replace('_', ' ').upper()}**" in render_markdown.render(report)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"proofs": [{"claim": "c", "result": "failed"}, {"claim": "d", "result": "proven"}]}, "1 of 2 proofs failed"),
        ({"proofs": [{"claim": "c", "result": "unknown"}]}, "1 of 1 proof unknown"),
        ({"degraded": ["a", "b"]}, "2 degradations"),
    ],
)
def test_done_is_not_green_if_something_needs_attention(changes: dict[str, Any], words: str) -> None:
    page = html_of(example(**changes))
    assert 'class="banner attention"' in page
    assert words in page
    assert words in markdown_of(example(**changes))
    overview = render_html.render_index(index_of(example(**changes), example(host="b")))
    assert 'class="banner attention"' in overview
    assert "1 needs attention, 1 done" in overview


def test_a_dry_run_is_called_one_and_what_it_cannot_prove_is_not_verified() -> None:
    report = example(mode="check", state="planned", proofs=[{"claim": "c", "result": "unknown"}])
    page = html_of(report)
    assert 'class="banner planned"' in page
    assert "check run" in page
    assert "not verified" in page
    assert "PLANNED (check run)" in markdown_of(report)
    assert "not verified" in markdown_of(report)


def test_a_change_without_a_way_back_is_said_aloud() -> None:
    for rendered in (html_of(example(undo=None)), markdown_of(example(undo=None))):
        assert "No undo" in rendered
    for harmless in (example(), example(undo=None, actions=[]), example(undo=None, mode="check")):
        assert "No undo" not in html_of(harmless) + markdown_of(harmless)


def test_the_undo_command_is_whole_and_only_escaped() -> None:
    command = "ansible-playbook x \\\n  -e 'a=\"b & c\"' " + "y" * 5000
    (shown,) = re.findall(
        r'<pre class="command" tabindex="0"><code>(.*?)</code>', html_of(example(undo={"command": command})), re.S
    )
    assert Page(shown).visible_text == command
    assert f"\n```sh\n{command}\n```\n" in markdown_of(example(undo={"command": command}))


def test_figures_show_before_after_and_change() -> None:
    for rendered in (html_of(example()), markdown_of(example())):
        for words in ("1,000,000 keys", "800,000 keys", "−200,000 keys (−20 %)", "393 MiB", "335 MiB", "unchanged"):
            assert words in rendered
    assert "| Version | 7.0.15 | 7.0.15 | unchanged |" in markdown_of(example())
    only_now = markdown_of(example(figures=[{"name": "keys left", "before": 5}]))
    assert "| Keys left | 5 |" in only_now
    assert "After" not in only_now


def test_figures_that_changed_come_first() -> None:
    same = [{"name": f"Same {number}", "before": 1, "after": 1} for number in range(5)]
    report = read_report(example(figures=[*same, {"name": "Changed", "before": 1, "after": 2}]))
    cards = re.findall(r'<dl class="cards">.*?</dl>', render_html.render(report))[0]
    assert re.findall(r"<dt>([^<]*)</dt>", cards) == ["Changed", "Same 0", "Same 1", "Same 2"]


def test_long_names_and_lists_are_cut_but_counted() -> None:
    report = example(plan={"sample": ["k" * 65536, *(f"key{number}" for number in range(999))]})
    for rendered in (html_of(report), markdown_of(report)):
        assert "65,536 characters" in rendered
        assert "key198\n" in rendered or "key198<" in rendered
        assert "and 800 more in the JSON" in rendered


def test_a_page_with_a_hundred_thousand_points_stays_small() -> None:
    points = [[number / 10, number % 1000] for number in range(100_000)]
    assert len(html_of(example(series=[{"name": "Keys", "points": points}]))) < 400_000


def test_the_summary_says_what_an_operator_needs() -> None:
    lines = wording.summary_lines(read_report(example(degraded=["slow disk"])), "/r/cache-eu-1.html")
    assert lines[0] == "DONE, NEEDS ATTENTION: Flush Redis caches on cache-eu-1 (12.5 s): 1 degradation"
    for line in (
        "200,000 keys were saved and deleted",
        "Keys: 1,000,000 keys -> 800,000 keys",
        "proofs: 1 of 1 proven",
        "degraded: slow disk",
        "backup: /srv/backups/1 (200,000 records, 31.9 MiB)",
        "undo: ansible-playbook market_intel.runbooks.restore_redis",
        "report: /r/cache-eu-1.html",
    ):
        assert line in lines


def test_the_summary_names_what_failed_and_a_missing_undo() -> None:
    report = example(
        state="failed", undo=None, proofs=[{"claim": "No key matches", "result": "failed", "evidence": "3 keys match"}]
    )
    lines = wording.summary_lines(read_report(report), "/r")
    assert lines[0].startswith("FAILED: ")
    assert "not so: No key matches (3 keys match)" in lines
    assert "undo: none is recorded for this run" in lines


def test_the_summary_names_what_could_not_be_proven_but_of_a_check() -> None:
    proofs = [{"claim": "It is useful again", "result": "unknown", "evidence": "no traffic"}]
    proofs += [{"claim": f"Pod {number} serves it", "result": "unknown"} for number in range(8)]
    lines = wording.summary_lines(read_report(example(proofs=proofs)), "/r")
    unknown = [line for line in lines if line.startswith("unknown: ")]
    assert (unknown[0], unknown[-1]) == (
        "unknown: It is useful again (no traffic)",
        "unknown: 3 more proofs in the report",
    )
    assert len(unknown) == 7
    checked = wording.summary_lines(read_report(example(proofs=proofs, mode="check")), "/r")
    assert not any(line.startswith("unknown: ") for line in checked)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_summary_cannot_move_the_terminal(hostile: str) -> None:
    lines = wording.summary_lines(read_report(everywhere(hostile)), "/r")
    assert not any(char in line for line in lines for char in "\x00\x1b\x7f\x9b\t\r\x0b\x85\n\u202e\u2028\u200b\udc80")
    "".join(lines).encode()


def event(number: int, severity: str = "ok", **changes: Any) -> dict[str, Any]:
    start, end = f"2026-11-{number % 28 + 1:02d}T10:15:00Z", "2026-12-30T10:15:00Z"
    return {"name": f"shop/web-{number}", "start": start, "end": end, "severity": severity, "note": "soon", **changes}


def test_a_timeline_is_a_row_for_each_event_in_the_colour_of_its_severity() -> None:
    events = [event(1, "critical"), event(2, "warning"), event(3, "unknown", end=None), event(4)]
    page = html_of(example(timeline=events))
    drawing = re.findall(r'<svg class="chart timeline".*?</svg>', page)[0]
    assert re.findall(r'<(rect|circle) class="(\w+)"', drawing) == [
        ("rect", "critical"),
        ("rect", "warning"),
        ("circle", "unknown"),
        ("rect", "ok"),
    ]
    for mark in ("✗ soon", "⚠ soon", "? soon", "✓ soon"):
        assert mark in drawing, "a severity is told without its colour"
    assert ">now</text>" in drawing
    assert "<title>Shop" not in drawing
    assert "shop/web-1: critical, 2026-11-02 10:15:00 UTC to 2026-12-30 10:15:00 UTC. soon" in drawing
    rows = [line for line in markdown_of(example(timeline=events)).splitlines() if "shop/web-" in line]
    assert rows[0] == "| ✗ critical | 2026-11-02 10:15:00 UTC | 2026-12-30 10:15:00 UTC | shop/web-1 | soon |"
    assert "| – | shop/web-3 |" in rows[2]


@pytest.mark.parametrize(
    "seconds", [0, 0.001, 5, 59, 3600, 86400, 10 * 86400, 400 * 86400, 4000 * 86400, 200 * 365 * 86400]
)
def test_the_axis_of_a_timeline_has_few_round_ticks_whatever_its_length(seconds: float) -> None:
    start = datetime(2026, 11, 23, 10, 15, 7, tzinfo=timezone.utc)
    end = start + timedelta(seconds=seconds)
    assert timeline.picture([Event("x", start, datetime.max.replace(tzinfo=timezone.utc))], start)
    drawing = timeline.picture([Event("x", start, end)], start)
    ticks = re.findall(r'class="grid" d="M([\d.]+) ', drawing)
    assert len(ticks) <= 25
    assert all(280 <= float(x) <= 740 for x in ticks)
    assert drawing.count("<text text-anchor") == len(ticks) + (seconds > 0), "each has its words, and so has now"


def test_a_long_timeline_is_shortened_on_the_page_and_whole_in_the_json() -> None:
    report = example(timeline=[event(number) for number in range(300)])
    assert html_of(report).count("<g><title>") == MAX_EVENTS
    assert "and 240 more in the JSON" in html_of(report)
    assert "and 100 more in the JSON" in markdown_of(report)


def test_a_report_without_a_timeline_has_none() -> None:
    assert "Timeline" not in html_of(example(timeline=[]))
    assert "Timeline" not in markdown_of(example(timeline=[]))
