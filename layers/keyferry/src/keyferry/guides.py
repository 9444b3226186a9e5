"""Where the guides are: the address of each page that a message leads to. No message has one of its own."""

SITE = "https://keyferry.dev"
"""Where the site is published: `site_url` of mkdocs.yml."""


def link(page: str, section: str = "") -> str:
    """Return the address of a page of the site.

    Args:
        page: the page's path in docs/, without `.md`, as `map/mappings`; of an index.md its folder, as `deploy`.
        section: the anchor of a section; empty for the whole page.
    """
    return f"{SITE}/{page}/" + (f"#{section}" if section else "")


def link_error(name: str) -> str:
    """Return the address of what is to be done about an error.

    Args:
        name: the name of its class, as `Conflict`.
    """
    return link("operate/troubleshooting", name.lower())
