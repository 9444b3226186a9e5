"""Random ExternalSecrets, and the secrets that they read."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from tests.oracle.documents import texts

SECRETS = ("shop/a", "shop/b", "shop/text")
_NAMES = ("a", "b", "user", "tls.crt", "api-key", "a/b", "in.x", "DB_URL")
_encoded = texts.map(lambda text: base64.b64encode(text.encode()).decode())
_scalars = texts | _encoded | st.sampled_from((5432, 1.5, True, None, ["x", 1], {"x": {"y": "z"}}, 12345678))
_always = st.fixed_dictionaries({"a": _scalars, "b": _scalars, "user": texts})
_inner = st.dictionaries(st.sampled_from(_NAMES), _scalars, max_size=2)
_members = st.dictionaries(st.sampled_from(_NAMES), _scalars | _scalars | _inner, min_size=3)
_objects = st.tuples(_always, _members).map(lambda pair: json.dumps(pair[1] | pair[0])) | _members.map(json.dumps)
secrets = st.fixed_dictionaries(
    {
        "shop/a": _objects,
        "shop/b": _objects,
        "shop/text": texts | _objects | _encoded | st.sampled_from(("\udcff\x00\x01", "-\udce9")),
    }
).map(lambda values: {name: text.encode(errors="surrogateescape") for name, text in values.items()})

_properties = st.sampled_from(
    (
        *("a", "b", "user", "a", "b", "user", "a", "b", "user", "tls.crt", r"tls\.crt", "a.x", "in.x", "user.a", "a.0"),
        *("b.#", "x.y", "missing", "api-key", "@this", "*", "a*"),
    )
)
_decodings = st.sampled_from(("Auto", "Auto", "None", "None", "None", "Base64", "Base64URL"))
_keys = st.sampled_from(("a", "b", "user", "tls.crt", "new"))
_ref = st.fixed_dictionaries(
    {"key": st.sampled_from(SECRETS)}, optional={"property": _properties, "decodingStrategy": _decodings}
)
_entries = st.dictionaries(_keys, _ref, max_size=3)
_data = _entries.map(lambda refs: [{"secretKey": key, "remoteRef": ref} for key, ref in refs.items()])
_regexps = st.sampled_from(
    (("^", "p_"), ("[^a-zA-Z0-9_.-]", "_"), ("(.)/(.)", "${2}_$1"), ("-", ""), ("^a$", "z"), (".*", "x$0"))
)
_rewrites = (
    _regexps.map(lambda pair: {"regexp": {"source": pair[0], "target": pair[1]}})
    | st.sampled_from(
        ("{{ .value | upper }}", 'k_{{ .value | replace "/" "_" }}', '{{ .value | trimPrefix "a" }}', "{{ .other }}")
    ).map(lambda text: {"transform": {"template": text}})
    | st.fixed_dictionaries(
        {"conflictPolicy": st.sampled_from(("Ignore", "Error"))},
        optional={"priority": st.just(["a", "b"]), "priorityPolicy": st.just("IgnoreNotFound")},
    ).map(lambda merge: {"merge": merge})
    | st.just({"merge": {"strategy": "JSON", "into": "all", "conflictPolicy": "Ignore"}})
)
_extract = st.fixed_dictionaries(
    {"key": st.sampled_from(SECRETS)},
    optional={
        "property": _properties,
        "decodingStrategy": _decodings,
        "conversionStrategy": st.sampled_from(("Default", "Unicode")),
    },
)
_data_from = st.lists(
    st.fixed_dictionaries({"extract": _extract}, optional={"rewrite": st.lists(_rewrites, min_size=1, max_size=2)}),
    max_size=2,
)
_texts = st.sampled_from(
    (
        *(
            "{{ .a }}",
            "{{ .user | upper }}",
            '{{ index . "tls.crt" | b64enc }}',
            "{{ .a | b64dec }}",
            "fixed: {% x %}\n",
            "{{ .missing }}",
        ),
        *(
            "{{ range $k, $v := . }}{{ $k }}={{ $v | quote }};{{ end }}",
            "{{ toJson . }}",
            "{{ (fromJson .a).x }}",
            '{{ .b | default "d" }}',
        ),
        *(
            "{{ if .a }}yes{{ else }}no{{ end }}",
            "{{ .a }}:{{ .b }}",
            "{{ .user | int }}",
            "{{- .a -}}  \n",
            '{{ printf "%s@%s" .a .user }}',
        ),
    )
)
_literals = st.sampled_from(
    ("x: {{ .a | quote }}\ny: '{{ .user }}'\n", "{{ .a }}: 1.50\n", "k: yes\nuser: {{ .b | toJson }}", "{{ .user }}")
)
_template = st.fixed_dictionaries(
    {},
    optional={
        "data": st.dictionaries(_keys, _texts, min_size=1, max_size=2),
        "mergePolicy": st.sampled_from(("Merge", "Replace")),
        "templateFrom": st.lists(_literals.map(lambda text: {"literal": text}), min_size=1, max_size=2),
        "type": st.just("Opaque"),
    },
)
_target = st.fixed_dictionaries(
    {}, optional={"template": _template, "deletionPolicy": st.sampled_from(("Retain", "Delete", "Merge"))}
)
missing = st.just(frozenset[str]()) | st.frozensets(st.sampled_from(SECRETS))
"""The secrets that are not there."""
specs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"data": _data, "dataFrom": _data_from, "target": _target}
).filter(lambda spec: bool(spec.get("data") or spec.get("dataFrom")))
