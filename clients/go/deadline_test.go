package rerankd_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// samePartial checks an answer of which the first documents are scored.
func samePartial(t *testing.T, docs []*rerankdv1.Document, scored int, response *rerankdv1.RerankResponse) {
	t.Helper()
	if response.GetOutcome() != isPartial || response.GetOutcomeReason() == "" {
		t.Fatalf("%v %q", response.GetOutcome(), response.GetOutcomeReason())
	}
	read := int(response.GetUsage().GetDocuments())
	want := fakeserver.Ranking(docs[:read], &rerankdv1.RerankOptions{MaxScoredDocuments: int32(scored)})
	sameResults(t, want, response.GetResults())
}

func TestTheDeadlineEndsAStream(t *testing.T) {
	never := make(chan struct{})
	server := &fakeserver.Server{Plan: func(int) fakeserver.Plan {
		return fakeserver.Plan{Hold: never, HoldAfter: 96}
	}}
	client := dial(t, server)
	docs := documents(300)
	run := func(options *rerankdv1.RerankOptions) (*rerankdv1.RerankResponse, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		stream := must[*rerankd.Stream](t)(client.RerankStream(ctx, "query", listed(docs), options))
		defer stream.Close()
		return stream.Summary()
	}
	if _, err := run(nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	response := must[*rerankdv1.RerankResponse](t)(run(&rerankdv1.RerankOptions{OnDeadline: partial}))
	samePartial(t, docs, 96, response)
}

func TestTheDeadlineBetweenTwoAttempts(t *testing.T) {
	later := fakeserver.Failure(codes.Unavailable, "DRAINING", "going down",
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	server := &fakeserver.Server{Plan: plans(
		fakeserver.Plan{Failure: later, FailAfter: 64}, fakeserver.Plan{Failure: later, FailAfter: 64})}
	client := dial(t, server)
	docs := documents(300)
	response := must[*rerankdv1.RerankResponse](t)(
		ranked(t, client, listed(docs), &rerankdv1.RerankOptions{OnDeadline: partial}))
	samePartial(t, docs, 64, response)
	if _, err := ranked(t, client, listed(docs), nil); !errors.Is(err, rerankd.ErrDraining) {
		t.Errorf("%v", err)
	}
}

func TestTheServersPartialAnswer(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{
		HoldAfter: 256, Summary: &rerankdv1.RerankResponse{Outcome: isPartial, OutcomeReason: "too late"},
	})})
	docs := documents(5000)
	response := must[*rerankdv1.RerankResponse](t)(
		ranked(t, client, listed(docs), &rerankdv1.RerankOptions{OnDeadline: partial}))
	samePartial(t, docs, 256, response)
	if response.GetOutcomeReason() != "too late" {
		t.Error(response.GetOutcomeReason())
	}
}

func TestASourceThatBlocksDoesNotHoldThePartialAnswer(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release)
	source := rerankd.FromSeq(func(yield func(*rerankdv1.Document) bool) {
		for _, document := range documents(128) {
			if !yield(document) {
				return
			}
		}
		<-released
		yield(rerankd.Text("too late"))
	})
	stream := must[*rerankd.Stream](t)(client.RerankStream(ctx, "query", source,
		&rerankdv1.RerankOptions{OnDeadline: partial}))
	response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
	stream.Close()
	release()
	samePartial(t, documents(128), 128, response)
}

func TestCancellingDuringAPause(t *testing.T) {
	later := fakeserver.Failure(codes.Unavailable, "DRAINING", "going down",
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	ctx, cancel := context.WithCancel(patience(t))
	server := &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: later, FailAfter: 64})}
	client := dial(t, server)
	stream := must[*rerankd.Stream](t)(client.RerankStream(ctx, "query", listed(documents(300)), nil, rerankd.EmitScores()))
	defer stream.Close()
	// patience has a deadline before the hour is over, so the error is known at once, without a pause.
	_, err := stream.Summary()
	cancel()
	if !errors.Is(err, rerankd.ErrDraining) {
		t.Errorf("%v", err)
	}

	unbounded, cancel := context.WithCancel(t.Context())
	server.Plan = func(int) fakeserver.Plan {
		time.AfterFunc(10*time.Millisecond, cancel)
		return fakeserver.Plan{Failure: later}
	}
	stream = must[*rerankd.Stream](t)(client.RerankStream(unbounded, "query", listed(documents(3)), nil))
	defer stream.Close()
	if _, err := stream.Summary(); !errors.Is(err, context.Canceled) || !errors.Is(err, rerankd.ErrDraining) {
		t.Errorf("%v", err)
	}
}
