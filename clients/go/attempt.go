package rerankd

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// attempt is one stream of gRPC. One goroutine sends what the intake releases, another receives, so that
// neither side can block the other.
type attempt struct {
	// messages is closed at the end of the stream. It has no buffer: a caller who does not read holds the
	// server back.
	messages chan *rerankdv1.RerankStreamResponse

	cancel context.CancelFunc
	tasks  sync.WaitGroup
	// failure is why messages was closed; io.EOF after a good end. Read it after tasks are done.
	failure error
}

type openStream = func(context.Context) (grpc.BidiStreamingClient[
	rerankdv1.RerankStreamRequest, rerankdv1.RerankStreamResponse], error)

func newAttempt(ctx context.Context, open openStream, start *rerankdv1.RerankStreamStart, in *intake) *attempt {
	ctx, cancel := context.WithCancel(ctx)
	a := &attempt{messages: make(chan *rerankdv1.RerankStreamResponse), cancel: cancel}
	a.tasks.Add(1)
	go func() {
		defer a.tasks.Done()
		defer close(a.messages)
		a.failure = a.run(ctx, open, start, in)
	}()
	return a
}

func (a *attempt) run(
	ctx context.Context, open openStream, start *rerankdv1.RerankStreamStart, in *intake,
) error {
	stream, err := open(ctx)
	if err != nil {
		return err
	}
	a.tasks.Add(1)
	go func() {
		defer a.tasks.Done()
		send(ctx, stream, start, in)
	}()
	return receive(ctx, stream, a.messages)
}

// end cancels what is left of the attempt and tells why it ended.
func (a *attempt) end() error {
	a.cancel()
	a.tasks.Wait()
	return a.failure
}

// send ends silently when the stream fails: the receiving side learns why.
func send(
	ctx context.Context, stream grpc.ClientStream, start *rerankdv1.RerankStreamStart, in *intake,
) {
	first := &rerankdv1.RerankStreamRequest{Message: &rerankdv1.RerankStreamRequest_Start{Start: start}}
	if stream.SendMsg(first) != nil {
		return
	}
	for {
		chunk, err := in.next(ctx)
		if errors.Is(err, io.EOF) {
			_ = stream.CloseSend()
			return
		}
		// Only the end of the documents may close this side: after a half-close that a cancelled call makes,
		// the server would take the documents so far for all.
		if err != nil {
			return
		}
		message := &rerankdv1.RerankStreamRequest_Documents{Documents: chunk}
		if stream.SendMsg(&rerankdv1.RerankStreamRequest{Message: message}) != nil {
			return
		}
	}
}

func receive(
	ctx context.Context,
	stream grpc.ServerStreamingClient[rerankdv1.RerankStreamResponse],
	messages chan<- *rerankdv1.RerankStreamResponse,
) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		select {
		case messages <- message:
		case <-ctx.Done():
			return contextError(ctx)
		}
	}
}
