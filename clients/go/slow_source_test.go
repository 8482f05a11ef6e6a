package rerankd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// interruptedWhileTheSourceWaits gives a stream that was interrupted after its first documents were scored,
// at a moment when there is nothing else to send.
func interruptedWhileTheSourceWaits(
	t *testing.T, ctx context.Context, options *rerankdv1.RerankOptions,
) (*rerankd.Stream, chan<- *rerankdv1.Document, *fakeserver.Server) {
	t.Helper()
	server := &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: lost, FailAfter: 10})}
	client := dial(t, server)
	channel := make(chan *rerankdv1.Document)
	stream := must[*rerankd.Stream](t)(client.RerankStream(ctx, "query", rerankd.FromChannel(channel), options,
		rerankd.EmitScores(), rerankd.WithChunkDocuments(10)))
	t.Cleanup(stream.Close)
	go func() {
		for _, document := range documents(10) {
			channel <- document
		}
	}()
	for event, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if len(event.Scores.GetIndex()) == 10 {
			break
		}
	}
	return stream, channel, server
}

func TestAStreamGoesOnWhenTheSourceDoes(t *testing.T) {
	stream, channel, server := interruptedWhileTheSourceWaits(t, patience(t), nil)
	docs := documents(35)
	go func() {
		defer close(channel)
		for _, document := range docs[10:] {
			channel <- document
		}
	}()
	response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
	sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
	if received := server.Received(); len(received) != 2 || received[1] != 25 {
		t.Errorf("the streams brought %v documents", received)
	}
}

func TestAStreamEndsWhenTheSourceDoes(t *testing.T) {
	stream, channel, server := interruptedWhileTheSourceWaits(t, patience(t), nil)
	// The pause before the next attempt is over long before that.
	time.AfterFunc(300*time.Millisecond, func() { close(channel) })
	response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
	sameResults(t, fakeserver.Ranking(documents(10), nil), response.GetResults())
	if streams := server.Calls("RerankStream"); streams != 1 {
		t.Errorf("%d streams", streams)
	}
}

func TestTheDeadlineComesWhileTheSourceWaits(t *testing.T) {
	for _, options := range []*rerankdv1.RerankOptions{nil, {OnDeadline: partial}} {
		t.Run(options.GetOnDeadline().String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			stream, _, _ := interruptedWhileTheSourceWaits(t, ctx, options)
			response, err := stream.Summary()
			if options == nil {
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, rerankd.ErrUnavailable) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			samePartial(t, documents(10), 10, response)
		})
	}
}

func TestTheDeadlineComesWhileTheTailIsRead(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	for name, options := range map[string]*rerankdv1.RerankOptions{
		"fail": {MaxScoredDocuments: 3}, "partial": {MaxScoredDocuments: 3, OnDeadline: partial},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		channel := make(chan *rerankdv1.Document)
		stream := must[*rerankd.Stream](t)(client.RerankStream(ctx, "query", rerankd.FromChannel(channel), options))
		for _, document := range documents(5) {
			channel <- document
		}
		response, err := stream.Summary()
		stream.Close()
		if name == "fail" && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if name == "partial" {
			samePartial(t, documents(5), 3, response)
		}
	}
}

func TestRerankAllEndsWithItsContext(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	ctx, cancel := context.WithCancel(patience(t))
	channel := make(chan *rerankdv1.Document)
	go func() {
		channel <- rerankd.Text("the only one")
		cancel()
	}()
	if _, err := client.RerankAll(ctx, "query", rerankd.FromChannel(channel), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestDroppedTokensAndPassagesAreInTheResults(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: plans(
		fakeserver.Plan{Tamper: tellMore}, fakeserver.Plan{Tamper: tellMore})})
	for _, topN := range []int32{0, 2} {
		docs := rerankd.Texts("logit=2", "logit=1", "logit=0")
		response := must[*rerankdv1.RerankResponse](t)(
			ranked(t, client, listed(docs), &rerankdv1.RerankOptions{TopN: topN}))
		first := response.GetResults()[0]
		if first.GetDroppedTokens() != 7 || first.GetPassage().GetEndChar() != 9 ||
			response.GetResults()[1].GetDroppedTokens() != 0 || response.GetUsage().GetTruncatedDocuments() != 1 {
			t.Errorf("%v", response)
		}
	}
}

// tellMore drops tokens of the document 0 and gives each a passage.
func tellMore(scores *rerankdv1.ScoreChunk) {
	for _, index := range scores.GetIndex() {
		dropped := int32(0)
		if index == 0 {
			dropped = 7
		}
		scores.DroppedTokens = append(scores.DroppedTokens, dropped)
		scores.Passages = append(scores.Passages, &rerankdv1.Passage{EndChar: 9 + index})
	}
}

func TestAModelWithoutLogits(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: func(int) fakeserver.Plan {
		return fakeserver.Plan{Tamper: func(scores *rerankdv1.ScoreChunk) { scores.Logit = nil }}
	}})
	for _, topN := range []int32{0, 3} {
		response := must[*rerankdv1.RerankResponse](t)(
			ranked(t, client, listed(documents(300)), &rerankdv1.RerankOptions{TopN: topN}))
		for _, result := range response.GetResults() {
			if result.Logit != nil {
				t.Fatalf("%v", result)
			}
		}
	}
}

func TestTheServersPassthrough(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{
		HoldAfter: 0, Summary: &rerankdv1.RerankResponse{Outcome: isPassed, OutcomeReason: "no model"},
		Tamper: func(scores *rerankdv1.ScoreChunk) { proto.Reset(scores) },
	})})
	docs := documents(3000)
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), nil))
	if response.GetOutcome() != isPassed || len(response.GetResults()) != 3000 ||
		response.GetResults()[0].GetId() != "id0" || response.GetResults()[0].GetScored() {
		t.Errorf("%v: %v", response.GetOutcome(), response.GetResults()[0])
	}
}

func TestStructuredDocuments(t *testing.T) {
	document := must[*rerankdv1.Document](t)(rerankd.FieldsWithID("a", map[string]any{"title": "b", "year": 1999}))
	if document.GetId() != "a" || document.GetFields().GetFields()["year"].GetNumberValue() != 1999 {
		t.Errorf("%v", document)
	}
	if _, err := rerankd.FieldsWithID("a", map[string]any{"when": time.Now()}); !errors.Is(err, rerankd.ErrInvalidRequest) {
		t.Errorf("%v", err)
	}
}
