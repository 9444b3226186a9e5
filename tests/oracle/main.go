// Answers what the libraries make of a value that External Secrets and the AWS provider of the CSI driver are built of.
//
// Each line of the input is a question in JSON, and each line of the output its answer. `ask` names the question. Bytes
// are in base64, since values need not be UTF-8. An answer has an `error` where the original has one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// question has what each of the questions takes.
type question struct {
	Ask      string            `json:"ask"`
	Text     []byte            `json:"text"`
	Path     string            `json:"path"`
	Template string            `json:"template"`
	Values   map[string][]byte `json:"values"`
	Source   string            `json:"source"`
	Target   string            `json:"target"`
	Strategy string            `json:"strategy"`
	Keys     []string          `json:"keys"`
}

// answer has what an answer says: of a path, whether something is there and what; else a text, keys or values.
type answer struct {
	Exists bool              `json:"exists,omitempty"`
	Kind   string            `json:"kind,omitempty"`
	Text   []byte            `json:"text,omitempty"`
	Keys   []string          `json:"keys,omitempty"`
	Values map[string][]byte `json:"values,omitempty"`
	Error  string            `json:"error,omitempty"`
}

var answers = map[string]func(question) (answer, error){
	"gjson":         askGjson,
	"property":      askProperty,
	"extract":       askExtract,
	"jmespath":      askJmesPath,
	"template":      askTemplate,
	"transform":     askTransform,
	"regexp":        askRegexp,
	"convert":       askConvert,
	"decode":        askDecode,
	"keysAndValues": askKeysAndValues,
	"yaml":          askYAML,
	"merge":         askMerge,
	"objects":       askObjects,
	"driverKey":     askDriverKey,
}

func main() {
	input, output := bufio.NewReaderSize(os.Stdin, 1<<20), json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for decoder := json.NewDecoder(input); ; {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			return
		}
		if err := output.Encode(reply(asked)); err != nil {
			panic(err)
		}
	}
}

// reply answers a question; a panic of a library is an error, as it is one of the controller.
func reply(asked question) (said answer) {
	defer func() {
		if cause := recover(); cause != nil {
			said = answer{Error: fmt.Sprint("panic: ", cause)}
		}
	}()
	find, known := answers[asked.Ask]
	if !known {
		return answer{Error: "no such question: " + asked.Ask}
	}
	said, err := find(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return said
}
