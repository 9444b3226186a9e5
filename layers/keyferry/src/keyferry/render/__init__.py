"""Render the content of a Secret from the values of a mapping's sources: paths, templates, certificates, sign-ins."""
