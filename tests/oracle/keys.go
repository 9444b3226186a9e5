package main

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// askRegexp rewrites keys by a regular expression.
func askRegexp(asked question) (answer, error) {
	expression, err := regexp.Compile(asked.Source)
	if err != nil {
		return answer{}, err
	}
	said := answer{}
	for _, key := range asked.Keys {
		said.Keys = append(said.Keys, expression.ReplaceAllString(key, asked.Target))
	}
	return said, nil
}

// askConvert makes keys valid by a strategy.
func askConvert(asked question) (answer, error) {
	said := answer{}
	for _, key := range asked.Keys {
		var converted strings.Builder
		for _, sign := range key {
			converted.WriteString(convert(asked.Strategy, sign))
		}
		said.Keys = append(said.Keys, converted.String())
	}
	return said, nil
}

func convert(strategy string, sign rune) string {
	switch {
	case unicode.IsLetter(sign) || unicode.IsNumber(sign) || strings.ContainsRune("-._", sign):
		return string(sign)
	case strategy == "Default":
		return "_"
	case strategy == "Unicode":
		return fmt.Sprintf("_U%04x_", sign)
	}
	return string(sign)
}

// askDecode decodes a value by a strategy.
func askDecode(asked question) (answer, error) {
	encodings := map[string][]*base64.Encoding{
		"None":      nil,
		"Base64":    {base64.StdEncoding},
		"Base64URL": {base64.URLEncoding},
		"Auto":      {base64.StdEncoding, base64.URLEncoding},
	}
	last := error(nil)
	for _, encoding := range encodings[asked.Strategy] {
		decoded, err := encoding.DecodeString(string(asked.Text))
		if err == nil {
			return answer{Text: decoded}, nil
		}
		last = err
	}
	if strings.HasPrefix(asked.Strategy, "Base64") {
		return answer{}, last
	}
	return answer{Text: asked.Text}, nil
}
