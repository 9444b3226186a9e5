package main

import (
	"bytes"
	"encoding/hex"
	"maps"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

var functions = listFunctions()

// listFunctions returns those of sprig but three that the operator leaves out, and the operator's own.
func listFunctions() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(all, name)
	}
	maps.Copy(all, certificateFunctions)
	all["hexdec"] = decodeHex
	all["toYaml"] = toYAML
	all["fromYaml"] = fromYAML
	return all
}

// askTemplate fills a template as the operator does: with texts, of which none may be missing.
func askTemplate(asked question) (answer, error) {
	return fill(template.New("t").Option("missingkey=error"), asked.Template, asked.Values)
}

// askTransform fills the template of a rewrite: with the key as `value`.
func askTransform(asked question) (answer, error) {
	return fill(template.New("t"), asked.Template, map[string][]byte{"value": asked.Text})
}

func fill(empty *template.Template, text string, values map[string][]byte) (answer, error) {
	parsed, err := empty.Funcs(functions).Parse(text)
	if err != nil {
		return answer{Kind: "parse"}, err
	}
	variables := map[string]string{}
	for name, value := range values {
		variables[name] = string(value)
	}
	var filled bytes.Buffer
	err = parsed.Execute(&filled, variables)
	return answer{Text: filled.Bytes()}, err
}

// askKeysAndValues reads a filled template that makes several keys.
func askKeysAndValues(asked question) (answer, error) {
	texts, values := map[string]string{}, map[string][]byte{}
	err := yaml.Unmarshal(asked.Text, &texts)
	for name, text := range texts {
		values[name] = []byte(text)
	}
	return answer{Values: values}, err
}

// askYAML reads a document as kubectl does, into JSON.
func askYAML(asked question) (answer, error) {
	text, err := yaml.YAMLToJSON(asked.Text)
	return answer{Text: text}, err
}

func decodeHex(text string) string {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	return string(decoded)
}

func toYAML(value any) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func fromYAML(text string) map[string]any {
	members := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &members); err != nil {
		members["Error"] = err.Error()
	}
	return members
}
