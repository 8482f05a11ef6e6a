package rerankd

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	trainingv1alpha "github.com/rerankd/rerankd/clients/go/rerankd/training/v1alpha"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Client calls one rerankd service, which may be several servers. It is safe for concurrent use; make one
// and share it.
type Client struct {
	conn           *grpc.ClientConn
	stub           rerankdv1.RerankServiceClient
	training       trainingv1alpha.TrainingServiceClient
	health         healthpb.HealthClient
	metadata       []string
	timeout        time.Duration
	resumeAttempts int

	// limits are nil until they were asked for.
	limits atomic.Pointer[limits]
}

// New prepares a client; it connects at the first call. The target is host:port, dns:///host:port, or a
// fixed list such as ipv4:10.0.0.1:50051,10.0.0.2:50051. Every address that it resolves to takes its turn.
//
// It fails for a target or an option that cannot be used. Close the client when it is not needed any more.
func New(target string, options ...Option) (*Client, error) {
	config := newConfig(options)
	pairs, err := config.pairs()
	if err != nil {
		return nil, fmt.Errorf("rerankd: %w", err)
	}
	dial, err := config.dial()
	if err != nil {
		return nil, fmt.Errorf("rerankd: %w", err)
	}
	conn, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, fmt.Errorf("rerankd: target %q: %w", target, err)
	}
	return &Client{
		conn:           conn,
		stub:           rerankdv1.NewRerankServiceClient(conn),
		training:       trainingv1alpha.NewTrainingServiceClient(conn),
		health:         healthpb.NewHealthClient(conn),
		metadata:       pairs,
		timeout:        config.timeout,
		resumeAttempts: config.resumeAttempts,
	}, nil
}

// Close ends the calls that are under way and frees the connections.
func (c *Client) Close() error {
	if err := c.conn.Close(); err != nil {
		return fmt.Errorf("rerankd: %w", err)
	}
	return nil
}

// outgoing adds the client's metadata to that of the caller.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if len(c.metadata) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, c.metadata...)
}

// unary gives the context of a unary call.
func (c *Client) unary(ctx context.Context) (context.Context, context.CancelFunc) {
	return withDefaultTimeout(c.outgoing(ctx), c.timeout)
}

// withDefaultTimeout sets a deadline if the context has none and the timeout is above 0.
func withDefaultTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
