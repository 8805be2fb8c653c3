"""Reports: what is written adds up, is complete, and does nothing when it is opened."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import reviews
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.batch import Status
from penstock.core.changes import ChangeStatus
from penstock.core.errors import InvalidInput
from penstock.core.plan import Row, Tally
from penstock.core.values import loads
from penstock.web.pages import WebPages
from penstock.web.report import COLUMNS, cell

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def report(kind: str = "pre-sync", count: int = 60, **fields: object) -> dict[str, bytes]:
    return WebPages().report(kind, "Fibre network", reviews.batch(**fields), reviews.rows(count))


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def words(html: bytes) -> str:
    """The page's text as a reader meets it."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html.decode(), flags=re.S)).split())


def test_csv_and_json_hold_every_change_in_order() -> None:
    files = report(count=237)
    keys = [row.change.key for row in reviews.rows(237)]
    assert [line["key"] for line in table(files["csv"])] == keys
    assert [change["key"] for change in json.loads(files["json"])["changes"]] == keys


def test_a_csv_line_tells_the_whole_change() -> None:
    (line,) = table(WebPages().report("pre-sync", "t", reviews.batch(), [replace(reviews.moved(3), note="seen")])["csv"])
    assert tuple(line) == COLUMNS
    assert line["document"] == "planned-poles/LAW.P.A003"
    assert line["changed"].startswith("location.latitude: -26.38317 → -26.38")
    assert line["findings"] == "blocker moved: Production has the pole 184 m from where OneMap has it now."
    assert (line["action"], line["status"], line["note"]) == ("UPDATE", "PENDING", "seen")


def test_json_values_keep_their_exact_type() -> None:
    change = reviews.updated(1, {"height": 1}, height=1.0)
    read = loads(WebPages().report("pre-sync", "t", reviews.batch(), [Row(change)])["json"])
    (diff,) = read["changes"][0]["diff"]
    assert (repr(diff["before"]), repr(diff["after"])) == ("1", "1.0")


def test_rows_are_read_once() -> None:
    rows = iter(list(reviews.rows(5)))
    assert len(table(WebPages().report("pre-sync", "t", reviews.batch(), rows)["csv"])) == 5


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"yearly.*pre-sync"):
        report("yearly")


@pytest.mark.parametrize(
    "payload",
    [
        "=1+1",
        "+27821234567",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "a;=1",
        "a,=1",
        "a\t=1",
        'a"=1',
        '";=1',
        "a|=1",
        "a\n=1",
        "＝1",
        "'=1",
        "-2 +x",
        "--1",
    ],
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(payload: str) -> None:
    """Not at its beginning, and not where another separator or a quote would begin one."""
    told = cell(payload)
    assert not told.startswith(FORMULA_STARTS)
    for piece in re.split(r"""[,;|\t\r\n"]""", told):
        assert not piece.strip().startswith(FORMULA_STARTS)


@given(st.text(st.sampled_from(",;|\t\r\n\"' \u00a0\u2003=+-@＝＋－＠019.eE]ax\x00"), max_size=12))
def test_no_piece_of_any_text_begins_a_formula_and_what_is_none_stays_as_it_is(text: str) -> None:
    told = f",{cell(text)}"
    for found in re.finditer(r"""[,;|\t\r\n"]\s*(?=[=+\-@＝＋－＠])""", told):
        assert re.match(r"-\d+(\.\d+)?([eE][+-]?\d+)?]*\s*([,;\t\r\n]|$)", told[found.end() :])
    if not re.search("[=+\\-@＝＋－＠\x00]", text) and not text.startswith(("\t", "\r", "\n")):
        assert cell(text) == text


@pytest.mark.parametrize("number", ["-26.3841", "-1", "-1.5e-7", "12", "a -1 b", "[-1,-2]", "x; -3; y"])
def test_a_negative_number_stays_a_number(number: str) -> None:
    assert cell(number) == number


@pytest.mark.parametrize("place", ["key", "path", "value", "field", "note", "finding"])
def test_formulas_are_neutral_wherever_they_stand(place: str) -> None:
    evil = "=HYPERLINK(1)"
    change = reviews.updated(
        1, {evil if place == "field" else "x": "a"}, **{evil if place == "field" else "x": evil if place == "value" else "b"}
    )
    change = change._replace(key=evil if place == "key" else change.key, path=evil if place == "path" else change.path)
    found = (reviews.finding(change, "moved", "warning", f";{evil}" if place == "finding" else "x"),)
    row = Row(change, found, note=evil if place == "note" else "")
    (line,) = table(WebPages().report("pre-sync", "t", reviews.batch(), [row])["csv"])
    assert not any(re.match(r"\s*[=+@]", piece) for value in line.values() for piece in re.split(r"[,;|\t\r\n\"]", value))


def test_quotes_and_line_ends_survive_the_csv() -> None:
    change = reviews.updated(1, address='7 "Old" Road,\nLawley')
    (line,) = table(WebPages().report("pre-sync", "t", reviews.batch(), [Row(change)])["csv"])
    assert line["changed"].endswith('7 "Old" Road,\nLawley')


def test_the_arithmetic_says_that_it_closes() -> None:
    assert "does not close" not in words(report()["html"])


def test_an_arithmetic_that_does_not_close_is_said_in_red() -> None:
    html = report(tallies={"poles": Tally(read=10, created=3, unchanged=6)})["html"]
    assert b'<strong class="bad-text">The arithmetic of poles does not close: 10 read, 9 accounted for.' in html


def test_the_page_before_says_what_the_numbers_ask_for() -> None:
    text = words(report()["html"])
    assert "12 blockers need a word each, or one for their rule; 1 mass change to decide as a whole (ponNumber); the rest" in text
    assert "planned-poles 5,075" in text
    assert "no drop allocated 1,250" in text


def test_the_page_names_records_with_several_statuses() -> None:
    several = sum("statuses" in row.change.facts for row in reviews.rows(60))
    assert f"{several} records have source records that show more than one status" in words(report()["html"])
    assert "poles/LAW.P.A002 Pole Permission: Approved → Installation: Complete" in words(report()["html"])


def test_only_the_worst_are_listed_and_the_rest_is_said_to_be_in_the_csv() -> None:
    rows = [reviews.moved(n) for n in range(1, 251)]
    warned = [Row(r.change, (replace(r.findings[0], severity="warning", rule="softer"),)) for r in rows]
    html = WebPages().report("pre-sync", "t", reviews.batch(), [*warned, *rows])["html"]
    text = words(html)
    assert "The worst 200 of 500, blockers first; the CSV file names all" in text
    assert b"<td>softer</td>" not in html
    assert html.count(b"<td>moved</td>") == 200


def test_the_page_after_compares_production_and_names_what_was_set_aside() -> None:
    status = ChangeStatus.DRIFTED
    rows = [
        Row(reviews.updated(n, importStatus="Complete"), status=status, note=f"planned a, approved a, now b{n}") for n in (4, 5)
    ]
    text = words(WebPages().report("post-sync", "Fibre network", reviews.decided(), rows)["html"])
    assert "planned-poles 5,075 5,286 +211" in text
    assert "2 changes were not written" in text
    assert "planned a, approved a, now b4" in text
    assert "planned a, approved a, now b5" in text
    assert "Read back from production: 24 records, all equal" in text
    assert "the promotion took 42 s" in text
    assert "Checked with the field team." in text


def test_a_read_back_that_differs_is_said_in_red() -> None:
    batch = reviews.decided(mismatched=1)
    html = WebPages().report("post-sync", "t", batch, [])["html"].decode()
    assert '<strong class="bad-text">1 record read back from production did not equal what was approved.</strong>' in html


def test_ledgers_that_do_not_add_up_are_said() -> None:
    batch = reviews.decided(status=Status.APPLIED, applied=1_000)
    assert "1,196 approved, 1,000 applied and 2 set aside" in words(WebPages().report("post-sync", "t", batch, [])["html"])


def test_the_map_draws_what_moved_from_where_it_was() -> None:
    html = (
        WebPages()
        .report("pre-sync", "t", reviews.batch(), [reviews.moved(3), Row(reviews.created(4)), Row(reviews.deleted(5))])["html"]
        .decode()
    )
    assert html.count('<line class="moved"') == 1
    assert "3 of 3 changed places are drawn; 1 moved place in all" in words(html.encode())


def test_a_map_of_very_many_places_says_how_many_it_draws() -> None:
    text = words(report(count=20_000)["html"])
    drawn = re.search(r"([\d,]+) of 20,000 changed places are drawn, chosen evenly", text)
    assert drawn
    assert 2_000 <= int(drawn[1].replace(",", "")) <= 4_000


class _Parts(HTMLParser):
    """Collects what a page could run or fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {
            "script",
            "img",
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "audio",
            "video",
            "use",
            "image",
            "foreignobject",
        }:
            self.found.append(tag)
        self.found += [
            f"{tag} {name}" for name, _ in attrs if name.startswith("on") or name in {"src", "style", "xlink:href", "srcdoc"}
        ]
        self.found += [
            f"{tag} {value}"
            for name, value in attrs
            if name == "href" and not (value or "").startswith(("#", "https://", "/", "?"))
        ]


@pytest.mark.parametrize(
    "payload", ["<script>x()</script>", "</style><script>x()</script>", '"><img src=x onerror=x()>', "</title><svg onload=x()>"]
)
def test_payloads_in_every_text_stay_text(payload: str) -> None:
    change = reviews.updated(1, **{payload: payload, "projectName": payload, "importStatus": payload})._replace(
        key=payload,
        path=payload,
        group=payload,
    )
    row = Row(
        change._replace(facts={"statuses": [payload, payload + "2"]}),
        (reviews.finding(change, payload, "blocker", payload, payload),),
        ChangeStatus.DRIFTED,
        payload,
    )
    mass = replace(reviews.MASS, field=payload, text=payload, table=((payload, payload, 3),))
    batch = reviews.decided(
        target=payload,
        notes=(payload,),
        error=payload,
        batch_findings=(mass,),
        findings={payload: {"blocker": 1}},
        production_before={payload: 3},
        counts={f"{payload} UPDATE": 1},
        tallies={payload: Tally(read=1, skipped={payload: 1})},
        decisions=(replace(reviews.decided().decisions[0], note=payload, by=payload, groups={payload: "approve"}),),
    )
    for kind in ("pre-sync", "post-sync", "rollback"):
        parts = _Parts()
        parts.feed(WebPages().report(kind, payload, batch, [row])["html"].decode())
        assert parts.found == []


def test_a_report_of_no_change_is_whole() -> None:
    files = report(count=0, counts={})
    assert table(files["csv"]) == []
    assert json.loads(files["json"])["changes"] == []
    assert "no changes" in words(files["html"]).lower()


def test_a_rollback_report_speaks_of_taking_back() -> None:
    batch = reviews.decided(kind="rollback", status=Status.APPLIED, applied=1_196, drifted=0)
    text = words(WebPages().report("rollback", "Fibre network", batch, [])["html"])
    assert "1,196 changes taken back, 8 rejected" in text


def test_json_has_the_documented_fields() -> None:
    from penstock.web import report as module

    (change, *_) = (read := json.loads(report()["json"]))["changes"]
    for name in (*read, *change, *change["diff"][0], *read["batch_findings"][0]):
        assert f"`{name}`" in (module.__doc__ or "") or name == "schema"
