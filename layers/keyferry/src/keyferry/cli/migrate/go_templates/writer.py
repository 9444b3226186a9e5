"""Write the syntax tree of a Go template as Jinja."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from keyferry.cli.migrate.go_templates import functions
from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.expression import (
    FILTERED,
    ITEMS,
    LISTS,
    PRINTED,
    Expression,
    take_field,
    write_constant,
)
from keyferry.cli.migrate.go_templates.page import Page
from keyferry.cli.migrate.go_templates.parser import Parsed
from keyferry.cli.migrate.go_templates.scope import Scope, list_assigned
from keyferry.cli.migrate.go_templates.tree import (
    Branch,
    Call,
    Command,
    Constant,
    Dot,
    Fields,
    Leave,
    Name,
    Nil,
    Node,
    Operand,
    Output,
    Pipeline,
    TextNode,
    Variable,
)

_MOST_NODES = 20_000
"""How many texts and actions are written, with those of a template wherever it is called."""
_RANGES = frozenset({"texts", "map"})


class Writer:
    """Writes one template.

    Attributes:
        fields: the keys of the root that the template names, once it is written.
    """

    def __init__(self, parsed: Parsed, root: Expression) -> None:
        self._parsed, self._root, self._dot = parsed, root, root
        self._scope = Scope(list_assigned([parsed.body, *parsed.templates.values()]))
        self._page = Page()
        self._called: list[str] = []
        self._written = 0
        self.fields: set[str] = set()

    def write(self) -> str:
        """Return the template as Jinja."""
        self._write_nodes(self._parsed.body)
        return self._page.finish()

    def _write_nodes(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._written += 1
            if self._written > _MOST_NODES:
                raise Untranslatable(1, "templates that call others make too much of it")
            match node:
                case TextNode(text):
                    self._page.add_text(text)
                case Output(pipeline):
                    self._write_output(pipeline)
                case Branch("range"):
                    with self._scoped():
                        self._write_range(node)
                case Branch():
                    with self._scoped():
                        self._write_branch(node)
                case Call():
                    self._write_call(node)
                case Leave(kind):
                    self._page.add_tag(f"{{% {kind} %}}")

    @contextmanager
    def _scoped(self) -> Iterator[None]:
        dot = self._dot
        with self._scope.inner():
            yield
        self._dot = dot

    def _write_output(self, pipeline: Pipeline) -> None:
        if pipeline.variables:
            self._set(pipeline)
            return
        if self._write_format(pipeline):
            return
        value = self._evaluate(pipeline)
        self._print(value, pipeline.line)

    def _print(self, value: Expression, line: int) -> None:
        if isinstance(value.constant, str):
            self._page.add_text(value.constant)
            return
        if value.kind == "nil":
            self._page.add_text("<no value>")
            return
        if value.kind in ("unordered", "key"):
            raise Untranslatable(line, "writes what Go makes in no order, or the dot itself")
        text = value.text if value.kind in PRINTED else f"{value.at(FILTERED)} | go('text')"
        self._page.add_tag(f"{{{{ {text} }}}}")

    def _write_format(self, pipeline: Pipeline) -> bool:
        """Write a `printf` of texts alone as text with fields in it; return whether it is one."""
        last = pipeline.commands[-1]
        if last.operands[0] != Name("printf"):
            return False
        arguments = self._list_arguments(pipeline, len(pipeline.commands) - 1)
        pieces = functions.split_format(arguments) if arguments else None
        if pieces is None:
            return False
        self._page.add_text(pieces[0])
        for piece, argument in zip(pieces[1:], arguments[1:], strict=True):
            self._print(argument, pipeline.line)
            self._page.add_text(piece)
        return True

    def _set(self, pipeline: Pipeline) -> Expression:
        """Write the variable that a pipeline declares or changes, and return its value."""
        value, (name,) = self._evaluate(pipeline), pipeline.variables
        if value.kind in ("nil", "key"):
            raise Untranslatable(pipeline.line, f"{name} gets nil, or the dot itself")
        text = value.text
        if value.is_field:
            text += " | string" if value.kind == "string" else " | go('value')"
        if pipeline.is_assignment:
            variable = self._scope.get(name, pipeline.line)
            self._page.add_tag(f"{{% set {variable.text} = {text} %}}")
            return variable
        variable = self._scope.declare(name, value.kind)
        holder, _, attribute = variable.text.partition(".")
        self._page.add_tag(f"{{% set {holder} = {f'namespace({attribute}={text})' if attribute else text} %}}")
        return variable

    def _write_branch(self, branch: Branch, keyword: str = "if") -> None:
        """Write `if` or `with`."""
        value = self._set(branch.pipeline) if branch.pipeline.variables else self._evaluate(branch.pipeline)
        if value.kind in ("unordered", "key"):
            raise Untranslatable(branch.line, f"{branch.kind} has no condition that is known here")
        outer = self._dot
        if branch.kind == "with" and not branch.pipeline.variables:
            value = self._hold(value)
        self._page.add_tag(f"{{% {keyword} {value.text} %}}")
        self._dot = value if branch.kind == "with" else outer
        with self._scope.inner():
            self._write_nodes(branch.body)
        self._dot = outer
        self._write_other(branch)

    def _write_other(self, branch: Branch) -> None:
        match branch.other:
            case (Branch(kind) as inner,) if kind == branch.kind == "if" and not inner.pipeline.variables:
                self._write_branch(inner, "elif")
            case _:
                self._write_else(branch)
                self._page.add_tag("{% endif %}")

    def _write_else(self, branch: Branch) -> None:
        if branch.other:
            self._page.add_tag("{% else %}")
            with self._scope.inner():
                self._write_nodes(branch.other)

    def _hold(self, value: Expression) -> Expression:
        """Return what stands for the dot: an expression that is short and always the same, or a variable for it."""
        if value.text.replace(".", "").isidentifier() and value.kind in ("string", "texts", "int", "bool"):
            return value
        variable = self._scope.declare("$value", value.kind)
        self._page.add_tag(f"{{% set {variable.text} = {value.text} %}}")
        return variable

    def _write_range(self, branch: Branch) -> None:
        pipeline = branch.pipeline
        if pipeline.is_assignment:
            raise Untranslatable(branch.line, "a range into variables that are there already; declare them by :=")
        value = self._evaluate(pipeline)
        if value.kind in ("string", "bool", "float", "unordered", "key"):
            raise Untranslatable(branch.line, f"range goes through {value.kind}, which has no items or no order")
        first, last = ("", *pipeline.variables)[-2:] if pipeline.variables else ("", "")
        item = self._open_range(value, first, last or "$item")
        outer, self._dot = self._dot, item
        with self._scope.inner():
            self._write_nodes(branch.body)
        self._dot = outer
        self._write_else(branch)
        self._page.add_tag("{% endfor %}")

    def _open_range(self, value: Expression, first: str, last: str) -> Expression:
        """Write the beginning of a loop, and return its item."""
        own, item = self._scope.declare_item(last, ITEMS.get(value.kind, "any"))
        owns = [(own, item)]
        if first or value.kind in _RANGES:
            kind = "string" if value.kind in _RANGES else "int" if value.kind in LISTS else "any"
            owns.insert(0, self._scope.declare_item(first or "$key", kind))
        items = value.text
        if value.kind in _RANGES:
            items = f"{value.at(FILTERED)} | dictsort(true)"
        elif first or value.kind not in LISTS:
            items = f"{value.at(FILTERED)} | go('{'items' if first else 'each'}')"
        self._page.add_tag(f"{{% for {', '.join(name for name, _ in owns)} in {items} %}}")
        for name, variable in owns:
            holder, _, attribute = variable.text.partition(".")
            if attribute:
                self._page.add_tag(f"{{% set {holder} = namespace({attribute}={name}) %}}")
        return item

    def _write_call(self, node: Call) -> None:
        """Write another template in place of its call."""
        if node.name not in self._parsed.templates:
            raise Untranslatable(node.line, f"there is no template {node.name!r}")
        if node.name in self._called:
            raise Untranslatable(node.line, f"the template {node.name!r} calls itself")
        if node.pipeline is not None and node.pipeline.variables:
            raise Untranslatable(node.line, "a template is called with a value, not with a variable that is declared")
        value = Expression("none", "nil") if node.pipeline is None else self._evaluate(node.pipeline)
        outer = self._root, self._dot, self._scope
        if value.kind != "nil":
            value = self._hold(value)
        self._root = self._dot = value
        self._scope = self._scope.apart()
        self._called.append(node.name)
        self._write_nodes(self._parsed.templates[node.name])
        self._called.pop()
        self._root, self._dot, self._scope = outer

    def _evaluate(self, pipeline: Pipeline) -> Expression:
        """Return what a pipeline makes."""
        return self._evaluate_command(pipeline, len(pipeline.commands) - 1, pipeline.commands[-1])

    def _evaluate_command(self, pipeline: Pipeline, number: int, command: Command) -> Expression:
        first = command.operands[0]
        if isinstance(first, Name):
            arguments = self._list_arguments(pipeline, number)
            return functions.call(first.name, arguments, command.line, is_piped=number > 0)
        if len(command.operands) > 1 or number:
            raise Untranslatable(command.line, "a value that is no function gets arguments")
        if isinstance(first, Nil):
            raise Untranslatable(command.line, "nil alone, which Go does not write")
        return self._evaluate_operand(first, command.line)

    def _list_arguments(self, pipeline: Pipeline, number: int) -> list[Expression]:
        """Return the arguments of a command; the last one is what the command before it makes."""
        command = pipeline.commands[number]
        arguments = [self._evaluate_operand(operand, command.line) for operand in command.operands[1:]]
        if number:
            arguments.append(self._evaluate_command(pipeline, number - 1, pipeline.commands[number - 1]))
        return arguments

    def _evaluate_operand(self, operand: Operand, line: int) -> Expression:
        match operand:
            case Dot():
                return self._dot
            case Nil():
                return Expression("none", "nil")
            case Constant(value):
                return write_constant(value)
            case Variable("$"):
                return self._root
            case Variable(name):
                return self._scope.get(name, line)
            case Fields(holder, names):
                return self._take_fields(self._evaluate_operand(holder, line), names, line)
            case Pipeline():
                if operand.variables:
                    raise Untranslatable(line, "a variable is declared within parentheses")
                return self._evaluate(operand)
        return functions.call(operand.name, [], line)

    def _take_fields(self, holder: Expression, names: Sequence[str], line: int) -> Expression:
        for name in names:
            if holder.kind == "key":
                if name != "value":
                    raise Untranslatable(line, f"a key has no field {name}; it is .value")
                holder = Expression("key", "string")
                continue
            if holder.kind not in ("texts", "map", "any"):
                raise Untranslatable(line, f"takes the field {name} of {holder.kind}, which has none")
            if holder == self._root and holder.kind == "texts":
                self.fields.add(name)
            holder = take_field(holder, name)
        return holder
