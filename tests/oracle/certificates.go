package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"strings"
	"text/template"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"software.sslmate.com/src/go-pkcs12"
)

// certificateFunctions are the operator's own functions that read certificates and keys, by their documentation.
var certificateFunctions = template.FuncMap{
	"filterPEM":        filterPEM,
	"filterCertChain":  filterChain,
	"certSANs":         listNames,
	"jwkPublicKeyPem":  func(text string) (string, error) { return readKey(text, "PUBLIC KEY", x509.MarshalPKIXPublicKey) },
	"jwkPrivateKeyPem": func(text string) (string, error) { return readKey(text, "PRIVATE KEY", x509.MarshalPKCS8PrivateKey) },
	"pkcs12key":        func(file string) (string, error) { return openKey("", file) },
	"pkcs12keyPass":    openKey,
	"pkcs12cert":       func(file string) (string, error) { return openCertificates("", file) },
	"pkcs12certPass":   openCertificates,
	"rsaDecrypt":       decrypt,
}

func begin(text string) []byte {
	return []byte(text[max(strings.Index(text, "-----BEGIN"), 0):])
}

func write(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

func filterPEM(kind, text string) (string, error) {
	kept, rest := "", begin(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.EqualFold(block.Type, kind) {
			kept += string(pem.EncodeToMemory(block))
		}
	}
	if kept == "" && len(rest) != 0 {
		return "", errors.New("something is no PEM")
	}
	return kept, nil
}

func readCertificates(text []byte) (found []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found, nil
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
}

// order returns certificates from the leaf on, each followed by the first that it names as its issuer's.
func order(certificates []*x509.Certificate) ([]*x509.Certificate, error) {
	issuers, leaves := map[*x509.Certificate]*x509.Certificate{}, certificates
	for _, certificate := range certificates {
		for _, other := range certificates {
			if other != certificate && bytes.Equal(certificate.AuthorityKeyId, other.SubjectKeyId) {
				issuers[certificate] = other
				leaves = without(leaves, other)
				break
			}
		}
	}
	if len(leaves) != 1 {
		return nil, fmt.Errorf("%d leaves", len(leaves))
	}
	var ordered []*x509.Certificate
	for next := leaves[0]; next != nil; next = issuers[next] {
		if ordered = append(ordered, next); len(ordered) > len(certificates) {
			return nil, errors.New("a cycle")
		}
	}
	return ordered, nil
}

func without(all []*x509.Certificate, one *x509.Certificate) (rest []*x509.Certificate) {
	for _, each := range all {
		if each != one {
			rest = append(rest, each)
		}
	}
	return rest
}

func isRoot(certificate *x509.Certificate) bool {
	return certificate.AuthorityKeyId == nil || bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId)
}

func filterChain(kind, text string) (filtered string, err error) {
	ordered, err := readCertificates([]byte(text))
	if err == nil {
		ordered, err = order(ordered)
	}
	if err != nil {
		return "", err
	}
	first, last := ordered[0], ordered[len(ordered)-1]
	switch {
	case kind == "leaf" && !isRoot(first):
		return write("CERTIFICATE", first.Raw), nil
	case kind == "root" && isRoot(last):
		return write("CERTIFICATE", last.Raw), nil
	case kind == "intermediate":
		for _, certificate := range ordered[1:] {
			if isRoot(certificate) {
				break
			}
			filtered += write("CERTIFICATE", certificate.Raw)
		}
	}
	return filtered, nil
}

func listNames(text string) (names []string, err error) {
	block, _ := pem.Decode(begin(text))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	names = append([]string{}, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	names = append(names, certificate.EmailAddresses...)
	for _, address := range certificate.URIs {
		names = append(names, address.String())
	}
	return names, nil
}

func readKey(text, kind string, marshal func(any) ([]byte, error)) (string, error) {
	key, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return "", err
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		return "", err
	}
	content, err := marshal(raw)
	return write(kind, content), err
}

func openKey(password, file string) (string, error) {
	key, _, _, err := pkcs12.DecodeChain([]byte(file), password)
	if err != nil {
		return "", err
	}
	content, err := x509.MarshalPKCS8PrivateKey(key)
	return write("PRIVATE KEY", content), err
}

func openCertificates(password, file string) (text string, err error) {
	_, leaf, others, err := pkcs12.DecodeChain([]byte(file), password)
	if err != nil {
		return "", err
	}
	all := append([]*x509.Certificate{leaf}, others...)
	if ordered, err := order(all); err == nil {
		all = ordered
	}
	for _, certificate := range all {
		text += write("CERTIFICATE", certificate.Raw)
	}
	return text, nil
}

func decrypt(scheme, digest, text, key string) (string, error) {
	if scheme == "None" {
		return text, nil
	}
	block, _ := pem.Decode([]byte(key))
	if scheme != "RSA-OAEP" || block == nil {
		return "", errors.New("no such scheme, or no PEM")
	}
	private, err := parseKey(block.Bytes)
	if err != nil {
		return "", err
	}
	digests := map[string]func() hash.Hash{"SHA1": sha1.New, "SHA512": sha512.New}
	make, known := digests[digest]
	if !known {
		make = sha256.New
	}
	decrypted, err := rsa.DecryptOAEP(make(), nil, private, []byte(text), nil)
	return string(decrypted), err
}

func parseKey(content []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(content); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(content)
	private, isRSA := key.(*rsa.PrivateKey)
	if !isRSA {
		return nil, fmt.Errorf("no RSA key: %w", err)
	}
	return private, nil
}
