package rerankd_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// leaveFrom makes chunks of scores of a server that leaves the documents from an index on unscored.
func leaveFrom(first int32) func(*rerankdv1.ScoreChunk) {
	return func(scores *rerankdv1.ScoreChunk) {
		all := proto.CloneOf(scores)
		scores.Index, scores.Score, scores.Logit = nil, nil, nil
		for row, index := range all.GetIndex() {
			if index >= first {
				scores.UnscoredIndex = append(scores.UnscoredIndex, index)
				continue
			}
			scores.Index = append(scores.Index, index)
			scores.Score = append(scores.Score, all.GetScore()[row])
			scores.Logit = append(scores.Logit, all.GetLogit()[row])
		}
	}
}

func passedFor(reason string) func(*rerankdv1.RerankResponse) {
	return func(summary *rerankdv1.RerankResponse) {
		summary.Outcome, summary.OutcomeReason = isPassed, reason
	}
}

// unscored are documents as they come back from a server that scores nothing.
func unscored(docs []*rerankdv1.Document, topN int32) []*rerankdv1.RerankResult {
	var results []*rerankdv1.RerankResult
	for i, document := range docs {
		if topN == 0 || i < int(topN) {
			results = append(results, &rerankdv1.RerankResult{
				Index: int32(i), Rank: int32(i + 1), Id: document.GetId(), Document: document,
			})
		}
	}
	return results
}

func TestAServerThatScoresNothingLeavesTheOrder(t *testing.T) {
	docs := documents(3000)
	good := fakeserver.Plan{Tamper: leaveFrom(0), Finish: passedFor("NONE: left as it is")}
	early, late := good, good
	early.Failure, early.FailAfter = lost, 1500
	late.Failure, late.FailAfter = lost, 3000
	for name, first := range map[string]fakeserver.Plan{"whole": good, "interrupted": early, "summary lost": late} {
		for _, topN := range []int32{0, 7} {
			t.Run(fmt.Sprint(name, topN), func(t *testing.T) {
				client := dial(t, &fakeserver.Server{Plan: func(stream int) fakeserver.Plan {
					if stream == 0 {
						return first
					}
					return good
				}})
				options := &rerankdv1.RerankOptions{TopN: topN, ReturnDocuments: true, MinScore: proto.Float32(0.5)}
				stream := must[*rerankd.Stream](t)(
					client.RerankStream(patience(t), "query", listed(docs), options, rerankd.EmitScores()))
				defer stream.Close()
				var told []int32
				for event, err := range stream.Events() {
					if err != nil {
						t.Fatal(err)
					}
					told = append(told, event.Scores.GetUnscoredIndex()...)
				}
				response := must[*rerankdv1.RerankResponse](t)(stream.Summary())
				sameResults(t, unscored(docs, topN), response.GetResults())
				if slices.Sort(told); len(told) != 3000 || len(slices.Compact(told)) != 3000 {
					t.Errorf("%d documents were told", len(told))
				}
				if response.GetOutcome() != isPassed || response.GetOutcomeReason()[:6] != "NONE: " ||
					response.GetUsage().GetScoredDocuments() != 0 || response.GetUsage().GetDocuments() != 3000 {
					t.Errorf("%v %q %v", response.GetOutcome(), response.GetOutcomeReason(), response.GetUsage())
				}
			})
		}
	}
}

func TestDocumentsBeyondTheServersBoundFollowTheScoredOnes(t *testing.T) {
	docs := documents(2500)
	bound := fakeserver.Plan{Tamper: leaveFrom(100)}
	early, late := bound, bound
	early.Failure, early.FailAfter = lost, 1200
	late.Failure, late.FailAfter = lost, 2500
	for name, first := range map[string]fakeserver.Plan{"whole": bound, "interrupted": early, "summary lost": late} {
		for _, topN := range []int32{0, 50, 150} {
			t.Run(fmt.Sprint(name, topN), func(t *testing.T) {
				client := dial(t, &fakeserver.Server{Plan: func(stream int) fakeserver.Plan {
					if stream == 0 {
						return first
					}
					return bound
				}})
				response := must[*rerankdv1.RerankResponse](t)(
					ranked(t, client, listed(docs), &rerankdv1.RerankOptions{TopN: topN}))
				want := fakeserver.Ranking(docs, &rerankdv1.RerankOptions{TopN: topN, MaxScoredDocuments: 100})
				sameResults(t, want, response.GetResults())
				if response.GetOutcome() != isReranked || response.GetUsage().GetScoredDocuments() != 100 {
					t.Errorf("%v %v", response.GetOutcome(), response.GetUsage())
				}
			})
		}
	}
}

func TestSnapshotsHaveNoPlaceForUnscoredDocuments(t *testing.T) {
	client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{Tamper: leaveFrom(100)})})
	stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", listed(documents(600)),
		&rerankdv1.RerankOptions{TopN: 150}, rerankd.EmitSnapshots(0)))
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		for _, result := range event.Snapshot.GetResults() {
			if !result.GetScored() {
				t.Fatalf("%v", result)
			}
		}
	}
	if response := must[*rerankdv1.RerankResponse](t)(stream.Summary()); len(response.GetResults()) != 150 {
		t.Errorf("%d results", len(response.GetResults()))
	}
}

func TestWhatStoodInAndWhatItBilledAreTold(t *testing.T) {
	billed := func(summary *rerankdv1.RerankResponse) {
		summary.OutcomeReason = "FALLBACK: b stood in for a: DRAINING: going down"
		summary.Usage.ProviderUnits, summary.Usage.ProviderCost = 3, 0.5
		summary.Usage.ProviderUnitsEstimated = true
	}
	client := dial(t, &fakeserver.Server{Plan: plans(
		fakeserver.Plan{Failure: lost, FailAfter: 100}, fakeserver.Plan{Finish: billed})})
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(500)), nil))
	usage := response.GetUsage()
	if response.GetOutcome() != isReranked || response.GetOutcomeReason()[:10] != "FALLBACK: " ||
		usage.GetProviderUnits() != 3 || usage.GetProviderCost() != 0.5 || !usage.GetProviderUnitsEstimated() {
		t.Errorf("%v %q %v", response.GetOutcome(), response.GetOutcomeReason(), usage)
	}
}

// A server whose model fails half-way leaves the rest unscored, and a model that cannot be loaded has no
// revision.
func TestTheServersOwnOriginalOrderIsTakenOver(t *testing.T) {
	docs := documents(500)
	for _, topN := range []int32{0, 7} {
		t.Run(fmt.Sprint(topN), func(t *testing.T) {
			client := dial(t, &fakeserver.Server{Plan: plans(
				fakeserver.Plan{Failure: lost, FailAfter: 200, Revision: "a"},
				fakeserver.Plan{Tamper: leaveFrom(0), Finish: passedFor("OVERLOADED: full")})})
			response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(docs),
				&rerankdv1.RerankOptions{TopN: topN, ReturnDocuments: true}))
			sameResults(t, unscored(docs, topN), response.GetResults())
			if response.GetOutcome() != isPassed || response.GetOutcomeReason() != "OVERLOADED: full" {
				t.Errorf("%v %q", response.GetOutcome(), response.GetOutcomeReason())
			}
		})
	}
}

func TestADocumentIsAnsweredOnce(t *testing.T) {
	twice := func(scores *rerankdv1.ScoreChunk) { scores.UnscoredIndex = scores.GetIndex()[:1] }
	client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{Tamper: twice})})
	if _, err := ranked(t, client, listed(documents(50)), nil); !errors.Is(err, rerankd.ErrInternal) {
		t.Errorf("%v", err)
	}
}

func TestAServerThatTellsNoModelIsTooOldToGoOnAt(t *testing.T) {
	silent := func(scores *rerankdv1.ScoreChunk) { scores.Model = nil }
	server := &fakeserver.Server{Plan: plans(
		fakeserver.Plan{Failure: draining}, fakeserver.Plan{Failure: draining, FailAfter: 100, Tamper: silent})}
	client := dial(t, server)
	_, err := ranked(t, client, listed(documents(500)), nil)
	// Before any score, nothing would have to be compared.
	if !errors.Is(err, rerankd.ErrDraining) || server.Calls("RerankStream") != 2 {
		t.Errorf("%v after %d streams", err, server.Calls("RerankStream"))
	}
}

func TestOnlyWhoAsksForTheErrorForbidsOtherModels(t *testing.T) {
	unset, fail := rerankdv1.FailureMode_FAILURE_MODE_UNSPECIFIED, rerankdv1.FailureMode_FAILURE_MODE_FAIL
	for asked, sent := range map[rerankdv1.FailureMode]rerankdv1.FailureMode{unset: unset, inOrder: unset, fail: fail} {
		t.Run(asked.String(), func(t *testing.T) {
			server := &fakeserver.Server{}
			client := dial(t, server)
			options := &rerankdv1.RerankOptions{OnFailure: asked}
			must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(3)), options))
			if got := server.Starts()[0].GetOptions().GetOnFailure(); got != sent {
				t.Errorf("%v was sent", got)
			}
		})
	}
}

func TestAQuotaIsForgivenWhereItIsAProviders(t *testing.T) {
	for owner, forgiven := range map[string]bool{"provider": true, "key": false} {
		t.Run(owner, func(t *testing.T) {
			info := &errdetails.ErrorInfo{
				Reason: "QUOTA_EXCEEDED", Domain: "rerankd", Metadata: map[string]string{owner: "x"},
			}
			full := must[*status.Status](t)(status.New(codes.ResourceExhausted, "used up").WithDetails(info))
			client := dial(t, &fakeserver.Server{Plan: plans(fakeserver.Plan{Failure: full.Err(), FailAfter: 100})})
			response, err := ranked(t, client, listed(documents(500)), &rerankdv1.RerankOptions{OnFailure: inOrder})
			if errors.Is(err, rerankd.ErrQuotaExceeded) == forgiven || (response.GetOutcome() == isPassed) != forgiven {
				t.Errorf("%v, %v", response.GetOutcome(), err)
			}
		})
	}
}

func TestAnUnreachableProviderIsTriedAgainAndThenForgiven(t *testing.T) {
	away := fakeserver.Failure(codes.Unavailable, "PROVIDER_UNAVAILABLE", "away")
	server := &fakeserver.Server{Plan: func(int) fakeserver.Plan { return fakeserver.Plan{Failure: away} }}
	client := dial(t, server)
	if _, err := ranked(t, client, listed(documents(5)), nil); !errors.Is(err, rerankd.ErrProviderUnavailable) {
		t.Errorf("%v", err)
	}
	options := &rerankdv1.RerankOptions{OnFailure: inOrder}
	response := must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(5)), options))
	if response.GetOutcomeReason() != "PROVIDER_UNAVAILABLE: away" || server.Calls("RerankStream") != 6 {
		t.Errorf("%q after %d streams", response.GetOutcomeReason(), server.Calls("RerankStream"))
	}
}
