"""What `make docs` makes of this folder: pages of the models, the README as the start, notebooks.

Nothing is typed twice: a model's page is its docstring, its recipe, its pictures and its rows of
results. The files of the repository that a page links to are put beside the pages, so that the
folder is complete. On GitHub the pages of this folder are readable as they stand.
"""

import pathlib
import re
import runpy

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^)\s#]+)([^)]*\))")
REGISTRY = runpy.run_path(str(ROOT / "zoo" / "registry.py"))["MODELS"]
NAMES = sorted(REGISTRY)
# Pictures of docs/results.md of what has no trained network in pretrained/.
SHOWN = {
    "cyclegan": "day2night.png",
    "discogan": "discogan.png",
    "inpainting": "inpainting.png",
    "pix2pix": "facades.png",
    "pix2pixhd": "pix2pixhd.png",
    "srgan": "srgan.jpg",
}
QUIET = "show_root_heading: false, show_root_toc_entry: false, show_source: false"


def on_config(config):
    """Puts the models into the navigation."""
    pages = [{name: f"models/{name}.md"} for name in NAMES]
    for entry in config.nav:
        if entry.get("Models") == "MODELS":
            entry["Models"] = ["models/index.md", *pages]
    return config


def on_files(files, config):
    """Adds the pages that are made here, and what all pages link to."""
    tables = runpy.run_path(str(ROOT / "results" / "table.py"))
    rows = tables["read"]()
    readme = ROOT / "README.md"
    made = {"index.md": (readme, readme.read_text("utf-8"))}
    notebooks = ROOT / "notebooks" / "README.md"
    made["notebooks.md"] = notebooks, notebooks.read_text("utf-8")
    made["models/index.md"] = readme, f"# Models\n\n{tables['models'](rows)}\n"
    for name in NAMES:
        made[f"models/{name}.md"] = readme, page(name, rows, tables)
    texts = {
        file.src_uri: (ROOT / "docs" / file.src_uri, file.content_string)
        for file in files
        if file.src_uri.endswith(".md")
    }
    linked = {}
    for uri, (path, text) in (texts | made).items():
        text = LINK.sub(lambda link, at=(uri, path): moved(link, *at, linked), text)
        if existing := files.get_file_from_path(uri):
            files.remove(existing)
        files.append(File.generated(config, uri, content=text))
    for uri, path in linked.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Gives the widest table the room of what stands beside pages."""
    if page.file.src_uri == "results.md":
        page.meta["hide"] = ["navigation", "toc"]


def on_post_page(output, page, config):
    """Refuses a page that would fetch something from elsewhere when it is read."""
    tags = r'<(?:script|link|img|iframe|source|video)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]*)"'
    if fetched := re.findall(tags, output):
        raise PluginError(f"{page.file.src_uri} fetches {', '.join(fetched)}: nothing may be.")


def moved(link, uri, path, linked):
    """Returns a link as the site has it, and notes in `linked` which file is to be put there.

    Args:
        link: match of `LINK`.
        uri: str, the page that holds the link.
        path: path of the file that the link is relative to.
        linked: dict, to which uri -> path of the file is added.
    """
    before, target, after = link.groups()
    if re.match(r"[a-z]+:", target):
        return link.group()
    file = (path.parent / target).resolve()
    inside = file.relative_to(ROOT).as_posix()  # raises ValueError for what is outside
    model = re.fullmatch(r"zoo/models/(\w+)\.py", inside)
    if model and model[1] in NAMES:
        there = f"models/{model[1]}.md"
    elif inside == "README.md":
        there = "index.md"
    elif inside == "notebooks/README.md":
        there = "notebooks.md"
    elif inside.startswith("docs/"):
        there = inside.removeprefix("docs/")
    elif file.is_dir():
        listed = [f for f in sorted(file.iterdir()) if f.is_file() and f.suffix in (".md", ".csv")]
        if not listed:
            raise ValueError(f"{uri} links to {inside}, a folder without a page to show.")
        file = next((f for f in listed if f.name == "README.md"), listed[0])
        return moved(LINK.match(f"]({file})"), uri, path, linked)
    else:
        # A page of elsewhere is a plain file here: its own links were not moved.
        there = f"files/{inside}" + (".txt" if file.suffix in (".md", ".py") else "")
        linked[there] = file
    up = "../" * uri.count("/")
    return f"{before}{up}{there}{after}"


def page(name, rows, tables):
    """Returns the page of a model, markdown with the links that the README would have."""
    module, variant, line = REGISTRY[name]
    own = [row for row in rows if row["model"] == name]
    recipe = (ROOT / "configs" / f"{name}.py").read_text("utf-8")
    source = f"{module.replace('.', '/')}.py"
    parts = [
        f"# {name}",
        f"{line[0].upper()}{line[1:]}.",
        *pictures(name),
        f"::: {module}\n    options: {{members: false, {QUIET}}}",
        f"## Its own settings\n\n::: {module}.{variant}\n"
        f"    options: {{members: false, show_bases: false, show_signature: false, {QUIET}}}",
        "## Measured",
        tables["table"](own) if own else "No row of results yet.",
        f"## The recipe\n\n`configs/{name}.py`:\n\n```python\n{recipe}```",
        f"## The file\n\n`{source}`:\n\n```python\n{(ROOT / source).read_text('utf-8')}```",
    ]
    return "\n\n".join(parts) + "\n"


def pictures(name):
    """Returns the pictures of a model: those of its cards, and those of the results."""
    found = []
    results = (ROOT / "docs" / "results.md").read_text("utf-8")
    if name in SHOWN:
        (shown,) = re.findall(rf"!\[.*?\]\(pictures/{SHOWN[name]}\)", results)
        found.append(shown.replace("(", "(docs/"))
    for card in sorted((ROOT / "pretrained").glob("*.md")):
        text = card.read_text("utf-8")
        if f"/{name}.py)" in text:
            (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", text)
            shown = f"![samples of {card.stem}](pretrained/{picture})"
            found.append(f'{shown}\n\n*`zoo.pretrained("{card.stem}")`*')
    return found
