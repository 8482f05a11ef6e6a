package rerankd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	defaultTimeout         = 30 * time.Second
	defaultMaxReceiveBytes = 16 << 20
	defaultResumeAttempts  = 8
	keepaliveTimeout       = 20 * time.Second
	minConnectTimeout      = 20 * time.Second
)

// Option is a choice of a client, for [New].
type Option func(*config)

type config struct {
	tls             *TLSConfig
	token           string
	metadata        map[string]string
	timeout         time.Duration
	keepalive       time.Duration
	maxReceiveBytes int
	waitForReady    bool
	resumeAttempts  int
	dialOptions     []grpc.DialOption
}

// TLSConfig holds keys and certificates, each as the content of a PEM file.
type TLSConfig struct {
	// RootCertificates are the authorities that may have signed the server's certificate. Empty means
	// those of the system.
	RootCertificates []byte
	// ClientCertificate is the certificate chain that the client shows, for mutual TLS.
	ClientCertificate []byte
	// ClientPrivateKey is the key of ClientCertificate.
	ClientPrivateKey []byte
	// ServerName is the name that the server's certificate must have. Empty means the host of the target.
	ServerName string
}

// WithTLS encrypts connections. With a client certificate and its key, TLS is mutual. Without this
// option connections are plain text.
func WithTLS(material TLSConfig) Option {
	return func(c *config) { c.tls = &material }
}

// WithToken sends "authorization: Bearer token" with each call, also over plain text.
func WithToken(token string) Option {
	return func(c *config) { c.token = token }
}

// WithMetadata sends these pairs with each call. Keys are sent in lower case; those of several
// WithMetadata options add up.
func WithMetadata(pairs map[string]string) Option {
	return func(c *config) { maps.Copy(c.metadata, pairs) }
}

// WithTimeout sets the deadline of unary calls whose context has none. The default is 30 seconds; 0 means
// no deadline.
func WithTimeout(timeout time.Duration) Option {
	return func(c *config) { c.timeout = timeout }
}

// WithKeepalive pings connections that were idle for so long, also while there is no call. The default, 0,
// sends no pings. 60 seconds suits NAT and idle load balancers; a server cuts off who pings more often than
// every 30 seconds.
func WithKeepalive(pause time.Duration) Option {
	return func(c *config) { c.keepalive = pause }
}

// WithMaxReceiveBytes sets the largest message that the client takes. The default is 16 MiB.
func WithMaxReceiveBytes(n int) Option {
	return func(c *config) { c.maxReceiveBytes = n }
}

// WithWaitForReady lets calls wait, until their deadline, for a server that is not reached yet. Without it
// such calls fail at once, so that the caller can go elsewhere.
func WithWaitForReady() Option {
	return func(c *config) { c.waitForReady = true }
}

// WithResumeAttempts sets after how many attempts in a row without a new score an interrupted stream gives
// up. The default is 8; 0 never resumes. A stream that has no score at all gives up after 3, or after
// attempts if that is less.
func WithResumeAttempts(attempts int) Option {
	return func(c *config) { c.resumeAttempts = attempts }
}

// WithDialOptions adds gRPC's own options, for example interceptors. They come last and so replace what
// this package sets.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(c *config) { c.dialOptions = append(c.dialOptions, options...) }
}

func newConfig(options []Option) *config {
	c := &config{
		metadata:        map[string]string{},
		timeout:         defaultTimeout,
		maxReceiveBytes: defaultMaxReceiveBytes,
		resumeAttempts:  defaultResumeAttempts,
	}
	for _, option := range options {
		option(c)
	}
	return c
}

// dial gives the options of the channel.
func (c *config) dial() ([]grpc.DialOption, error) {
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig()),
		grpc.WithResolvers(listResolver{"ipv4"}, listResolver{"ipv6"}),
		grpc.WithUserAgent("rerankd-go/" + Version),
		grpc.WithConnectParams(connectParams()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(c.maxReceiveBytes), grpc.WaitForReady(c.waitForReady)),
	}
	if c.keepalive > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: c.keepalive, Timeout: keepaliveTimeout, PermitWithoutStream: true,
		}))
	}
	return append(options, c.dialOptions...), nil
}

// connectParams lets a channel try to connect as often as a stream tries to resume: with gRPC's own pauses,
// up to two minutes, all attempts of a stream could fall into one of them.
func connectParams() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff: backoff.Config{
			BaseDelay: firstDelay, Multiplier: 2, Jitter: jitter, MaxDelay: longestDelay,
		},
		MinConnectTimeout: minConnectTimeout,
	}
}

func (c *config) transport() (credentials.TransportCredentials, error) {
	if c.tls == nil {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.tls.ServerName}
	if len(c.tls.RootCertificates) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.tls.RootCertificates) {
			return nil, errors.New("TLSConfig.RootCertificates holds no PEM certificate")
		}
	}
	if len(c.tls.ClientCertificate) > 0 || len(c.tls.ClientPrivateKey) > 0 {
		pair, err := tls.X509KeyPair(c.tls.ClientCertificate, c.tls.ClientPrivateKey)
		if err != nil {
			return nil, fmt.Errorf("TLSConfig.ClientCertificate and ClientPrivateKey: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// pairs gives the metadata of each call, keys and values in turn.
func (c *config) pairs() ([]string, error) {
	var pairs []string
	for key, value := range c.metadata {
		key = strings.ToLower(key)
		if !strings.HasSuffix(key, "-bin") && !printable(value) {
			return nil, fmt.Errorf("metadata %q holds a character that no header can carry", key)
		}
		pairs = append(pairs, key, value)
	}
	if c.token == "" {
		return pairs, nil
	}
	if !printable(c.token) {
		return nil, errors.New("the token holds a character that no header can carry, perhaps a newline at its end")
	}
	return append(pairs, "authorization", "Bearer "+c.token), nil
}

func printable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}
