"""Links in the documents lead somewhere: files are there, headings exist, addresses are well-formed. No network."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    document
    for pattern in ("*.md", ".docs/*.md", ".github/**/*.md", "examples/**/*.md")
    for document in ROOT.glob(pattern)
)
LINK = re.compile(
    r"!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)|<(https?://[^>\s]+)>|(?:src|href)=\"([^\"]+)\""
)


def prose(document):
    """The text without code: what looks like a link in there is none."""
    text = re.sub(r"^(`{3,}).*?^\1", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def links(document):
    return [next(filter(None, found)) for found in LINK.findall(prose(document))]


def anchors(document):
    """The anchors of its headings, as GitHub makes them."""
    text = re.sub(r"^(`{3,}).*?^\1", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = []
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        taken = found.count(anchor)
        found.append(f"{anchor}-{taken}" if taken else anchor)
    return found


def test_the_documents_are_found():
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"} <= {
        document.name for document in DOCUMENTS
    }
    assert len(links(ROOT / "README.md")) > 10


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    for link in links(document):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), link
            continue
        target = (document.parent / parts.path).resolve() if parts.path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target), link


# Drawn by the benchmarks.
CHART = ROOT / ".docs" / "cost.svg"


def test_the_chart_is_well_formed_used_and_fetches_nothing():
    tree = ElementTree.parse(CHART)
    assert not [
        node for node in tree.iter() for name, value in node.items() if name.endswith("href") and value[0] != "#"
    ]
    assert f".docs/{CHART.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", sorted({*ROOT.glob(".docs/*.svg")} - {CHART}), ids=lambda picture: picture.name)
def test_every_picture_is_well_formed_told_in_words_and_used(picture):
    """Where no picture can be seen, its description stands for it; it brings its own colours and fetches nothing."""
    svg = "{http://www.w3.org/2000/svg}"
    root = ElementTree.parse(picture).getroot()
    assert root.tag == f"{svg}svg"
    assert len(root.find(f"{svg}title").text) > 5
    assert len(root.find(f"{svg}desc").text) > 50
    assert "http" not in picture.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    width = float(root.get("viewBox").split()[2])
    for text in root.iter(f"{svg}text"):
        assert 0 < float(text.get("x")) < width
    package = (ROOT / "cwlog_handler" / "__init__.py").read_text(encoding="utf-8")
    assert f".docs/{picture.name}" in package + (ROOT / "README.md").read_text(encoding="utf-8")
