package rerankd

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// ServiceReady is the health name that is SERVING when the server's default model is warm.
const ServiceReady = "rerankd.v1.RerankService"

// ServiceModel gives the health name of one model.
func ServiceModel(id string) string { return "rerankd.model/" + id }

// A server that ends each Watch at once, for example while it drains, is not asked in a tight loop.
const watchPause = 200 * time.Millisecond

// IsReady tells whether a health name, for example [ServiceReady], is SERVING now. It is false too for a
// name that the server does not know.
func (c *Client) IsReady(
	ctx context.Context, service string, callOptions ...grpc.CallOption,
) (bool, error) {
	ctx, cancel := c.unary(ctx)
	defer cancel()
	response, err := c.health.Check(ctx, &healthpb.HealthCheckRequest{Service: service}, callOptions...)
	if err == nil {
		return response.GetStatus() == healthpb.HealthCheckResponse_SERVING, nil
	}
	failure := fromStatus(err)
	if failure.Code == codes.NotFound {
		return false, nil
	}
	return false, failure
}

// WaitUntilReady returns once the server answers and a health name, for example [ServiceReady], is SERVING.
// It waits for a server that is not reached yet or starts again meanwhile, as long as ctx allows, and then
// fails with [ErrDeadlineExceeded] or [ErrCancelled].
func (c *Client) WaitUntilReady(ctx context.Context, service string) error {
	for {
		err := c.watchUntilServing(ctx, service)
		if err == nil {
			return nil
		}
		switch {
		case errors.Is(err, ErrDeadlineExceeded), ctx.Err() != nil:
			return notReady(service, err)
		case !interrupts(fromStatus(err)):
			return err
		}
		select {
		case <-ctx.Done():
			return notReady(service, contextError(ctx))
		case <-time.After(watchPause):
		}
	}
}

// notReady is the error of a wait that was in vain.
func notReady(service string, err error) error {
	failure := fromStatus(err)
	failure.Message = service + " is not SERVING; ask Status what the model does"
	return failure
}

// watchUntilServing is nil once the name is SERVING. The end of the watch is an ErrUnavailable: the server
// went away, and its successor may be on its way.
func (c *Client) watchUntilServing(ctx context.Context, service string) error {
	ctx, cancel := context.WithCancel(c.outgoing(ctx))
	defer cancel()
	request := &healthpb.HealthCheckRequest{Service: service}
	watch, err := c.health.Watch(ctx, request, grpc.WaitForReady(true))
	if err != nil {
		return FromError(err)
	}
	for {
		response, err := watch.Recv()
		if errors.Is(err, io.EOF) {
			return &Error{Code: codes.Unavailable, Message: "the server ended the watch", cause: err}
		}
		if err != nil {
			return FromError(err)
		}
		if response.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return nil
		}
	}
}

// contextError is the error of a call whose context has ended.
func contextError(ctx context.Context) *Error {
	failure := fromStatus(ctx.Err())
	failure.cause = context.Cause(ctx)
	return failure
}
