package rerankd

import (
	"io"
	"time"

	"google.golang.org/grpc/codes"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	deadlineCame  = "the deadline came first"
	passedThrough = rerankdv1.Outcome_OUTCOME_PASSTHROUGH
)

func (s *Stream) takeScores(scores *rerankdv1.ScoreChunk) (Event, bool) {
	if model := scores.GetModel(); model != nil {
		if s.model != nil {
			// To the caller this is one stream, whose first chunk told the model.
			scores.Model = nil
		}
		if err := s.checkModel(model); err != nil {
			return s.fail(err)
		}
	}
	changed, err := s.intake.takeScores(scores, &s.counts)
	if err != nil {
		return s.fail(err)
	}
	if len(scores.GetIndex())+len(scores.GetUnscoredIndex()) > 0 {
		s.policy.answered()
	}
	switch {
	case s.config.emit == rerankdv1.StreamEmit_STREAM_EMIT_SCORES:
		return Event{Scores: scores}, true
	case changed && s.config.wantsSnapshots() && s.snapshots.changed():
		return s.takeSnapshot(), true
	}
	return Event{}, false
}

// checkModel fails if the scores come from another model than those before.
func (s *Stream) checkModel(model *rerankdv1.ModelRef) error {
	if s.model == nil {
		s.model = model
		return nil
	}
	// A model that could not be loaded has no revision: it leaves unscored what another stream began.
	sameRevision := model.GetRevision() == s.model.GetRevision() || model.GetRevision() == ""
	if model.GetId() == s.model.GetId() && sameRevision {
		return nil
	}
	before, now := modelName(s.model), modelName(model)
	return &Error{
		Code: codes.FailedPrecondition,
		Message: "the interrupted stream was scored by " + before + " and would go on with " + now +
			"; their scores cannot be compared: run it again",
		Metadata: map[string]string{"before": before, "now": now},
		sentinel: ErrModelChanged,
	}
}

func modelName(model *rerankdv1.ModelRef) string { return model.GetId() + "@" + model.GetRevision() }

// takeSummary ends a stream that ended well.
func (s *Stream) takeSummary(summary *rerankdv1.RerankResponse) (Event, bool) {
	if model := summary.GetModel(); model != nil {
		if err := s.checkModel(model); err != nil {
			return s.fail(err)
		}
	}
	if usage := summary.GetUsage(); usage != nil {
		s.usage = usage
	}
	s.timing = summary.GetTiming()
	switch outcome, reason := summary.GetOutcome(), summary.GetOutcomeReason(); {
	case outcome == passedThrough:
		s.intake.startPassThrough()
		return s.drain(outcome, reason)
	case s.intake.isSettled():
		return s.drain(outcome, reason)
	case outcome == rerankdv1.Outcome_OUTCOME_RERANKED:
		return s.fail(brokenAnswer("the stream ended before every document had its score"))
	default:
		return s.conclude(outcome, reason)
	}
}

// drainSettled answers a stream that is lost with nothing left to ask for but its outcome.
func (s *Stream) drainSettled() (Event, bool) {
	if s.counts.scored > 0 {
		return s.drain(rerankdv1.Outcome_OUTCOME_RERANKED, "")
	}
	s.intake.startPassThrough()
	return s.drain(passedThrough, "NONE: the server left every document unscored")
}

func (s *Stream) takeSnapshot() Event {
	s.snapshots.taken(time.Now())
	results, read := s.intake.snapshot()
	return Event{Snapshot: &rerankdv1.Snapshot{Results: results, Received: read, Scored: s.counts.scored}}
}

// conclude gives the answer, after the last snapshot if one is due.
func (s *Stream) conclude(outcome rerankdv1.Outcome, reason string) (event Event, ok bool) {
	if s.snapshots.pending && outcome != passedThrough {
		event, ok = s.takeSnapshot(), true
	}
	results, read := s.intake.finish(outcome)
	s.usage.Documents = read
	s.usage.ScoredDocuments, s.usage.TruncatedDocuments = s.counts.scored, s.counts.truncated
	model := s.model
	if model == nil {
		model = &rerankdv1.ModelRef{Id: s.options.GetModel()}
	}
	s.answer = &rerankdv1.RerankResponse{
		Results: results, Model: model, Usage: s.usage, Timing: s.timing, Outcome: outcome, OutcomeReason: reason,
	}
	s.fail(io.EOF)
	return event, ok
}
