"""What may become of a Secret, beside being written."""

from typing import Literal, Self

from pydantic import model_validator

from keyferry.model import Record

Creation = Literal["createOrUpdate", "merge", "createOnce"]
Keys = Literal["ours", "exclusive"]
Deletion = Literal["retain", "delete", "merge"]
Conflict = Literal["fail", "takeOver"]


class Policies(Record):
    """How a Secret is created, shared with others, and deleted."""

    creation: Creation = "createOrUpdate"
    """Whether the Secret is created and updated; added to, where others create it; or created once and left alone."""
    keys: Keys = "ours"
    """Whether keys that others put into the Secret stay (`ours`), or are removed (`exclusive`)."""
    deletion: Deletion = "retain"
    """What happens when a source is deleted for certain: nothing, the Secret is deleted, or our keys are removed."""
    conflict: Conflict = "fail"
    """What happens when others own the Secret, or a key that was never ours: the delivery fails, or takes over."""

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.creation == "merge" and self.keys == "exclusive":
            raise ValueError("creation: merge adds to somebody else's Secret, and keys: exclusive would remove theirs")
        if self.creation == "merge" and self.deletion == "delete":
            raise ValueError("creation: merge adds to somebody else's Secret; deletion: merge takes our keys out again")
        if self.creation == "createOnce" and self.keys == "exclusive":
            raise ValueError("creation: createOnce leaves a Secret that exists alone, and keys: exclusive does not")
        return self
