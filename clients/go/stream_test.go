package rerankd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func TestAStreamRanksAsAUnaryCall(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := documents(3000)
	for i, document := range docs {
		if i%3 == 0 {
			rerankd.WithOriginalScore(document, float32(i))
		}
	}
	for name, options := range map[string]*rerankdv1.RerankOptions{
		"nil":         nil,
		"all":         {},
		"top":         {TopN: 7},
		"more":        {TopN: 5000},
		"least":       {MinScore: proto.Float32(0.6)},
		"top least":   {TopN: 2000, MinScore: proto.Float32(0.9)},
		"documents":   {ReturnDocuments: true},
		"top of them": {ReturnDocuments: true, TopN: 3},
		"first":       {MaxScoredDocuments: 100},
		"top first":   {MaxScoredDocuments: 100, TopN: 200},
		"first chunk": {MaxScoredDocuments: 128},
		"first least": {MaxScoredDocuments: 100, MinScore: proto.Float32(0.3)},
	} {
		t.Run(name, func(t *testing.T) {
			response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), options))
			sameResults(t, fakeserver.Ranking(docs, options), response.GetResults())
			scored := int32(3000)
			if most := options.GetMaxScoredDocuments(); most > 0 {
				scored = most
			}
			want := &rerankdv1.Usage{Documents: 3000, ScoredDocuments: scored, Tokens: int64(scored)}
			if !proto.Equal(want, response.GetUsage()) {
				t.Errorf("usage %v, want %v", response.GetUsage(), want)
			}
			if response.GetOutcome() != rerankdv1.Outcome_OUTCOME_RERANKED || response.GetModel().GetId() != "fake" {
				t.Errorf("%v by %v", response.GetOutcome(), response.GetModel())
			}
		})
	}
}

func TestTiesOfSaturatedScoresAreOrderedByLogitThenIndex(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := rerankd.Texts("logit=30", "logit=40", "logit=30", "logit=-1", "logit=40", "logit=35")
	for _, topN := range []int32{0, 4} {
		response := must[*rerankdv1.RerankResponse](t)(
			ranked(t, client, listed(docs), &rerankdv1.RerankOptions{TopN: topN}))
		var order []int32
		for _, result := range response.GetResults() {
			order = append(order, result.GetIndex())
		}
		if got := fmt.Sprint(order[:4]); got != "[1 4 5 0]" {
			t.Errorf("top_n %d: %v", topN, order)
		}
	}
}

func TestTheServerIsAskedForScoresOnly(t *testing.T) {
	server := &fakeserver.Server{}
	client := dial(t, server)
	options := &rerankdv1.RerankOptions{
		Model: "m", TopN: 10, ReturnDocuments: true, MaxScoredDocuments: 2, Instruction: "i",
		OnFailure:  rerankdv1.FailureMode_FAILURE_MODE_ORIGINAL_ORDER,
		OnDeadline: rerankdv1.DeadlineMode_DEADLINE_MODE_PARTIAL,
	}
	before := proto.CloneOf(options)
	must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(5)), options))
	want := &rerankdv1.RerankStreamStart{
		Query: "query", Emit: rerankdv1.StreamEmit_STREAM_EMIT_SCORES,
		Options: &rerankdv1.RerankOptions{
			Model: "m", TopN: 1, MaxScoredDocuments: 2, Instruction: "i",
			OnDeadline: rerankdv1.DeadlineMode_DEADLINE_MODE_PARTIAL,
		},
	}
	if !proto.Equal(want, server.Starts()[0]) {
		t.Errorf("%v", server.Starts()[0])
	}
	if !proto.Equal(before, options) {
		t.Errorf("the caller's options became %v", options)
	}
	if received := server.Received()[0]; received != 2 {
		t.Errorf("%d documents were sent", received)
	}
}

func TestEmittedScoresNameEachDocumentOnce(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := documents(500)
	stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", listed(docs),
		&rerankdv1.RerankOptions{TopN: 5}, rerankd.EmitScores()))
	defer stream.Close()
	seen, models := map[int32]float32{}, 0
	for event, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Scores.GetModel() != nil {
			models++
		}
		for row, index := range event.Scores.GetIndex() {
			if _, again := seen[index]; again {
				t.Errorf("documents[%d] came twice", index)
			}
			seen[index] = event.Scores.GetScore()[row]
		}
	}
	response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
	sameResults(t, fakeserver.Ranking(docs, &rerankdv1.RerankOptions{TopN: 5}), response.GetResults())
	for _, result := range response.GetResults() {
		if seen[result.GetIndex()] != result.GetScore() {
			t.Errorf("documents[%d] had the score %v", result.GetIndex(), seen[result.GetIndex()])
		}
	}
	if len(seen) != 500 || models != 1 {
		t.Errorf("%d documents, %d models", len(seen), models)
	}
}

func TestSnapshotsGrowIntoTheRanking(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := documents(2000)
	options := &rerankdv1.RerankOptions{TopN: 5, MaxScoredDocuments: 1500}
	for name, interval := range map[string]time.Duration{"each": 0, "last": time.Hour, "some": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", listed(docs), options,
				rerankd.EmitSnapshots(interval)))
			defer stream.Close()
			var all []*rerankdv1.Snapshot
			for event, err := range stream.Events() {
				if err != nil {
					t.Fatal(err)
				}
				if scored := event.Snapshot.GetScored(); len(all) > 0 && scored < all[len(all)-1].GetScored() {
					t.Errorf("scored fell to %d", scored)
				}
				all = append(all, event.Snapshot)
			}
			want := fakeserver.Ranking(docs, options)
			sameResults(t, want, all[len(all)-1].GetResults())
			sameResults(t, want, must[*rerankdv1.RerankResponse](t)(stream.Summary()).GetResults())
			if name == "last" && len(all) != 2 {
				t.Errorf("%d snapshots", len(all))
			}
		})
	}
}

func TestASnapshotComesThoughNothingElseDoes(t *testing.T) {
	hold := make(chan struct{})
	client := dial(t, &fakeserver.Server{Plan: func(int) fakeserver.Plan {
		return fakeserver.Plan{Hold: hold, HoldAfter: 64}
	}})
	stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", listed(documents(200)),
		&rerankdv1.RerankOptions{TopN: 60}, rerankd.EmitSnapshots(time.Millisecond)))
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Snapshot.GetScored() == 64 {
			break
		}
	}
	close(hold)
	must[*rerankdv1.RerankResponse](t)(stream.Summary())
}

func TestChunksKeepToTheirLimits(t *testing.T) {
	const most = 4096
	server := &fakeserver.Server{Limits: &rerankdv1.Limits{MaxChunkBytes: most}}
	var largest, documentsOfOne atomic.Int64
	server.Chunk = func(chunk *rerankdv1.DocumentChunk) {
		largest.Store(max(largest.Load(), int64(proto.Size(chunk))))
		documentsOfOne.Store(max(documentsOfOne.Load(), int64(len(chunk.GetDocuments()))))
	}
	client := dial(t, server)
	var docs []*rerankdv1.Document
	for i := range 400 {
		docs = append(docs, rerankd.TextWithID(fmt.Sprint(i), strings.Repeat("x", (i*37)%4000)))
	}
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), nil))
	sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
	if largest.Load() > most || largest.Load() < most/2 {
		t.Errorf("the largest chunk has %d bytes", largest.Load())
	}

	documentsOfOne.Store(0)
	must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(100)), nil, rerankd.WithChunkDocuments(7)))
	if documentsOfOne.Load() != 7 {
		t.Errorf("a chunk of %d documents", documentsOfOne.Load())
	}

	docs[17] = rerankd.Text(strings.Repeat("x", most))
	_, err := ranked(t, client, listed(docs), nil)
	var failure *rerankd.Error
	if !errors.As(err, &failure) || !errors.Is(err, rerankd.ErrInvalidRequest) ||
		failure.FieldViolations[0].Field != "documents[17]" || failure.Metadata["limit"] != "4096" {
		t.Errorf("%v", err)
	}
}

func TestOptionsThatOnlyTheClientCanJudge(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	for field, option := range map[string]rerankd.StreamOption{
		"chunk_documents":   rerankd.WithChunkDocuments(0),
		"options.top_n":     rerankd.EmitSnapshots(0),
		"snapshot_interval": rerankd.EmitSnapshots(-1),
	} {
		_, err := client.RerankStream(patience(t), "query", listed(documents(1)), nil, option)
		var failure *rerankd.Error
		if !errors.As(err, &failure) || failure.FieldViolations[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// outstanding measures what is sent and not scored.
type outstanding struct {
	grpc.ClientStream
	mu                  sync.Mutex
	sizes               map[int32]int
	bytes               int
	mostDocs, mostBytes int
}

func (o *outstanding) SendMsg(message any) error {
	o.mu.Lock()
	chunk := message.(*rerankdv1.RerankStreamRequest).GetDocuments()
	for row, document := range chunk.GetDocuments() {
		size := proto.Size(document)
		o.sizes[chunk.GetIndex()[row]] = size
		o.bytes += size
	}
	o.mostDocs, o.mostBytes = max(o.mostDocs, len(o.sizes)), max(o.mostBytes, o.bytes)
	o.mu.Unlock()
	return o.ClientStream.SendMsg(message)
}

func (o *outstanding) RecvMsg(message any) error {
	err := o.ClientStream.RecvMsg(message)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, index := range message.(*rerankdv1.RerankStreamResponse).GetScores().GetIndex() {
		o.bytes -= o.sizes[index]
		delete(o.sizes, index)
	}
	return err
}

func TestWhatIsSentAndNotScoredHasABound(t *testing.T) {
	for name, one := range map[string]struct {
		docs                []*rerankdv1.Document
		atLeast, most, size int
	}{
		"documents": {documents(3000), 20, 20, 1 << 20},
		"bytes":     {rerankd.Texts(slices.Repeat([]string{strings.Repeat("x", 500<<10)}, 100)...), 2, 20, 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			measured := &outstanding{sizes: map[int32]int{}}
			measure := func(
				ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
				open grpc.Streamer, options ...grpc.CallOption,
			) (grpc.ClientStream, error) {
				stream, err := open(ctx, desc, conn, method, options...)
				measured.ClientStream = stream
				return measured, err
			}
			client := dial(t, &fakeserver.Server{Limits: &rerankdv1.Limits{StreamWindowDocuments: 10}},
				rerankd.WithDialOptions(grpc.WithStreamInterceptor(measure)))
			response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(one.docs), nil))
			sameResults(t, fakeserver.Ranking(one.docs, nil), response.GetResults())
			if measured.mostDocs > one.most || measured.mostDocs < one.atLeast || measured.mostBytes > one.size {
				t.Errorf("%d documents and %d bytes were out", measured.mostDocs, measured.mostBytes)
			}
		})
	}
}

func TestAChannelIsLeftWhenTheStreamCloses(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	channel := make(chan *rerankdv1.Document)
	stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", rerankd.FromChannel(channel), nil))
	channel <- rerankd.Text("a")
	stream.Close()
}

func TestAChannelThatIsClosedIsASource(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := documents(2000)
	channel := make(chan *rerankdv1.Document)
	go func() {
		defer close(channel)
		for _, document := range docs {
			channel <- document
		}
	}()
	response := must[*rerankdv1.RerankResponse](t)(client.RerankAll(patience(t), "query", rerankd.FromChannel(channel), nil))
	sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
}

func TestRerankAllUsesAStreamOnlyForWhatDoesNotFit(t *testing.T) {
	server := &fakeserver.Server{Limits: &rerankdv1.Limits{MaxDocuments: 100, MaxReceiveBytes: 128 << 10}}
	client := dial(t, server)
	for _, one := range []struct {
		docs    []*rerankdv1.Document
		streams int
	}{
		{documents(100), 0},
		{documents(101), 1},
		{rerankd.Texts(strings.Repeat("a", 40<<10), strings.Repeat("b", 40<<10)), 2},
	} {
		response := must[*rerankdv1.RerankResponse](t)(client.RerankAll(patience(t), "query", listed(one.docs), nil))
		sameResults(t, fakeserver.Ranking(one.docs, nil), response.GetResults())
		if streams := server.Calls("RerankStream"); streams != one.streams {
			t.Errorf("%d documents: %d streams so far", len(one.docs), streams)
		}
	}
}

func TestAnAnswerThatMakesNoSenseIsAnInternalError(t *testing.T) {
	for name, plan := range map[string]fakeserver.Plan{
		"unknown": {Tamper: func(scores *rerankdv1.ScoreChunk) { scores.Index[0] = 1 << 20 }},
		"twice":   {Tamper: func(scores *rerankdv1.ScoreChunk) { scores.Index[1] = scores.Index[0] }},
		"scores":  {Tamper: func(scores *rerankdv1.ScoreChunk) { scores.Score = scores.Score[1:] }},
		"logits":  {Tamper: func(scores *rerankdv1.ScoreChunk) { scores.Logit = scores.Logit[1:] }},
		"early": {HoldAfter: 128, Summary: &rerankdv1.RerankResponse{
			Outcome: rerankdv1.Outcome_OUTCOME_RERANKED}},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, &fakeserver.Server{Plan: func(int) fakeserver.Plan { return plan }})
			_, err := ranked(t, client, listed(documents(1000)), nil)
			if !errors.Is(err, rerankd.ErrInternal) {
				t.Errorf("%v", err)
			}
		})
	}
}
