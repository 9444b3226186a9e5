"""What Go's text/template, sprig and External Secrets' own functions make of values, to the byte.

A text is a `str`, or a SecretValue where its bytes are not UTF-8. A whole number is an `int` (`Int64` for Go's int64),
a number with a fraction a `float`, as all numbers of JSON are in Go; nil is None.
"""
