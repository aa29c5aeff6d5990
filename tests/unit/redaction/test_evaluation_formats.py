"""Readers of annotated files: known shapes, odd files, exact offsets, errors without content."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from vault.errors import InvalidInputError
from vault.redaction.evaluation.formats import READERS, read
from vault.redaction.evaluation.samples import DataSet

SECRET = "Quorzil-77"


def marked(data: DataSet) -> list[list[tuple[str, str]]]:
    """The marked values of each sample with their labels."""
    return [[(one.text[s.start : s.end], s.label) for s in one.spans] for one in data.samples]


def lines(*rows: str) -> bytes:
    return "\n".join(rows).encode()


def conll(*rows: str) -> DataSet:
    return read(lines(*rows), "conll")


# --- every format ---


@pytest.mark.parametrize("form", sorted(READERS))
def test_an_empty_file_and_a_binary_one_are_refused(form: str) -> None:
    for data in (b"", b"\n\n  \n", b"\xef\xbb\xbf"):
        with pytest.raises(InvalidInputError) as refused:
            read(data, form)
        assert refused.value.code.startswith("data.")
    for data in (f"{SECRET}\n".encode() + "é".encode("latin-1"), SECRET.encode("utf-16")):
        with pytest.raises(InvalidInputError, match=r"line \d+: the file is not UTF-8") as refused:
            read(data, form)
        assert SECRET not in str(refused.value)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read(b"{}", "brat")
    assert refused.value.code == "format.unknown"


def test_gzip_is_unpacked_and_broken_gzip_refused() -> None:
    packed = gzip.compress(b'{"text": "Ann", "spans": [[0, 3, "PERSON"]]}\n')
    assert marked(read(packed, "jsonl")) == [[("Ann", "PERSON")]]
    with pytest.raises(InvalidInputError) as refused:
        read(packed[:-12], "jsonl")
    assert refused.value.code == "data.gzip"


@pytest.mark.parametrize(
    ("form", "data", "place"),
    [
        ("jsonl", ['{"text": "a"}', f'{{"text": "{SECRET}'], "line 2"),
        ("jsonl", ['{"text": "a"}', f'["{SECRET}"]'], "line 2"),
        ("jsonl", [f'{{"text": "{SECRET} \\ud800"}}'], "record 1"),
        ("jsonl", [f'{{"words": "{SECRET}"}}'], "record 1"),
        ("jsonl", [f'{{"text": "a", "spans": [["{SECRET}"]]}}'], "record 1"),
        ("tab", [f'{{"text": "{SECRET}"}}'], "record 1"),
        ("tab", [f'{{"text": "{SECRET}", "entities": [{{"start_offset": 0}}]}}'], "record 1"),
        ("asq", ["===QUERY===", "a", "===PHI_TAGS===", SECRET], "line 4"),
        ("asq", [SECRET], "line 1"),
        ("conll", ["Ann\tB-PER", f"{SECRET}\tnothing"], "line 2"),
    ],
)
def test_errors_name_the_place_and_not_the_content(form: str, data: list[str], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read(lines(*data), form)
    assert place in refused.value.message
    assert SECRET not in refused.value.message


# --- JSON ---


@pytest.mark.parametrize(
    "span",
    [
        {"entity_type": "PERSON", "entity_value": "Ann", "start_position": 5, "end_position": 8},
        {"label": "PERSON", "start": 5, "end": 8},
        {"type": "PERSON", "start": 5, "end": 8, "text": "Ann"},
        {"entity": "Ann", "label": "PERSON"},
        [5, 8, "PERSON"],
    ],
)
@pytest.mark.parametrize("key", ["spans", "entities", "NER"])
def test_spans_are_read_in_every_known_shape(span: object, key: str) -> None:
    record = {"full_text": "I am Ann.", key: [span]}
    for data in (json.dumps([record], indent=2), json.dumps({"data": [record]}), json.dumps(record)):
        for form in ("presidio", "jsonl"):
            assert marked(read(data.encode(), form)) == [[("Ann", "PERSON")]]


def test_a_byte_order_mark_windows_line_ends_and_no_last_line_end_change_nothing() -> None:
    rows = ['{"text": "Ann", "spans": [[0, 3, "PERSON"]]}', "", '{"text": "no one"}']
    expected = marked(read(lines(*rows), "jsonl"))
    assert expected == [[("Ann", "PERSON")], []]
    assert marked(read(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n", "jsonl")) == expected


def test_line_separators_inside_a_text_do_not_end_a_record() -> None:
    record = json.dumps({"text": "a\u2028b\x0cc", "spans": []}, ensure_ascii=False)
    assert len(read(record.encode(), "jsonl").samples) == 1


def test_wrong_offsets_are_mended_by_the_value_or_counted() -> None:
    spans = [
        {"start": 0, "end": 3, "label": "PERSON", "value": "Ann"},
        {"start": 90, "end": 99, "label": "PERSON"},
        {"start": 0, "end": 3, "label": "PERSON", "value": "Bob"},
        {"label": "PERSON"},
    ]
    data = read(json.dumps({"text": "Is it Ann?", "spans": spans}).encode(), "jsonl")
    assert marked(data) == [[("Ann", "PERSON")]]
    assert data.skipped == {
        "spans outside the text": 1, "values not in their text": 1, "spans without offsets or a value": 1,
    }  # fmt: skip


# --- TAB ---


def tab_mention(start: int, end: int, entity: str, kind: str = "DIRECT") -> dict[str, object]:
    return {
        "entity_type": "PERSON",
        "start_offset": start,
        "end_offset": end,
        "entity_id": entity,
        "identifier_type": kind,
    }


def test_tab_is_read_flat_and_by_annotator() -> None:
    mentions = [tab_mention(0, 3, "e1"), tab_mention(8, 11, "e1", "NO_MASK")]
    flat = read(json.dumps({"text": "Ann and Ann", "entities": mentions}).encode(), "tab")
    assert [(s.entity, s.kind) for s in flat.samples[0].spans] == [("e1", "DIRECT"), ("e1", "NO_MASK")]
    views = {name: {"entity_mentions": mentions[:count]} for name, count in (("a1", 1), ("a2", 2))}
    official = read(
        json.dumps([{"doc_id": "d", "text": "Ann and Ann", "annotations": views}]).encode(), "tab"
    )
    assert [len(one.spans) for one in official.samples] == [1, 2]


# --- ASQ-PHI ---


def asq(*blocks: Iterable[str]) -> DataSet:
    return read(lines(*(row for block in blocks for row in block)), "asq")


def test_asq_values_are_located_and_a_repeated_tag_takes_the_next_place() -> None:
    tag = '{"identifier_type": "NAME", "value": "Ann"}'
    data = asq(
        ("===QUERY===", "Annex: Ann met", "Ann, and Ann.", "===PHI_TAGS===", tag, tag, ""),
        ("===QUERY===", "nobody", "===PHI_TAGS===", ""),
        ("===QUERY===", "gone", "===PHI_TAGS===", tag),
    )
    assert [(s.start, s.end) for s in data.samples[0].spans] == [(7, 10), (15, 18)]
    assert data.samples[0].neutral == ((24, 27),)
    assert [len(one.spans) for one in data.samples] == [2, 0, 0]
    assert data.skipped == {"values not in their text": 1}
    assert [one.line for one in data.samples] == [2, 9, 13]


def test_asq_takes_numbers_and_other_case() -> None:
    data = asq(("===QUERY===", "MRN 778, dr. LEE", "===PHI_TAGS===", '{"identifier_type": "MRN", "value": 778}',
                '{"identifier_type": "NAME", "value": "Lee"}'))  # fmt: skip
    assert marked(data) == [[("778", "MRN"), ("LEE", "NAME")]]


@pytest.mark.parametrize("said", ["", "[]", "{}", "None", "---"])
def test_asq_queries_may_have_no_tags(said: str) -> None:
    data = asq(("=== Query ===", "We had tea.", "", "===PHI_TAGS===", said), ("===QUERY===", "And cake."))
    assert [(one.text, one.spans) for one in data.samples] == [("We had tea.", ()), ("And cake.", ())]


def test_asq_tags_may_stand_in_a_list() -> None:
    tags = '[{"identifier_type": "NAME", "value": "Ann"}, {"identifier_type": "NAME", "value": "Bo"}],'
    assert marked(asq(("===QUERY===", "Ann, Bo", "===PHI_TAGS===", tags))) == [
        [("Ann", "NAME"), ("Bo", "NAME")]
    ]


# --- columns ---


@pytest.mark.parametrize(
    "rows",
    [
        ("I\tO", "met\tO", "Ann\tB-PER", "Lee\tI-PER", "Bo\tB-PER", ".\tO"),  # IOB2
        ("I O", "met O", "Ann I-PER", "Lee I-PER", "Bo B-PER", ". O"),  # IOB1
        ("I\tO", "met\tO", "Ann\tB-PER", "Lee\tE-PER", "Bo\tS-PER", ".\tO"),  # BIOES
        ("I PRP - O", "met VBD - O", "Ann NNP - B-PER", "Lee NNP - I-PER", "Bo NNP - B-PER", ". . - O"),
        ("# sent_id = 1", "1\tI\tO\t-\t-", "2\tmet\tO\t-\t-", "3\tAnn\tB-PER\t-\tx", "4\tLee\tI-PER\t-\tx",
         "5\tBo\tB-PER\t-\tx", "6\t.\tO\t-\t-"),
    ],
)  # fmt: skip
def test_tags_and_columns_are_told_from_the_file(rows: tuple[str, ...]) -> None:
    data = conll("-DOCSTART- -X- O O" if " " in rows[0] and "\t" not in rows[1] else "", "", *rows)
    assert marked(data) == [[("Ann Lee", "PER"), ("Bo", "PER")]]
    assert data.samples[0].text == "I met Ann Lee Bo."
    assert data.classes is not None
    assert "PERSON" in data.classes
    assert "EMAIL_ADDRESS" not in data.classes


def test_io_tags_join_neighbours_of_one_type_only() -> None:
    assert marked(conll("Ann\tI-PER", "Lee\tI-PER", "Oslo\tI-LOC")) == [[("Ann Lee", "PER"), ("Oslo", "LOC")]]


def test_blank_lines_end_texts_whatever_their_line_ends() -> None:
    data = read(b"Ann\tB-PER\r\n\r\n\r\n \t\r\nBo\tB-PER", "conll")
    assert marked(data) == [[("Ann", "PER")], [("Bo", "PER")]]
    assert [one.line for one in data.samples] == [1, 5]


def test_tokens_are_joined_as_they_were_written() -> None:
    sentence = "Ann 's ( old ) car did n't \" go far \" , right ? I do n ' t"
    data = conll(*(f"{word}\t{'B-PER' if word == 'Ann' else 'O'}" for word in sentence.split()))
    assert data.samples[0].text == "Ann's (old) car didn't \"go far\", right? I don't"


def test_the_raw_text_is_used_where_the_tokens_are_found_in_it() -> None:
    rows = ("1\tAnn\tB-PER", "2\t's\tO", "3\tcar\tO")
    assert conll("# text = Ann's  car", *rows).samples[0].text == "Ann's  car"
    assert conll("# text = other", *rows).samples[0].text == "Ann's car"


def test_comments_and_repeated_tokens_are_passed_over() -> None:
    rows = (
        "# sent_id = x\ty",
        "# a note",
        "1-2\tdel\t_\t-",
        "1\tde\tO\t-",
        "2\tel\tO\t-",
        "3\tAnn\tB-PER\t-",
    )
    assert conll(*rows).samples[0].text == "de el Ann"
    assert conll("#\tO", "#tea\tO", "Ann\tB-PER").samples[0].text == "##tea Ann"
    assert conll("# # - O", "Ann NNP - B-PER").samples[0].text == "#Ann"


def test_handles_are_no_names() -> None:
    data = conll("@\tB-PER", "annlee\tI-PER", "met\tO", "Bo\tB-PER", "@bo_2\tI-PER", "#tea\tO")
    assert data.samples[0].text == "@annlee met Bo @bo_2 #tea"
    assert marked(data) == [[("Bo", "PER")]]
    assert data.skipped == {"handles": 1}
    assert {data.samples[0].text[a:b] for a, b in data.samples[0].neutral} == {"@", "annlee", "@bo_2"}


def test_types_that_are_nothing_personal_are_left_out_and_counted() -> None:
    data = conll("iPad\tB-product", "Ann\tB-person")
    assert marked(data) == [[("Ann", "person")]]
    assert data.skipped == {"type product": 1}


def test_a_token_that_is_white_space_is_left_out() -> None:
    assert conll("Ann\tB-PER", "\u3000\tO", "\tO", "Lee\tB-PER").samples[0].text == "Ann Lee"


# --- the files of others ---


@pytest.mark.parametrize(
    ("name", "form", "texts", "entities"),
    [
        ("dev/presidio-research-generated_large.json", "presidio", 2109, 4055),
        ("dev/pii-syn-nano-en.json", "presidio", 149, 313),
        ("dev/tab-dev-21.jsonl", "tab", 21, 818),
        ("dev/wnut17-dev.conll", "conll", 1009, 617),
        ("dev/btc-dev.conll", "conll", 1000, 522),
        ("dev/uner-ewt-dev.iob2", "conll", 2001, 966),
        ("dev/sec-filings-fin3.conll", "conll", 303, 311),
        ("train/wikigold.conll", "conll", 1696, 2846),
    ],
)
def test_public_files_are_read_whole(shared: Path, name: str, form: str, texts: int, entities: int) -> None:
    data = read((shared / "data" / name).read_bytes(), form)
    assert (len(data.samples), sum(len(one.spans) for one in data.samples)) == (texts, entities)
