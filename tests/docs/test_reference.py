"""The reference is built by the one command that README.md names, without a warning, and has all that is public."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from enum import Enum
from html.parser import HTMLParser

import pytest

from ..programs import HANG_LIMIT, ROOT, environment

pdoc = pytest.importorskip("pdoc", reason="pdoc is not installed")

SCRIPT = ROOT / ".ci" / "reference"
MODULES = ast.literal_eval(re.search(r"^MODULES = (.*)$", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)[1])
PACKAGES = [importlib.import_module(name) for name in MODULES]
for _package in PACKAGES:
    # pdoc finds only what has been asked for.
    for _name in _package.__all__:
        getattr(_package, _name)


class Page(HTMLParser):
    """The anchors and links of a page, and whatever it would fetch."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.fetched = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if "src" in attributes or (tag == "link" and "href" in attributes):
            self.fetched.append(attributes.get("src") or attributes["href"])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    return folder


def page_of(folder, package):
    return folder / f"{package.__name__.replace('.', '/')}.html"


def public(package):
    """Every public name of a package, and the public members of its classes, as the reference calls them."""
    for name in package.__all__:
        yield name
        value = getattr(package, name)
        if inspect.isclass(value):
            members = set(vars(value)) | set(getattr(value, "__dataclass_fields__", ()))
            yield from (f"{name}.{member}" for member in sorted(members) if not member.startswith("_"))


def test_the_readme_names_the_command():
    assert "python .ci/reference" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_whatever_the_documents_import_is_in_the_reference():
    documents = [*ROOT.glob("*.md"), *ROOT.glob("examples/**/*.md")]
    texts = [document.read_text(encoding="utf-8") for document in documents]
    imported = {name for text in texts for name in re.findall(r"from (cwlog_handler[\w.]*) import", text)}
    assert {"cwlog_handler", "cwlog_handler.testing"} <= imported <= set(MODULES)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference(reference, package):
    ids = Page(page_of(reference, package)).ids
    assert [name for name in public(package) if name not in ids] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_described(package):
    """By a docstring of its own, or, what is a mere value, in that of its class."""
    module = pdoc.doc.Module(package)
    assert len(package.__doc__) > 100
    for name in package.__all__:
        described = module.get(name)
        assert described.docstring, name
        value = getattr(package, name)
        if described.kind != "class" or issubclass(value, Enum):
            continue
        for member in described.own_members:
            if member.name.startswith("_") or member.docstring:
                continue
            assert member.kind == "variable", f"{name}.{member.name}"
            assert f"``{member.name}``" in described.docstring, f"{name}.{member.name}"


def test_every_option_of_the_handler_is_described():
    handler = PACKAGES[0].CloudWatchLogsHandler
    described = re.findall(r"^    (\w+): ", inspect.getdoc(handler), re.MULTILINE)
    assert described == [name for name in inspect.signature(handler.__init__).parameters if name != "self"]


def test_nothing_is_described_by_what_it_was_derived_from(reference):
    """pdoc takes the docstring of logging.Handler, or of object, where there is none."""
    for package in PACKAGES:
        text = page_of(reference, package).read_text(encoding="utf-8")
        assert "basically setting the formatter" not in text
        assert "Inherited" not in text


def test_the_pages_link_to_what_is_there_and_fetch_nothing(reference):
    """They can be read without a network: pictures are in them."""
    pages = {path: Page(path) for path in reference.rglob("*.html")}
    assert len(pages) == 1 + len(PACKAGES)
    for path, page in pages.items():
        # The index only leads on, and pdoc's search fetches its own file.
        assert [source for source in page.fetched if not source.startswith("data:")] == [], path
        for link in page.links:
            if link.startswith("https://"):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), link
            assert not anchor or anchor in pages[target].ids, link


def test_the_pictures_are_in_the_first_page(reference):
    sources = Page(page_of(reference, PACKAGES[0])).fetched
    assert len([source for source in sources if source.startswith("data:image/svg+xml;base64,")]) == 2
