"""A page as one file of HTML, which loads nothing and runs no script."""

from vsim_tf.ensemble.page.blocks import Page
from vsim_tf.io.files import output_file
from vsim_tf.types import PathLike

TEMPLATE = "report.html.jinja"


def page_html(page: Page) -> str:
    """Returns the text of the file; all texts of the page are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(TEMPLATE).render(page=page)


def write_page(path: PathLike, page: Page) -> None:
    """Writes a page, which appears complete or not at all. Raises UserError if the file cannot be written."""
    text = page_html(page)
    with output_file(path) as file:
        file.write(text.encode("utf-8", "replace"))
