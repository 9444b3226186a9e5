package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jmespath/go-jmespath"
	"github.com/tidwall/gjson"
)

func askGjson(asked question) (answer, error) {
	return describe(gjson.Get(string(asked.Text), asked.Path)), nil
}

// askProperty finds a property as the AWS provider does: a key with dots in its name goes before a path.
func askProperty(asked question) (answer, error) {
	text := string(asked.Text)
	if strings.Contains(asked.Path, ".") {
		literal := gjson.Get(text, strings.ReplaceAll(asked.Path, ".", `\.`))
		if literal.Exists() {
			return describe(literal), nil
		}
	}
	return describe(gjson.Get(text, asked.Path)), nil
}

func describe(found gjson.Result) answer {
	return answer{Exists: found.Exists(), Kind: found.Type.String(), Text: []byte(found.String())}
}

// askExtract makes keys of an object's members: texts as they are, everything else as it is written.
func askExtract(asked question) (answer, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(asked.Text, &members); err != nil {
		return answer{}, err
	}
	values := map[string][]byte{}
	for name, member := range members {
		var text string
		if json.Unmarshal(member, &text) == nil {
			values[name] = []byte(text)
		} else {
			values[name] = member
		}
	}
	return answer{Values: values}, nil
}

// askJmesPath searches a document; the text is JSON, and the kind Go's.
func askJmesPath(asked question) (answer, error) {
	var document any
	if err := json.Unmarshal(asked.Text, &document); err != nil {
		return answer{}, fmt.Errorf("not JSON: %w", err)
	}
	found, err := jmespath.Search(asked.Path, document)
	if err != nil {
		return answer{}, err
	}
	text, err := json.Marshal(found)
	return answer{Exists: found != nil, Kind: fmt.Sprintf("%T", found), Text: text}, err
}
