package rerankd_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

var (
	lost       = status.Error(codes.Unavailable, "lost")
	draining   = fakeserver.Failure(codes.Unavailable, "DRAINING", "going down")
	broken     = fakeserver.Failure(codes.Internal, "BACKEND_FAILED", "broken")
	inOrder    = rerankdv1.FailureMode_FAILURE_MODE_ORIGINAL_ORDER
	partial    = rerankdv1.DeadlineMode_DEADLINE_MODE_PARTIAL
	isPartial  = rerankdv1.Outcome_OUTCOME_PARTIAL
	isPassed   = rerankdv1.Outcome_OUTCOME_PASSTHROUGH
	isReranked = rerankdv1.Outcome_OUTCOME_RERANKED
)

// plans gives the streams their plans in turn, and a good one to those after them.
func plans(all ...fakeserver.Plan) func(int) fakeserver.Plan {
	return func(stream int) fakeserver.Plan {
		if stream < len(all) {
			return all[stream]
		}
		return fakeserver.Plan{}
	}
}

func TestAnInterruptedStreamGivesTheSameAnswer(t *testing.T) {
	docs := documents(1500)
	for name, options := range map[string]*rerankdv1.RerankOptions{
		"all":   {},
		"top":   {TopN: 20, ReturnDocuments: true},
		"first": {MaxScoredDocuments: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			server := &fakeserver.Server{Plan: plans(
				fakeserver.Plan{Failure: lost, FailAfter: 200},
				fakeserver.Plan{Failure: draining, FailAfter: 333},
				fakeserver.Plan{Failure: lost},
			)}
			client := dial(t, server)
			stream := must[*rerankd.Stream](t)(
				client.RerankStream(patience(t), "query", listed(docs), options, rerankd.EmitScores()))
			defer stream.Close()
			seen, models := map[int32]bool{}, 0
			for event, err := range stream.Events() {
				if err != nil {
					t.Fatal(err)
				}
				if event.Scores.GetModel() != nil {
					models++
				}
				for _, index := range event.Scores.GetIndex() {
					if seen[index] {
						t.Errorf("documents[%d] came twice", index)
					}
					seen[index] = true
				}
			}
			response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
			sameResults(t, fakeserver.Ranking(docs, options), response.GetResults())
			if stream.Resumes() != 3 || models != 1 || int(response.GetUsage().GetScoredDocuments()) != len(seen) {
				t.Errorf("%d resumes, %d models, usage %v", stream.Resumes(), models, response.GetUsage())
			}
		})
	}
}

func TestAServerThatStartsAgain(t *testing.T) {
	docs := documents(1500)
	for name, one := range map[string]struct {
		stop    func(*fakeserver.Server)
		failure error
	}{
		"killed":  {(*fakeserver.Server).Stop, nil},
		"drained": {(*fakeserver.Server).GracefulStop, draining},
	} {
		t.Run(name, func(t *testing.T) {
			server, restarted := &fakeserver.Server{}, make(chan error, 1)
			server.Plan = plans(fakeserver.Plan{FailAfter: 300, Failure: one.failure, Break: func() {
				go func() {
					one.stop(server)
					restarted <- server.Start()
				}()
			}})
			client := dial(t, server)
			response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), nil))
			sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestGivingUp(t *testing.T) {
	for name, one := range map[string]struct {
		scored, attempts, streams int
	}{
		"no score":       {0, 8, 3},
		"no score, once": {0, 1, 1},
		"some score":     {50, 2, 3},
		"never":          {50, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := &fakeserver.Server{Plan: func(stream int) fakeserver.Plan {
				if stream == 0 {
					return fakeserver.Plan{Failure: draining, FailAfter: one.scored}
				}
				return fakeserver.Plan{Failure: draining}
			}}
			client := dial(t, server, rerankd.WithResumeAttempts(one.attempts))
			_, err := ranked(t, client, listed(documents(500)), nil)
			if !errors.Is(err, rerankd.ErrDraining) {
				t.Errorf("%v", err)
			}
			if streams := server.Calls("RerankStream"); streams != one.streams {
				t.Errorf("%d streams", streams)
			}
		})
	}
}

func TestEachNewScoreStartsTheCountAgain(t *testing.T) {
	server := &fakeserver.Server{Plan: func(stream int) fakeserver.Plan {
		return fakeserver.Plan{Failure: lost, FailAfter: 100}
	}}
	client := dial(t, server, rerankd.WithResumeAttempts(1))
	docs := documents(450)
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), nil))
	sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
	if streams := server.Calls("RerankStream"); streams != 5 {
		t.Errorf("%d streams", streams)
	}
}

func TestTheServersDelayIsKept(t *testing.T) {
	const delay = 700 * time.Millisecond
	var mu sync.Mutex
	var failed, again time.Time
	full := fakeserver.Failure(codes.Unavailable, "OVERLOADED", "full",
		&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	server := &fakeserver.Server{Plan: func(stream int) fakeserver.Plan {
		mu.Lock()
		defer mu.Unlock()
		if stream == 0 {
			failed = time.Now()
			return fakeserver.Plan{Failure: full}
		}
		again = time.Now()
		return fakeserver.Plan{}
	}}
	client := dial(t, server)
	must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(10)), nil))
	mu.Lock()
	defer mu.Unlock()
	if again.Sub(failed) < delay {
		t.Errorf("tried again after %v", again.Sub(failed))
	}
}

func TestOtherFailuresAreNotResumed(t *testing.T) {
	server := &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: broken, FailAfter: 100})}
	client := dial(t, server)
	_, err := ranked(t, client, listed(documents(500)), nil)
	if !errors.Is(err, rerankd.ErrBackendFailed) || server.Calls("RerankStream") != 1 {
		t.Errorf("%v after %d streams", err, server.Calls("RerankStream"))
	}
}

func TestAnotherModelCannotGoOn(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: plans(
		fakeserver.Plan{Failure: lost, FailAfter: 100, Revision: "a"}, fakeserver.Plan{Revision: "b"})})
	_, err := ranked(t, client, listed(documents(500)), nil)
	var failure *rerankd.Error
	if !errors.Is(err, rerankd.ErrModelChanged) || !errors.As(err, &failure) ||
		failure.Code != codes.FailedPrecondition || failure.Metadata["before"] != "fake@a" {
		t.Errorf("%v", err)
	}
}

func TestAnInterruptionAfterTheLastScoreNeedsNoOtherStream(t *testing.T) {
	server := &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: lost, FailAfter: 500})}
	client := dial(t, server)
	docs := documents(500)
	ended := make(chan struct{})
	source := rerankd.FromSeq(func(yield func(*rerankdv1.Document) bool) {
		defer close(ended)
		for _, document := range docs {
			if !yield(document) {
				return
			}
		}
	})
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, source, nil))
	<-ended
	sameResults(t, fakeserver.Ranking(docs, nil), response.GetResults())
	if response.GetOutcome() != isReranked || server.Calls("RerankStream") != 1 {
		t.Errorf("%v after %d streams", response.GetOutcome(), server.Calls("RerankStream"))
	}
}

func TestOriginalOrder(t *testing.T) {
	docs := documents(700)
	for name, failAfter := range map[string]int{"at once": 0, "midway": 300} {
		for _, topN := range []int32{0, 5} {
			t.Run(fmt.Sprint(name, topN), func(t *testing.T) {
				client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: broken, FailAfter: failAfter})})
				options := &rerankdv1.RerankOptions{
					TopN: topN, OnFailure: inOrder, MinScore: proto.Float32(0.5), MaxScoredDocuments: 600,
				}
				response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs), options))
				var want []*rerankdv1.RerankResult
				for i, document := range docs {
					if topN == 0 || i < int(topN) {
						want = append(want, &rerankdv1.RerankResult{Index: int32(i), Rank: int32(i + 1), Id: document.GetId()})
					}
				}
				sameResults(t, want, response.GetResults())
				if response.GetOutcome() != isPassed || response.GetOutcomeReason() != "BACKEND_FAILED: broken" ||
					response.GetUsage().GetDocuments() != 700 {
					t.Errorf("%v %q %v", response.GetOutcome(), response.GetOutcomeReason(), response.GetUsage())
				}
			})
		}
	}
}

func TestOriginalOrderIsNotForARequestAtFault(t *testing.T) {
	for reason, failure := range map[string]error{
		"INVALID_REQUEST": fakeserver.Failure(codes.InvalidArgument, "INVALID_REQUEST", "wrong"),
		"":                lost,
	} {
		t.Run(reason, func(t *testing.T) {
			client := dial(t, &fakeserver.Server{Plan: func(int) fakeserver.Plan { return fakeserver.Plan{Failure: failure} }})
			_, err := ranked(t, client, listed(documents(5)), &rerankdv1.RerankOptions{OnFailure: inOrder})
			if err == nil || status.Code(err) != status.Code(failure) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAnyRowOfInterruptionsGivesTheSameAnswer tries rows of interruptions made of a seed.
func TestAnyRowOfInterruptionsGivesTheSameAnswer(t *testing.T) {
	for range 12 {
		interrupted(t, rand.Uint64())
	}
}

func FuzzInterruptions(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(interrupted)
}

func interrupted(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	docs := documents(1 + random.IntN(1200))
	options := &rerankdv1.RerankOptions{TopN: int32(random.IntN(4) * 10)}
	if random.IntN(3) == 0 {
		options.MaxScoredDocuments = int32(1 + random.IntN(len(docs)))
	}
	server := &fakeserver.Server{}
	for range 1 + random.IntN(4) {
		all := fakeserver.Plan{
			FailAfter: 1 + random.IntN(400), Failure: lost, BatchDocuments: 1 + random.IntN(64),
		}
		previous := server.Plan
		count := random.IntN(4)
		server.Plan = func(stream int) fakeserver.Plan {
			if stream == count {
				return all
			}
			if previous != nil {
				return previous(stream)
			}
			return fakeserver.Plan{}
		}
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	client := must[*rerankd.Client](t)(rerankd.New(server.Target()))
	defer func() { _ = client.Close() }()
	response, err := ranked(t, client, listed(docs), options, rerankd.WithChunkDocuments(1+random.IntN(200)))
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	want := fakeserver.Ranking(docs, options)
	if !slices.EqualFunc(want, response.GetResults(), func(a, b *rerankdv1.RerankResult) bool { return proto.Equal(a, b) }) {
		t.Fatalf("seed %d: another ranking; outcome %v", seed, strings.ToLower(response.GetOutcome().String()))
	}
}
