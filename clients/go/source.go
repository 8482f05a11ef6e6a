package rerankd

import (
	"context"
	"iter"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Source brings the documents of a stream, in order, one at a time. It is read once, in another goroutine,
// and only as fast as the server scores. A source that waits for something should stop waiting when ctx
// ends, which it does with the call. An error ends the call, which then fails with this very error; the
// documents so far are not ranked.
//
// Documents must not be changed after they were given.
type Source func(ctx context.Context) iter.Seq2[*rerankdv1.Document, error]

// FromSeq makes a source of an iterator that cannot fail, for example slices.Values(documents).
func FromSeq(documents iter.Seq[*rerankdv1.Document]) Source {
	return func(context.Context) iter.Seq2[*rerankdv1.Document, error] {
		return func(yield func(*rerankdv1.Document, error) bool) {
			for document := range documents {
				if !yield(document, nil) {
					return
				}
			}
		}
	}
}

// FromSeq2 makes a source of an iterator that can fail.
func FromSeq2(documents iter.Seq2[*rerankdv1.Document, error]) Source {
	return func(context.Context) iter.Seq2[*rerankdv1.Document, error] { return documents }
}

// FromChannel makes a source of a channel, which ends when the channel is closed. A call that ends early
// reads nothing more from the channel; who sends to it should watch the context of the call.
func FromChannel(documents <-chan *rerankdv1.Document) Source {
	return func(ctx context.Context) iter.Seq2[*rerankdv1.Document, error] {
		return func(yield func(*rerankdv1.Document, error) bool) {
			for {
				select {
				case document, ok := <-documents:
					if !ok || !yield(document, nil) {
						return
					}
				case <-ctx.Done():
					yield(nil, context.Cause(ctx))
					return
				}
			}
		}
	}
}
