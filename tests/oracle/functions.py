"""What functions of templates take and give: text/template's own, sprig's, and the operator's for YAML."""

from collections.abc import Mapping

TEXT, INT, FLOAT, BOOL, LIST, MAP, ANY = "text", "int", "float", "bool", "list", "map", "any"
FORMATS = "format"
"""A text with verbs of printf, and what they take after it."""
SEPARATOR, PATTERN, SMALL, FIELD, URL = "separator", "pattern", "small", "field", "url"
"""Fixed texts and numbers that an argument needs to make sense: of them, a random one is written."""

type Signature = tuple[str, ...]

_TEXT: Mapping[str, tuple[Signature, ...]] = {
    **dict.fromkeys(
        (
            *(
                "trim",
                "upper",
                "lower",
                "title",
                "untitle",
                "nospace",
                "swapcase",
                "initials",
                "snakecase",
                "camelcase",
            ),
            *("kebabcase", "b64enc", "b64dec", "b32enc", "b32dec", "hexdec", "sha1sum", "sha256sum", "sha512sum"),
            *("adler32sum", "base", "dir", "clean", "ext", "regexQuoteMeta", "osBase"),
        ),
        ((TEXT,),),
    ),
    **dict.fromkeys(
        (
            *("quote", "squote", "toString", "toJson", "toPrettyJson", "toRawJson", "toYaml", "mustToJson", "print"),
            *("println", "html", "js", "urlquery", "typeOf", "kindOf"),
        ),
        ((ANY,),),
    ),
    **dict.fromkeys(("cat", "print", "println", "quote", "squote"), ((ANY, ANY), (ANY,), (TEXT, INT))),
    **dict.fromkeys(("trunc", "abbrev", "indent", "nindent", "repeat", "wrap"), ((SMALL, TEXT),)),
    **dict.fromkeys(("trimAll", "trimall", "trimSuffix", "trimPrefix"), ((SEPARATOR, TEXT), (TEXT, TEXT))),
    "wrapWith": ((SMALL, SEPARATOR, TEXT),),
    "substr": ((SMALL, SMALL, TEXT),),
    "abbrevboth": ((INT, INT, TEXT),),
    "replace": ((SEPARATOR, SEPARATOR, TEXT), (TEXT, TEXT, TEXT)),
    "plural": ((TEXT, TEXT, INT),),
    "join": ((SEPARATOR, LIST),),
    "printf": ((FORMATS,),),
    "regexFind": ((PATTERN, TEXT),),
    "regexReplaceAll": ((PATTERN, TEXT, SEPARATOR), (PATTERN, TEXT, TEXT)),
    "regexReplaceAllLiteral": ((PATTERN, TEXT, TEXT),),
    "slice": ((TEXT, SMALL, SMALL),),
    "urlJoin": ((MAP,), (URL,)),
    "seq": ((SMALL,), (SMALL, SMALL)),
    "duration": ((INT,),),
}
_BOOL: Mapping[str, tuple[Signature, ...]] = {
    **dict.fromkeys(("contains", "hasPrefix", "hasSuffix"), ((SEPARATOR, TEXT), (TEXT, TEXT))),
    "regexMatch": ((PATTERN, TEXT),),
    **dict.fromkeys(("empty", "not"), ((ANY,), (TEXT,))),
    **dict.fromkeys(("all", "any"), ((ANY, ANY), (TEXT,))),
    **dict.fromkeys(("eq", "ne"), ((TEXT, TEXT), (INT, INT), (BOOL, BOOL), (TEXT, TEXT, TEXT), (ANY, ANY))),
    **dict.fromkeys(("lt", "le", "gt", "ge"), ((TEXT, TEXT), (INT, INT), (FLOAT, FLOAT), (INT, FLOAT))),
    "has": ((TEXT, LIST), (ANY, LIST)),
    "hasKey": ((MAP, FIELD),),
    "isAbs": ((TEXT,),),
    **dict.fromkeys(("kindIs", "typeIs", "typeIsLike"), ((FIELD, ANY),)),
    "deepEqual": ((ANY, ANY), (LIST, LIST)),
    "semverCompare": ((FIELD, TEXT),),
}
_INT: Mapping[str, tuple[Signature, ...]] = {
    "len": ((TEXT,), (LIST,), (MAP,)),
    "atoi": ((TEXT,),),
    **dict.fromkeys(("int", "int64"), ((TEXT,), (FLOAT,), (ANY,), (BOOL,))),
    **dict.fromkeys(("add", "sub", "mul", "div", "mod", "max", "min"), ((INT, INT), (TEXT, INT), (INT, FLOAT))),
    "add1": ((INT,), (TEXT,)),
    "toDecimal": ((TEXT,),),
}
_FLOAT: Mapping[str, tuple[Signature, ...]] = {
    "float64": ((TEXT,), (INT,), (ANY,)),
    **dict.fromkeys(("addf", "subf", "mulf", "divf", "maxf", "minf"), ((FLOAT, FLOAT), (INT, TEXT))),
    **dict.fromkeys(("floor", "ceil"), ((FLOAT,), (TEXT,))),
    "round": ((FLOAT, SMALL), (TEXT, SMALL)),
}
_LIST: Mapping[str, tuple[Signature, ...]] = {
    **dict.fromkeys(("list", "tuple"), ((TEXT, TEXT, TEXT), (ANY,), (INT, INT), ())),
    "splitList": ((SEPARATOR, TEXT),),
    **dict.fromkeys(("sortAlpha", "uniq", "rest", "initial", "reverse", "compact", "toStrings"), ((LIST,),)),
    **dict.fromkeys(("append", "prepend", "without"), ((LIST, ANY), (LIST, TEXT))),
    "concat": ((LIST, LIST),),
    "slice": ((LIST, SMALL, SMALL), (LIST, SMALL)),
    "until": ((SMALL,),),
    "untilStep": ((SMALL, SMALL, SMALL),),
    "regexSplit": ((PATTERN, TEXT, SMALL),),
    "regexFindAll": ((PATTERN, TEXT, SMALL),),
    "fromJson": ((TEXT,),),
    "chunk": ((SMALL, LIST),),
    "pluck": ((FIELD, MAP, MAP),),
}
_MAP: Mapping[str, tuple[Signature, ...]] = {
    "dict": ((FIELD, ANY, FIELD, TEXT), (FIELD, TEXT), ()),
    **dict.fromkeys(("fromJson", "fromYaml", "mustFromJson"), ((TEXT,),)),
    **dict.fromkeys(("merge", "mergeOverwrite"), ((MAP, MAP),)),
    "set": ((MAP, FIELD, ANY),),
    "unset": ((MAP, FIELD),),
    **dict.fromkeys(("pick", "omit"), ((MAP, FIELD),)),
    "split": ((SEPARATOR, TEXT),),
    "splitn": ((SEPARATOR, SMALL, TEXT),),
    "urlParse": ((TEXT,),),
    "deepCopy": ((MAP,),),
}
_ANY: Mapping[str, tuple[Signature, ...]] = {
    "get": ((MAP, FIELD),),
    "index": ((MAP, FIELD), (LIST, SMALL)),
    **dict.fromkeys(("first", "last"), ((LIST,),)),
    "default": ((TEXT, ANY), (TEXT, TEXT), (INT, ANY)),
    "coalesce": ((ANY, ANY), (TEXT, TEXT, TEXT)),
    "ternary": ((TEXT, TEXT, BOOL), (ANY, ANY, BOOL)),
    **dict.fromkeys(("and", "or"), ((ANY, ANY), (BOOL, BOOL), (TEXT, TEXT, TEXT))),
    "fromJson": ((TEXT,),),
    "dig": ((FIELD, TEXT, MAP), (FIELD, FIELD, TEXT, MAP)),
    "call": ((TEXT,),),
}

GIVING: Mapping[str, Mapping[str, tuple[Signature, ...]]] = {
    TEXT: _TEXT, BOOL: _BOOL, INT: _INT, FLOAT: _FLOAT, LIST: _LIST, MAP: _MAP, ANY: _ANY,
}  # fmt: skip
"""Type → the functions that give it, and the types that each of them takes, the piped one last."""
