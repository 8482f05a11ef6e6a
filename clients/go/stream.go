package rerankd

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Event is what a stream tells before its final ranking. One of its fields is set.
type Event struct {
	// Scores are the scores of one micro-batch, with [EmitScores].
	Scores *rerankdv1.ScoreChunk
	// Snapshot is the ranking so far, with [EmitSnapshots].
	Snapshot *rerankdv1.Snapshot
}

// Stream ranks documents while they are still read. Read its Events, or only its Summary, in one goroutine,
// and close it. Documents are read only while somebody reads the stream.
type Stream struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	// parent ends with the caller's context.
	parent <-chan struct{}

	open    openStream
	start   *rerankdv1.RerankStreamStart
	options *rerankdv1.RerankOptions
	config  *streamConfig
	intake  *intake

	// What follows belongs to the goroutine that reads the stream.

	phase     phase
	attempt   *attempt
	pause     *time.Timer
	policy    resumePolicy
	snapshots snapshots

	model   *rerankdv1.ModelRef
	counts  counts
	usage   *rerankdv1.Usage
	timing  *rerankdv1.Timing
	summary *rerankdv1.RerankResponse
	// lastFailure is why the last attempt failed.
	lastFailure *Error
	// outcome and reason are those of the answer, once nothing but the end of the source is awaited.
	outcome rerankdv1.Outcome
	reason  string

	answer *rerankdv1.RerankResponse
	// err is io.EOF once there is an answer.
	err error
}

// RerankStream ranks the documents of a source, of any number. Nil options are all defaults.
//
// At most twice Limits.stream_window_documents, 4,096 by default, are sent and not scored. These are kept,
// and of the others only id and score: of all with top_n 0, else of the best top_n. top_n, min_score,
// return_documents, max_scored_documents and on_failure are the client's work, and top_n has no other bound
// than memory.
//
// A stream that fails with UNAVAILABLE goes on in another one, after a pause, with what is not scored yet;
// see [WithResumeAttempts]. If another revision of the model answers there, it fails with
// [ErrModelChanged].
//
// Documents that the server does not score, because it is configured so, come unscored after the others; the
// outcome is OUTCOME_PASSTHROUGH where it scores none of them.
//
// The call may ask Status for the live limits first, once for each client. The context is that of the whole
// stream; there is no other deadline.
func (c *Client) RerankStream(
	ctx context.Context, query string, source Source, options *rerankdv1.RerankOptions,
	streamOptions ...StreamOption,
) (*Stream, error) {
	live, err := c.liveLimits(ctx)
	if err != nil {
		return nil, err
	}
	if options == nil {
		options = &rerankdv1.RerankOptions{}
	}
	config := newStreamConfig(streamOptions)
	if err := config.check(options, live); err != nil {
		return nil, err
	}
	streamCtx, cancel := context.WithCancelCause(ctx)
	stream := &Stream{
		ctx:       streamCtx,
		cancel:    cancel,
		parent:    ctx.Done(),
		start:     startMessage(query, options),
		options:   options,
		config:    config,
		intake:    newIntake(live, config.chunkDocuments, options),
		policy:    resumePolicy{attempts: c.resumeAttempts},
		snapshots: snapshots{interval: config.snapshotInterval},
		usage:     &rerankdv1.Usage{},
	}
	stream.open = func(ctx context.Context) (rerankdv1.RerankService_RerankStreamClient, error) {
		return c.stub.RerankStream(c.outgoing(ctx), config.callOptions...)
	}
	stream.phase = stream.streaming
	go stream.read(source)
	return stream, nil
}

// read reads the source to its end; its error ends the stream.
func (s *Stream) read(source Source) {
	defer close(s.intake.done)
	if err := s.intake.readAll(s.ctx, source); err != nil && !errors.Is(err, errStopped) {
		s.cancel(&sourceError{err})
	}
}

// sourceError marks an error as the source's own, which the caller gets as it is.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

// Events yields what the stream tells until the final ranking is known, or an error, which ends it. Leaving
// the loop early keeps the stream: read on, or close it.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Summary gives the final ranking. It reads and drops the events that are still to come.
func (s *Stream) Summary() (*rerankdv1.RerankResponse, error) {
	for {
		_, err := s.next()
		switch {
		case err == nil:
		case s.answer != nil:
			return s.answer, nil
		default:
			return nil, err
		}
	}
}

// Resumes tells how often the stream was opened again after an interruption.
func (s *Stream) Resumes() int { return s.policy.resumes }

// Close cancels what is not finished and returns once the source is no longer read. Only if the context of
// the call ends first, a step of the source that is under way may still finish afterwards. Close may be
// called more than once, in the goroutine that reads the stream.
func (s *Stream) Close() {
	if s.err == nil {
		s.fail(&Error{Code: codes.Canceled, Reason: "CANCELLED", Message: "the stream was closed"})
	}
	select {
	case <-s.intake.done:
	case <-s.parent:
	}
}
