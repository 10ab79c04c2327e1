"""A page as a parser sees it: well-formed, with its texts, and what it would load."""

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}
LOADING = {"src", "href", "srcset", "data", "poster", "action"}


class Parsed(HTMLParser):
    """Elements, texts and attributes of a page; an assertion fails where tags are not closed as they were opened.

    Attributes:
        tags: how often each element occurs.
        texts: between the tags, without blanks around them.
        loaded: values of attributes that a browser would follow, without places within the page.
        ids: values of `id`.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts, self.loaded, self.ids = Counter(), [], [], []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags[tag] += 1
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name in LOADING and not value.startswith("#"):
                self.loaded.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open[-1:] != ["style"] and data.strip():
            self.texts.append(data.strip())


def parsed(text: str) -> Parsed:
    """A page that is whole, loads nothing, and runs nothing."""
    page = Parsed(text)
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == 0
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.loaded), page.loaded
    assert len(set(page.ids)) == len(page.ids)
    assert "@import" not in text and "url(http" not in text
    return page
