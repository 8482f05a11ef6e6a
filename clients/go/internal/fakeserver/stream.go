package fakeserver

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc/codes"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Plan is what happens to one stream. The zero value is a stream that goes well.
type Plan struct {
	// Failure ends the stream once FailAfter documents of it are scored; 0 fails it at its start.
	Failure   error
	FailAfter int
	// Break is called before that. Without a Failure, the stream then waits for its end.
	Break func()
	// Revision is that of the model.
	Revision string
	// BatchDocuments are scored at a time; 0 means 32.
	BatchDocuments int
	// Hold delays every batch after the first HoldAfter documents until it is closed.
	Hold      <-chan struct{}
	HoldAfter int
	// Summary replaces the final message once HoldAfter documents are scored, without waiting for more.
	Summary *rerankdv1.RerankResponse
	// Tamper changes each chunk of scores before it is sent.
	Tamper func(*rerankdv1.ScoreChunk)
	// Finish changes the final message of a stream that goes well.
	Finish func(*rerankdv1.RerankResponse)
}

var errBroken = errors.New("the plan broke the stream")

// session is one stream of the fake server.
type session struct {
	server *Server
	stream rerankdv1.RerankService_RerankStreamServer
	number int
	plan   Plan
	scored int
	next   int32
}

// RerankStream scores documents in batches, as its plan says.
func (s *Server) RerankStream(stream rerankdv1.RerankService_RerankStreamServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetStart() == nil {
		return Failure(codes.InvalidArgument, "STREAM_PROTOCOL", "the first message must be start")
	}
	session := &session{server: s, stream: stream, number: s.enter(stream.Context(), "RerankStream")}
	s.mu.Lock()
	s.starts = append(s.starts, first.GetStart())
	s.received = append(s.received, 0)
	s.mu.Unlock()
	if s.Plan != nil {
		session.plan = s.Plan(session.number)
	}
	return session.run()
}

func (s *session) run() error {
	if s.plan.Failure != nil && s.plan.FailAfter == 0 {
		return s.plan.Failure
	}
	for {
		message, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return s.finish()
		}
		if err != nil {
			return err
		}
		if err := s.take(message.GetDocuments()); err != nil {
			return err
		}
		if s.plan.Summary != nil && s.scored >= s.plan.HoldAfter {
			return s.summarise(s.plan.Summary)
		}
	}
}

func (s *session) finish() error {
	if s.next == 0 {
		return Failure(codes.InvalidArgument, "INVALID_REQUEST", "the stream brought no documents")
	}
	summary := &rerankdv1.RerankResponse{
		Model:   Model(s.plan.Revision),
		Usage:   &rerankdv1.Usage{Tokens: int64(s.scored)},
		Outcome: rerankdv1.Outcome_OUTCOME_RERANKED,
	}
	if s.plan.Finish != nil {
		s.plan.Finish(summary)
	}
	return s.summarise(summary)
}

func (s *session) summarise(summary *rerankdv1.RerankResponse) error {
	message := &rerankdv1.RerankStreamResponse_Summary{Summary: summary}
	return s.stream.Send(&rerankdv1.RerankStreamResponse{Message: message})
}

func (s *session) take(chunk *rerankdv1.DocumentChunk) error {
	if s.server.Chunk != nil {
		s.server.Chunk(chunk)
	}
	indexes := chunk.GetIndex()
	if len(indexes) == 0 {
		for i := range chunk.GetDocuments() {
			indexes = append(indexes, s.next+int32(i))
		}
	}
	for _, index := range indexes {
		if index < s.next {
			return Failure(codes.InvalidArgument, "INVALID_REQUEST", "indexes must ascend")
		}
		s.next = index + 1
	}
	s.server.mu.Lock()
	s.server.received[s.number] += len(indexes)
	s.server.mu.Unlock()
	size := s.plan.BatchDocuments
	if size == 0 {
		size = 32
	}
	for len(indexes) > 0 {
		n := min(size, len(indexes))
		if s.plan.Failure != nil || s.plan.Break != nil {
			n = min(n, s.plan.FailAfter-s.scored)
		}
		if err := s.score(indexes[:n], chunk.GetDocuments()[len(chunk.GetDocuments())-len(indexes):]); err != nil {
			return err
		}
		indexes = indexes[n:]
		if err := s.fail(); err != nil {
			return err
		}
	}
	return nil
}

// fail ends the stream where the plan says so.
func (s *session) fail() error {
	if (s.plan.Break == nil && s.plan.Failure == nil) || s.scored < s.plan.FailAfter {
		return nil
	}
	if s.plan.Break != nil {
		s.plan.Break()
	}
	if s.plan.Failure == nil {
		<-s.stream.Context().Done()
		return errBroken
	}
	return s.plan.Failure
}

func (s *session) score(indexes []int32, documents []*rerankdv1.Document) error {
	if s.plan.Hold != nil && s.scored >= s.plan.HoldAfter {
		if err := s.hold(s.stream.Context()); err != nil {
			return err
		}
	}
	scores := &rerankdv1.ScoreChunk{Index: slices.Clone(indexes)}
	// No order is promised.
	slices.Reverse(scores.Index)
	for i := len(indexes) - 1; i >= 0; i-- {
		logit := Logit(documents[i].GetText())
		scores.Score = append(scores.Score, Score(logit))
		scores.Logit = append(scores.Logit, logit)
	}
	if s.scored == 0 {
		scores.Model = Model(s.plan.Revision)
	}
	s.scored += len(indexes)
	if s.plan.Tamper != nil {
		s.plan.Tamper(scores)
	}
	message := &rerankdv1.RerankStreamResponse_Scores{Scores: scores}
	return s.stream.Send(&rerankdv1.RerankStreamResponse{Message: message})
}

func (s *session) hold(ctx context.Context) error {
	select {
	case <-s.plan.Hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
