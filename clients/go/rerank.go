package rerankd

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Rerank ranks up to 1,024 documents in messages of at most 16 MiB; nil options are all defaults. A larger
// list fails with [ErrTooManyDocuments] or [ErrMessageTooLarge] before it is sent: use [Client.RerankAll].
//
// While the server answers UNAVAILABLE, the call is tried three times in all, after the delay that the
// server asks for, within its deadline.
func (c *Client) Rerank(
	ctx context.Context, query string, documents []*rerankdv1.Document, options *rerankdv1.RerankOptions,
	callOptions ...grpc.CallOption,
) (*rerankdv1.RerankResponse, error) {
	ctx, cancel := c.unary(ctx)
	defer cancel()
	request := &rerankdv1.RerankRequest{Query: query, Documents: documents, Options: options}
	if err := c.check(ctx, len(documents), request); err != nil {
		return nil, err
	}
	response, err := c.stub.Rerank(ctx, request, callOptions...)
	if err != nil {
		return nil, FromError(err)
	}
	return response, nil
}

// RerankBatch ranks for several queries, at most 64, in one call. Results come in the order of the
// requests; one that failed has its error in its own result, see [BatchItemError].
func (c *Client) RerankBatch(
	ctx context.Context, request *rerankdv1.RerankBatchRequest, callOptions ...grpc.CallOption,
) (*rerankdv1.RerankBatchResponse, error) {
	ctx, cancel := c.unary(ctx)
	defer cancel()
	// Each request has its own bound on documents, and its own result to say so: only bytes count here.
	if err := c.check(ctx, 0, request); err != nil {
		return nil, err
	}
	response, err := c.stub.RerankBatch(ctx, request, callOptions...)
	if err != nil {
		return nil, FromError(err)
	}
	return response, nil
}

// Status tells the server's version, limits, queue and models. It answers also while models load.
func (c *Client) Status(
	ctx context.Context, callOptions ...grpc.CallOption,
) (*rerankdv1.StatusResponse, error) {
	ctx, cancel := c.unary(ctx)
	defer cancel()
	status, err := c.stub.Status(ctx, &rerankdv1.StatusRequest{}, callOptions...)
	if err != nil {
		return nil, FromError(err)
	}
	c.limits.Store(limitsOf(status.GetLimits()))
	return status, nil
}

// RerankAll ranks any number of documents: by [Client.Rerank] if they fit one unary call, else by a
// stream, for which its deadline, resuming and options are as in [Client.RerankStream]. The error of a
// source comes out as it is.
//
// It returns once the source is no longer read. Only if ctx ends first, a step of the source that is under
// way may still finish afterwards.
func (c *Client) RerankAll(
	ctx context.Context, query string, source Source, options *rerankdv1.RerankOptions,
	callOptions ...grpc.CallOption,
) (*rerankdv1.RerankResponse, error) {
	live, err := c.liveLimits(ctx)
	if err != nil {
		return nil, err
	}
	sourceCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, stop := iter.Pull2(source(sourceCtx))
	first, more, err := readUpTo(ctx, newUnaryBudget(live), next)
	if err != nil || !more {
		stop()
		if err != nil {
			return nil, err
		}
		return c.Rerank(ctx, query, first, options, callOptions...)
	}
	stream, err := c.RerankStream(ctx, query, resumed(first, next, stop), options,
		WithCallOptions(callOptions...))
	if err != nil {
		stop()
		return nil, err
	}
	defer func() {
		cancel() // The source watches this context, not the one of the stream, which Close ends.
		stream.Close()
	}()
	return stream.Summary()
}

type pullNext func() (*rerankdv1.Document, error, bool)

// readUpTo reads documents until the budget is used up; more tells whether it is.
func readUpTo(ctx context.Context, budget *unaryBudget, next pullNext) (
	first []*rerankdv1.Document, more bool, err error,
) {
	for {
		document, err, ok := next()
		if ctx.Err() != nil {
			return nil, false, contextError(ctx)
		}
		if !ok || err != nil {
			return first, false, err
		}
		first = append(first, document)
		if !budget.take(document) {
			return first, true, nil
		}
	}
}

// resumed is a source of documents that were read already, then of the others.
func resumed(first []*rerankdv1.Document, next pullNext, stop func()) Source {
	return func(context.Context) iter.Seq2[*rerankdv1.Document, error] {
		return func(yield func(*rerankdv1.Document, error) bool) {
			defer stop()
			for i, document := range first {
				first[i] = nil
				if !yield(document, nil) {
					return
				}
			}
			for {
				document, err, ok := next()
				if !ok || !yield(document, err) {
					return
				}
			}
		}
	}
}
