package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"

	"sigs.k8s.io/yaml"
)

// object is an entry of `objects` of a SecretProviderClass, with the fields that the AWS provider documents.
type object struct {
	Name       string     `json:"objectName"`
	Alias      string     `json:"objectAlias"`
	Version    string     `json:"objectVersion"`
	Label      string     `json:"objectVersionLabel"`
	Type       string     `json:"objectType"`
	Permission string     `json:"filePermission"`
	Paths      []pathPart `json:"jmesPath"`
	Failover   struct {
		Name    string `json:"objectName"`
		Version string `json:"objectVersion"`
		Label   string `json:"objectVersionLabel"`
	} `json:"failoverObject"`
}

type pathPart struct {
	Path       string `json:"path"`
	Alias      string `json:"objectAlias"`
	Permission string `json:"filePermission"`
}

// askObjects reads a text as the provider reads `objects`, and answers JSON.
func askObjects(asked question) (answer, error) {
	var found []*object
	if err := yaml.Unmarshal(asked.Text, &found); err != nil {
		return answer{}, err
	}
	text, err := json.Marshal(found)
	return answer{Exists: true, Text: text}, err
}

// askDriverKey answers the private key of a PEM text as the CSI driver writes it into a Secret for TLS.
func askDriverKey(asked question) (answer, error) {
	var content []byte
	for block, rest := pem.Decode(asked.Text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			content = block.Bytes
		}
	}
	var key any
	if parsed, err := x509.ParsePKCS8PrivateKey(content); err == nil {
		key = parsed
	} else if parsed, err := x509.ParsePKCS1PrivateKey(content); err == nil {
		key = parsed
	} else if parsed, err := x509.ParseECPrivateKey(content); err == nil {
		key = parsed
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return answer{Text: []byte(write("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))}, nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		return answer{Text: []byte(write("EC PRIVATE KEY", der))}, err
	}
	return answer{}, errors.New("no key that the driver knows")
}
