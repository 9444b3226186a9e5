// Tells what Go makes of the files of TLS Secrets, which is what ingress controllers and most of what is written in Go
// make of them.
//
// Each argument is a folder with tls.crt, tls.key and, perhaps, ca.crt. A line of the output is JSON: the name of a
// folder, and what is wrong with its files; nothing where nothing is.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
)

type verdict struct {
	Folder string `json:"folder"`
	Wrong  string `json:"wrong"`
}

func main() {
	output := json.NewEncoder(os.Stdout)
	for _, folder := range os.Args[1:] {
		found := verdict{Folder: folder}
		if err := judge(folder); err != nil {
			found.Wrong = err.Error()
		}
		if err := output.Encode(found); err != nil {
			panic(err)
		}
	}
}

// judge returns why a server could not present the certificate, or why a client that trusts ca.crt would refuse it.
func judge(folder string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err != nil {
		return err
	}
	if err := handshake(pair); err != nil {
		return err
	}
	authorities, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(authorities) {
		return errors.New("ca.crt holds no certificate")
	}
	for _, content := range pair.Certificate[1:] {
		certificate, err := x509.ParseCertificate(content)
		if err != nil {
			return err
		}
		intermediates.AddCert(certificate)
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// handshake presents the certificate to a client that trusts everybody. Keys are loaded that nothing can be signed with.
func handshake(pair tls.Certificate) error {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}})
	served := make(chan error, 1)
	go func() {
		served <- server.Handshake()
		far.Close()
	}()
	err := tls.Client(near, &tls.Config{InsecureSkipVerify: true}).Handshake()
	near.Close()
	return errors.Join(<-served, err)
}
