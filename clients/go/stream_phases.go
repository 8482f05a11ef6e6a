package rerankd

import (
	"context"
	"errors"
	"io"
	"time"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// phase is what a stream waits for at the moment. A phase waits for one thing to happen, and gives an event
// if there is one to tell. A stream goes from streaming to draining to its end, and after an interruption
// from streaming over pausing and restarting to streaming again.
type phase func() (Event, bool)

// next gives the next event; io.EOF once there is an answer.
func (s *Stream) next() (Event, error) {
	for s.err == nil {
		if event, ok := s.phase(); ok {
			return event, nil
		}
	}
	return Event{}, s.err
}

// streaming takes what the server sends.
func (s *Stream) streaming() (Event, bool) {
	if s.attempt == nil {
		s.attempt = newAttempt(s.ctx, s.open, s.start, s.intake)
	}
	select {
	case message, ok := <-s.attempt.messages:
		if !ok {
			return s.attemptEnded()
		}
		if scores := message.GetScores(); scores != nil {
			return s.takeScores(scores)
		}
		if summary := message.GetSummary(); summary != nil {
			s.summary = summary
		}
		return Event{}, false
	case <-s.snapshots.due():
		return s.takeSnapshot(), true
	}
}

// pausing waits for the time of the next attempt.
func (s *Stream) pausing() (Event, bool) {
	select {
	case <-s.pause.C:
		s.intake.requeue()
		s.policy.resumes++
		s.phase = s.restarting
		return Event{}, false
	case <-s.snapshots.due():
		return s.takeSnapshot(), true
	case <-s.ctx.Done():
		return s.contextEnded()
	}
}

// restarting waits for something to send: a stream without any document would be an error.
func (s *Stream) restarting() (Event, bool) {
	work := s.intake.awaitWork()
	switch {
	case work == nil && s.intake.isSettled():
		return s.drainSettled()
	case work == nil:
		s.phase = s.streaming
		return Event{}, false
	}
	select {
	case <-work:
	case <-s.snapshots.due():
		return s.takeSnapshot(), true
	case <-s.ctx.Done():
		return s.contextEnded()
	}
	return Event{}, false
}

// draining waits for the end of a source that nothing more is sent of.
func (s *Stream) draining() (Event, bool) {
	select {
	case <-s.intake.done:
	case <-s.ctx.Done():
	}
	// Both can be so at the same time, and then the answer is the better one.
	if s.intake.isExhausted() {
		return s.conclude(s.outcome, s.reason)
	}
	return s.contextEnded()
}

// attemptEnded decides what follows the end of a stream of gRPC.
func (s *Stream) attemptEnded() (Event, bool) {
	ended := s.endAttempt()
	if s.summary != nil {
		return s.takeSummary(s.summary)
	}
	var source *sourceError
	if errors.As(context.Cause(s.ctx), &source) {
		return s.fail(source.err)
	}
	if errors.Is(ended, io.EOF) {
		ended = brokenAnswer("the stream ended without a summary")
	}
	var failure *Error
	if !errors.As(ended, &failure) {
		failure = fromStatus(ended)
	}
	if s.intake.isSettled() {
		return s.drainSettled()
	}
	return s.recover(failure)
}

// recover goes on after a failure, or answers as the options ask for, or fails.
func (s *Stream) recover(failure *Error) (Event, bool) {
	s.lastFailure = failure
	partial := s.options.GetOnDeadline() == rerankdv1.DeadlineMode_DEADLINE_MODE_PARTIAL
	if partial && errors.Is(failure, ErrDeadlineExceeded) {
		return s.conclude(rerankdv1.Outcome_OUTCOME_PARTIAL, deadlineCame)
	}
	delay, again := s.policy.delayAfter(failure)
	again = again && s.isResumable() && s.ctx.Err() == nil
	deadline, bounded := s.ctx.Deadline()
	late := bounded && time.Until(deadline) <= delay
	switch {
	case again && !late:
		s.pause, s.phase = time.NewTimer(delay), s.pausing
		return Event{}, false
	case again && partial:
		return s.conclude(rerankdv1.Outcome_OUTCOME_PARTIAL, deadlineCame)
	case s.forgives(failure):
		s.intake.startPassThrough()
		s.usage, s.counts = &rerankdv1.Usage{}, counts{}
		return s.drain(rerankdv1.Outcome_OUTCOME_PASSTHROUGH, failure.Reason+": "+failure.Message)
	}
	return s.fail(failure)
}

// isResumable is false at a server that tells no model: it is too old to take indexes, and another one could
// not be compared.
func (s *Stream) isResumable() bool { return s.model != nil || s.counts.scored == 0 }

// forgives tells whether the options ask for the original order in place of the error.
func (s *Stream) forgives(failure *Error) bool {
	if s.options.GetOnFailure() != rerankdv1.FailureMode_FAILURE_MODE_ORIGINAL_ORDER {
		return false
	}
	switch failure.Reason {
	case "MODEL_LOADING", "MODEL_FAILED", "OVERLOADED", "DRAINING", "PROVIDER_UNAVAILABLE", "BACKEND_FAILED",
		"NON_FINITE_SCORE", "INTERNAL":
		return true
	case "QUOTA_EXCEEDED":
		// The caller's own quota has no provider.
		_, ofProvider := failure.Metadata["provider"]
		return ofProvider
	}
	return false
}

// contextEnded ends a stream that nothing but its context or its source has ended.
func (s *Stream) contextEnded() (Event, bool) {
	var source *sourceError
	if errors.As(context.Cause(s.ctx), &source) {
		return s.fail(source.err)
	}
	failure := contextError(s.ctx)
	partial := s.options.GetOnDeadline() == rerankdv1.DeadlineMode_DEADLINE_MODE_PARTIAL
	switch {
	case partial && errors.Is(failure, ErrDeadlineExceeded) && s.outcome == passedThrough:
		return s.conclude(s.outcome, s.reason)
	case partial && errors.Is(failure, ErrDeadlineExceeded):
		return s.conclude(rerankdv1.Outcome_OUTCOME_PARTIAL, deadlineCame)
	case s.lastFailure != nil:
		failure.Message += "; before that: " + s.lastFailure.Message
		failure.cause = errors.Join(failure.cause, s.lastFailure)
	}
	return s.fail(failure)
}

// drain lets the rest of the source be read before the answer.
func (s *Stream) drain(outcome rerankdv1.Outcome, reason string) (Event, bool) {
	s.outcome, s.reason = outcome, reason
	s.phase = s.draining
	return Event{}, false
}

// fail ends the stream with an error.
func (s *Stream) fail(err error) (Event, bool) {
	s.err = err
	s.cancel(nil)
	s.endAttempt()
	return Event{}, false
}

// endAttempt frees the stream of gRPC, if there is one, and tells why it ended.
func (s *Stream) endAttempt() error {
	if s.attempt == nil {
		return nil
	}
	ended := s.attempt.end()
	s.attempt = nil
	return ended
}
