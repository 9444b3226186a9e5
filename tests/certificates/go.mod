module keyferry.dev/certificates

go 1.26
