"""Marked phrases with boxes behind them: labels, spans in both countings, and phrases that go wrong."""

import re

import pytest

from grounding.codecs.collect import Collector
from grounding.codecs.marked import PhraseStream, phrase_spans
from grounding.codecs.numbered import spellings
from grounding.errors import InputError
from grounding.images import Canvas
from grounding.result import Region

CANVAS = Canvas.identity(9, 9)
BOX = "<n1><n2><n3><n4>"


class NineStream(PhraseStream):
    """A family of ten bins, <n0> to <n9>, and phrases in <p> and </p>."""

    opening, closing = "<p>", "</p>"
    bins = spellings("<n{}>", 10)
    odd = re.compile(r"<n(\d+)>")
    beginning = "<n"
    tags = ("<n", "<p>", "</p>")

    def _on_coordinate(self):
        if len(self._run) == 1:
            self._close_at_box(self._run_start)
        elif len(self._run) == 4:
            start = self._item_start()
            self._show_phrase(self._take_box(), start, self._run_end)


def read(text, task):
    stream = NineStream(Collector(CANVAS, lambda bin_: bin_ / 9, 9), task)
    stream.feed(text)
    return stream.close()


def test_spans_count_words_in_captions_and_the_answer_in_lists_of_boxes():
    text = f"A <p> red hat </p> {BOX}<n0><n0><n9><n9> on a <p>dog</p>{BOX}."
    caption = read(text, "caption")
    assert caption.text == "A  red hat  on a dog."
    assert [caption.text[slice(*region.span)] for region in caption.regions] == ["red hat", "red hat", "dog"]
    found = read(text, "locate")
    assert found.text is None
    assert [region.label for region in found.regions] == ["red hat", "red hat", "dog"]
    assert [text[slice(*region.span)] for region in found.regions] == [
        f"<p> red hat </p> {BOX}",
        "<n0><n0><n9><n9>",
        f"<p>dog</p>{BOX}",
    ]
    assert not caption.problems
    assert not found.problems


@pytest.mark.parametrize(
    ("text", "labels", "problems"),
    [
        (f"<p>a</p>b{BOX}", [None], ["malformed"]),
        (f"<p>a<p>b</p>{BOX}", ["b"], ["malformed"]),
        (f"a</p>{BOX}", [None], ["malformed"]),
        (f"<p>a{BOX}", ["a"], ["malformed"]),
        (f"<p></p>{BOX}", [None], []),
        (f"<p>a</p>{BOX}<p>b", ["a"], ["truncated"]),
        (f"<p>a</p><n1><n2></s>{BOX}", ["a"], ["malformed"]),
        ("a dog", [], ["prose"]),
        ("", [], ["truncated"]),
    ],
)
def test_phrases_that_go_wrong(text, labels, problems):
    decoded = read(text, "detect")
    assert [region.label for region in decoded.regions] == labels
    assert [problem.kind for problem in decoded.problems] == problems


def test_phrases_to_write_are_found_by_span_or_label_and_kept_apart():
    box = (0, 0, 1, 1)
    named, spanned = Region(box, label="dog"), Region(box, span=(0, 1))
    assert phrase_spans([named, spanned], "A dog", locate=False) == ("A dog", [(0, 1, [spanned]), (2, 5, [named])])
    assert phrase_spans([named, named], "", locate=True) == ("dog", [(0, 3, [named, named])])
    for regions in ([Region(box)], [Region(box, label="cat")], [spanned, Region(box, span=(0, 3))]):
        with pytest.raises(InputError):
            phrase_spans(regions, "A dog", locate=False)
    with pytest.raises(InputError, match="would be read as its box"):
        phrase_spans([named, Region(box)], "", locate=True)
