package rerankd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// authority signs certificates for the loopback address.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of the test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key))
	a.certificate = must[*x509.Certificate](t)(x509.ParseCertificate(der))
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func (a *authority) sign(t *testing.T) (certificate, key []byte) {
	t.Helper()
	own := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, a.certificate, &own.PublicKey, a.key))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalPKCS8PrivateKey(own))})
}

// serverCredentials ask for a certificate of the client if there are authorities for one.
func (a *authority) serverCredentials(t *testing.T, clients *x509.CertPool) grpc.ServerOption {
	t.Helper()
	pair := must[tls.Certificate](t)(tls.X509KeyPair(a.sign(t)))
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	return grpc.Creds(credentials.NewTLS(config))
}

func TestTLS(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	server := serve(t, &fakeserver.Server{Options: []grpc.ServerOption{trusted.serverCredentials(t, nil)}})
	for _, target := range []string{server.Target(), "ipv4:" + server.Target() + ",127.0.0.1:1"} {
		client := connect(t, target, rerankd.WithTLS(rerankd.TLSConfig{RootCertificates: trusted.pem}),
			rerankd.WithToken("secret"), rerankd.WithWaitForReady())
		must[*rerankdv1.RerankResponse](t)(client.Rerank(patience(t), "query", documents(1), nil))
		if got := server.Metadata("Rerank").Get("authorization"); len(got) != 1 || got[0] != "Bearer secret" {
			t.Errorf("%s: authorization %q", target, got)
		}
	}
	for name, option := range map[string]rerankd.Option{
		"plain text":      rerankd.WithTimeout(time.Minute),
		"other authority": rerankd.WithTLS(rerankd.TLSConfig{RootCertificates: other.pem}),
		"other name": rerankd.WithTLS(rerankd.TLSConfig{
			RootCertificates: trusted.pem, ServerName: "elsewhere.example"}),
	} {
		client := connect(t, server.Target(), option)
		if _, err := client.Status(patience(t)); !errors.Is(err, rerankd.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMutualTLS(t *testing.T) {
	servers, clients := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(clients.certificate)
	server := serve(t, &fakeserver.Server{Options: []grpc.ServerOption{servers.serverCredentials(t, pool)}})
	certificate, key := clients.sign(t)

	known := connect(t, server.Target(), rerankd.WithTLS(rerankd.TLSConfig{
		RootCertificates: servers.pem, ClientCertificate: certificate, ClientPrivateKey: key}))
	must[*rerankdv1.RerankResponse](t)(ranked(t, known, listed(documents(300)), nil))

	unknown := connect(t, server.Target(), rerankd.WithTLS(rerankd.TLSConfig{RootCertificates: servers.pem}))
	if _, err := unknown.Status(patience(t)); !errors.Is(err, rerankd.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
