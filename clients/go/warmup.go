package rerankd

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// A first warm-up may download the model.
const warmupTimeout = 5 * time.Minute

// Warmup loads a model and returns once it answers requests; a load that is under way is joined. Each
// message of the server goes to progress, unless that is nil, in the goroutine of the caller. A nil request
// stands for the server's default model. Without a deadline of its own the call has 5 minutes; the load
// goes on after it.
func (c *Client) Warmup(
	ctx context.Context, request *rerankdv1.WarmupRequest, progress func(*rerankdv1.WarmupResponse),
	callOptions ...grpc.CallOption,
) (*rerankdv1.ModelStatus, error) {
	ctx, cancel := withDefaultTimeout(c.outgoing(ctx), warmupTimeout)
	defer cancel()
	if request == nil {
		request = &rerankdv1.WarmupRequest{}
	}
	stream, err := c.stub.Warmup(ctx, request, callOptions...)
	if err != nil {
		return nil, FromError(err)
	}
	var last *rerankdv1.WarmupResponse
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, FromError(err)
		}
		last = message
		if progress != nil {
			progress(message)
		}
	}
	if last.GetStatus() == nil {
		return nil, brokenAnswer("the warm-up ended without the status of the model")
	}
	return last.GetStatus(), nil
}
