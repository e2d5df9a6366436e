package kit

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// TLS is how brokers are verified and what they are shown; nil without TLS. The library adds the name that it dials.
func TLS() *tls.Config {
	ca := os.Getenv("TLS_CA")
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	Check("read the authority", err)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		Fail("no certificate in %s", ca)
	}
	if certificate := os.Getenv("TLS_CERTIFICATE"); certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, must("TLS_KEY"))
		Check("load the certificate", err)
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
