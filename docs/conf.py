"""Settings of the documentation."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from make_results import write_results  # noqa: E402

import pyg_ibmea  # noqa: E402

write_results(HERE.parent, HERE / "results.md")

project = "pyg_ibmea"
release = version = pyg_ibmea.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # The docstrings give types with shapes.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
napoleon_custom_sections = [("Shapes", "params_style")]
napoleon_use_rtype = False
napoleon_use_ivar = True
html_theme = "furo"
html_title = "pyg_ibmea"
html_show_copyright = False
html_show_sphinx = False
