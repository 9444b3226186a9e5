"""Where mappings and clusters stand in their files. Compiled with them, and part of no revision of a Secret."""

from pydantic import Field

from keyferry.model import Record


class Origin(Record):
    """The place of a mapping or of a cluster in its file, and those of the mapping's parts."""

    file: str
    """The file, relative to the folder of the mappings."""
    line: int
    """The line of its name, from 1."""
    lines: dict[str, int] = Field(default_factory=dict)
    """Part of the mapping → its line, where that is not the line of the nearest part around it.

    A part is called as in `KeyferryError.part`. With `:template` after it, it stands for the first line of a template
    that is written as a block after |, whose lines are those of the file.
    """
    template_files: dict[str, str] = Field(default_factory=dict, alias="templateFiles")
    """Part of the mapping → the file of its template, relative to the folder of the mappings."""

    def find_line(self, part: str) -> int:
        """Return the line of a part, or of the nearest part around it that has one."""
        while part and part not in self.lines:
            part = part.rpartition(".")[0]
        return self.lines.get(part, self.line)

    def locate(self, part: str = "", template_line: int = 0) -> str:
        """Return file and line of a part, or of a line of its template, as `db.yaml:12`.

        Args:
            part: the part; empty for the mapping.
            template_line: the line of its template, from 1; 0 for the part itself.
        """
        if template_line and part in self.template_files:
            return f"{self.template_files[part]}:{template_line}"
        if template_line and f"{part}:template" in self.lines:
            return f"{self.file}:{self.lines[f'{part}:template'] + template_line - 1}"
        return f"{self.file}:{self.find_line(part)}"
