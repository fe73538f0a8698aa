"""The documentation as a site: `make docs`."""

import cnn_mnist

project = "cnn-mnist"
copyright = "the authors of cnn-mnist"
release = version = cnn_mnist.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebook keeps its output; the tests run it
autodoc_member_order = "bysource"
autodoc_typehints = "description"
html_theme = "furo"
html_title = "cnn-mnist"
