package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// askMerge makes one object of the objects that keys hold. `keys` are the priority; `target` is the key of the result,
// where there is one; `strategy` is the policy of conflicts, and `source` that of keys that are not there.
func askMerge(asked question) (answer, error) {
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(asked.Values)), func(key string) bool {
		return slices.Contains(asked.Keys, key)
	})
	merged := map[string]any{}
	for _, key := range append(others, asked.Keys...) {
		content, exists := asked.Values[key]
		if !exists && asked.Source == "IgnoreNotFound" {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(content, &members); err != nil {
			return answer{}, err
		}
		for name, value := range members {
			if _, both := merged[name]; both && asked.Strategy != "Ignore" {
				return answer{}, errors.New("two have the key " + name)
			}
			merged[name] = value
		}
	}
	return writeMerged(asked, merged)
}

func writeMerged(asked question, merged map[string]any) (answer, error) {
	values := map[string][]byte{}
	if asked.Target == "" {
		for name, value := range merged {
			text, err := writeMember(value)
			if err != nil {
				return answer{}, err
			}
			values[name] = text
		}
		return answer{Values: values}, nil
	}
	maps.Copy(values, asked.Values)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(merged)
	values[asked.Target] = bytes.TrimRight(text.Bytes(), "\n")
	return answer{Values: values}, err
}

func writeMember(value any) ([]byte, error) {
	switch member := value.(type) {
	case string:
		return []byte(member), nil
	case nil:
		return []byte{}, nil
	case float64:
		return strconv.AppendFloat(nil, member, 'f', -1, 64), nil
	}
	return json.Marshal(value)
}
