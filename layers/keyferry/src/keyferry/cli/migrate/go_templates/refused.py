"""Functions that External Secrets has and a mapping has not, each with the reason."""

_RANDOM = "gives another value each time, so no Secret would ever stay the same; put the value into AWS and read it"
_TIME = "depends on when it runs; put the value into AWS and read it"
_SALT = "has a random salt, so its result is never the same twice"
_RARE = "is not supported; make the value before it goes to AWS"
_TYPES = "depends on types of Go that no value has here"

REFUSED: dict[str, str] = {
    **dict.fromkeys(("randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt"), _RANDOM),
    **dict.fromkeys(("uuidv4", "shuffle", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert"), _RANDOM),
    **dict.fromkeys(("genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey"), _RANDOM),
    **dict.fromkeys(("encryptAES", "buildCustomCert"), _RANDOM),
    **dict.fromkeys(("now", "ago", "date", "date_in_zone", "date_modify", "dateInZone", "dateModify"), _TIME),
    **dict.fromkeys(("htmlDate", "htmlDateInZone", "must_date_modify", "mustDateModify", "mustToDate"), _TIME),
    **dict.fromkeys(("toDate", "unixEpoch", "durationRound", "duration"), _TIME),
    "bcrypt": f"{_SALT}; the filter bcrypt of a mapping hashes a password",
    **dict.fromkeys(("pemToPkcs12", "pemToPkcs12Pass", "fullPemToPkcs12", "fullPemToPkcs12Pass"), _SALT),
    **dict.fromkeys(("pemTruststoreToPKCS12", "pemTruststoreToPKCS12Pass"), _SALT),
    **dict.fromkeys(("semver", "hello", "derivePassword"), _RARE),
    "call": _TYPES,
    **dict.fromkeys(("env", "expandenv"), "reads the operator's own environment"),
    "getHostByName": "asks the network",
    "getSecretKey": "reads another Secret",
}
"""Function → why it is refused."""
