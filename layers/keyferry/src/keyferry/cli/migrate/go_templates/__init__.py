"""Go templates as External Secrets has them (text/template with sprig), translated into Jinja that makes the same."""

from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.translate import find_plain_field, list_fields, translate, translate_key

__all__ = ["Untranslatable", "find_plain_field", "list_fields", "translate", "translate_key"]
