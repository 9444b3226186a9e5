"""Parse a Go template (text/template/parse/parse.go)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from keyferry.cli.migrate.go_templates import constants
from keyferry.cli.migrate.go_templates.errors import Untranslatable
from keyferry.cli.migrate.go_templates.lexer import Action, Text, Token, split
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

_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"})
_VALUES: dict[str, Operand] = {"true": Constant(value=True), "false": Constant(value=False), "nil": Nil()}
_MAX_DEPTH = 60
_ENDS = frozenset({"else", "end"})


@dataclass
class Parsed:
    """A template and the templates that it defines."""

    body: tuple[Node, ...] = ()
    templates: dict[str, tuple[Node, ...]] = field(default_factory=dict)


def parse(template: str) -> Parsed:
    """Return the syntax tree of a template.

    Raises:
        Untranslatable: Go would not parse it, or it is nested too deeply.
    """
    return _Parser(template).parse()


class _Words:
    """The tokens of an action, read from left to right."""

    def __init__(self, action: Action) -> None:
        tokens = list(action.tokens)
        while tokens and tokens[-1].kind == "space":
            tokens.pop()
        while tokens and tokens[0].kind == "space":
            tokens.pop(0)
        self.tokens, self.line, self.position = tokens, action.line, 0

    def peek(self, offset: int = 0) -> Token:
        """Return a token that comes, without reading it."""
        index = self.position + offset
        return self.tokens[index] if index < len(self.tokens) else Token("end", "", self.line)

    def take(self) -> Token:
        """Read a token."""
        token = self.peek()
        self.position += 1
        return token

    def skip(self) -> None:
        """Read white space."""
        while self.peek().kind == "space":
            self.position += 1

    def refuse(self, token: Token) -> Untranslatable:
        """Return the error of a token that Go does not expect."""
        what = repr(token.text) if token.kind != "end" else "}}"
        return Untranslatable(token.line, f"Go does not expect {what} here")


class _Parser:
    def __init__(self, template: str) -> None:
        self._parts: Iterator[Text | Action] = split(template)
        self._parsed = Parsed()
        self._depth = self._loops = 0

    def parse(self) -> Parsed:
        body, end = self._read_nodes()
        if end is not None:
            raise Untranslatable(end.line, f"{{{{ {end.peek().text} }}}} closes nothing")
        self._parsed.body = body
        return self._parsed

    def _read_nodes(self) -> tuple[tuple[Node, ...], _Words | None]:
        """Return nodes up to an `else` or an `end`, which is returned too."""
        nodes: list[Node] = []
        for part in self._parts:
            if isinstance(part, Text):
                nodes.append(TextNode(part.text))
                continue
            words = _Words(part)
            if words.peek().kind == "name" and words.peek().text in _ENDS:
                return tuple(nodes), words
            node = self._read_action(words)
            if node is not None:
                nodes.append(node)
        return tuple(nodes), None

    def _read_action(self, words: _Words) -> Node | None:
        first = words.peek()
        if first.kind == "name" and first.text in _KEYWORDS:
            words.take()
            words.skip()
            return self._read_keyword(first, words)
        pipeline = self._read_pipeline(words)
        self._finish(words)
        return Output(pipeline)

    def _read_keyword(self, keyword: Token, words: _Words) -> Node | None:
        match keyword.text:
            case "if" | "with" | "range":
                return self._read_branch(keyword, words)
            case "break" | "continue":
                self._finish(words)
                if not self._loops:
                    raise Untranslatable(keyword.line, f"{keyword.text} outside of a range")
                return Leave(keyword.text, keyword.line)
            case "template":
                name = self._read_text(words)
                pipeline = self._read_pipeline(words) if words.peek().kind != "end" else None
                self._finish(words)
                return Call(name, pipeline, keyword.line)
        return self._read_definition(keyword, words)

    def _read_definition(self, keyword: Token, words: _Words) -> Node | None:
        name = self._read_text(words)
        pipeline = self._read_pipeline(words) if keyword.text == "block" else None
        self._finish(words)
        loops, self._loops = self._loops, 0
        body, end = self._read_nodes()
        self._loops = loops
        self._close(keyword, end)
        if name in self._parsed.templates:
            raise Untranslatable(keyword.line, f"defines the template {name!r} twice")
        self._parsed.templates[name] = body
        return Call(name, pipeline, keyword.line) if keyword.text == "block" else None

    def _read_branch(self, keyword: Token, words: _Words) -> Branch:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Untranslatable(keyword.line, "nested too deeply")
        pipeline = self._read_pipeline(words, most=2 if keyword.text == "range" else 1)
        self._finish(words)
        self._loops += keyword.text == "range"
        body, end = self._read_nodes()
        self._loops -= keyword.text == "range"
        other: tuple[Node, ...] = ()
        if end is not None and end.peek().text == "else":
            end.take()
            end.skip()
            again = end.peek()
            if again.kind == "name" and again.text == keyword.text and keyword.text != "range":
                end.take()
                end.skip()
                other, end = (self._read_branch(again, end),), None
                self._depth -= 1
                return Branch(keyword.text, pipeline, body, other, keyword.line)
            self._finish(end)
            other, end = self._read_nodes()
        self._close(keyword, end)
        self._depth -= 1
        return Branch(keyword.text, pipeline, body, other, keyword.line)

    def _close(self, keyword: Token, end: _Words | None) -> None:
        if end is None or end.peek().text != "end":
            raise Untranslatable(keyword.line, f"{{{{ {keyword.text} }}}} has no {{{{ end }}}}")
        end.take()
        self._finish(end)

    def _finish(self, words: _Words) -> None:
        words.skip()
        if words.peek().kind != "end":
            raise words.refuse(words.peek())

    def _read_text(self, words: _Words) -> str:
        token = words.take()
        if token.kind != "text":
            raise words.refuse(token)
        words.skip()
        return constants.parse_text(token)

    def _read_pipeline(self, words: _Words, most: int = 1, end: str = "end") -> Pipeline:
        """Return a pipeline up to the end of the action, or a closing parenthesis."""
        words.skip()
        line = words.peek().line
        variables, is_assignment = self._read_declaration(words, most)
        commands = [self._read_command(words, end)]
        while words.peek().text == "|":
            words.take()
            commands.append(self._read_command(words, end))
        if len(commands) > _MAX_DEPTH:
            raise Untranslatable(line, "a pipe of too many functions")
        for command in commands[1:]:
            if not isinstance(command.operands[0], Name | Fields | Variable):
                raise Untranslatable(command.line, "a pipe leads into a function, and here into a value")
        return Pipeline(tuple(commands), variables, is_assignment, line)

    def _read_declaration(self, words: _Words, most: int) -> tuple[tuple[str, ...], bool]:
        start, names = words.position, list[str]()
        while words.peek().kind == "variable" and len(names) < most:
            names.append(words.take().text)
            words.skip()
            sign = words.peek()
            if sign.text in (":=", "="):
                words.take()
                return tuple(names), sign.text == "="
            if sign.text != ",":
                break
            words.take()
            words.skip()
        words.position = start
        return (), False

    def _read_command(self, words: _Words, end: str) -> Command:
        words.skip()
        line, operands = words.peek().line, list[Operand]()
        while words.peek().kind != end and words.peek().text not in ("|", ")"):
            operands.append(self._read_operand(words))
            if words.peek().kind not in ("space", "end") and words.peek().text not in ("|", ")"):
                raise words.refuse(words.peek())
            words.skip()
        if words.peek().text == ")" and end == "end":
            raise words.refuse(words.peek())
        if words.peek().kind == "end" and end != "end":
            raise Untranslatable(line, "a parenthesis is not closed")
        if not operands:
            raise Untranslatable(line, "a value is missing")
        return Command(tuple(operands), line)

    def _read_operand(self, words: _Words) -> Operand:
        holder = self._read_term(words)
        names = list[str]()
        while words.peek().kind == "field":
            names.append(words.take().text[1:])
        if not names:
            return holder
        if isinstance(holder, Constant | Nil | Name):
            raise Untranslatable(words.line, "only a value can have fields")
        if isinstance(holder, Fields):
            return Fields(holder.holder, (*holder.names, *names))
        return Fields(holder, tuple(names))

    def _read_term(self, words: _Words) -> Operand:
        token = words.take()
        match token.kind:
            case "dot":
                return Dot()
            case "field":
                return Fields(Dot(), (token.text[1:],))
            case "variable":
                return Variable(token.text)
            case "name" if token.text not in _KEYWORDS:
                return _VALUES.get(token.text) or Name(token.text)
            case "text" | "number" | "character":
                return Constant(constants.parse(token))
            case "sign" if token.text == "(":
                return self._read_parenthesis(token, words)
        raise words.refuse(token)

    def _read_parenthesis(self, token: Token, words: _Words) -> Pipeline:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Untranslatable(token.line, "nested too deeply")
        pipeline = self._read_pipeline(words, most=0, end=")")
        self._depth -= 1
        if words.take().text != ")":
            raise Untranslatable(token.line, "a parenthesis is not closed")
        return pipeline
